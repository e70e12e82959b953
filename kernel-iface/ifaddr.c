#include "kernel-iface/ifaddr.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "kernel-iface/link.h"
#include "kernel-iface/netlink.h"

static struct nlmsghdr *build(struct netlink_request *request, uint16_t type, uint16_t flags,
			      uint32_t ifindex, const struct ip_addr *addr, unsigned int prefix_len)
{
	struct ifaddrmsg *ifa;
	struct nlmsghdr *msg;
	void *extra;

	msg = netlink_request_init(request, type, flags, sizeof(*ifa), &extra);
	ifa = extra;
	ifa->ifa_family = addr->family;
	ifa->ifa_prefixlen = (uint8_t)prefix_len;
	ifa->ifa_index = ifindex;
	ifa->ifa_scope = RT_SCOPE_UNIVERSE;
	netlink_put_addr(msg, IFA_LOCAL, addr);
	netlink_put_addr(msg, IFA_ADDRESS, addr);
	return msg;
}

static int check(uint32_t ifindex, const struct ip_addr *addr, unsigned int prefix_len)
{
	if (!ifindex)
		return -ENODEV;
	if (!addr_len(addr) || prefix_len > addr_len(addr) * 8)
		return -EINVAL;
	return 0;
}

int iface_addr_add(struct netlink *nl, uint32_t ifindex, const struct ip_addr *addr,
		   unsigned int prefix_len)
{
	struct netlink_request request;
	struct nlmsghdr *msg;
	int err = check(ifindex, addr, prefix_len);

	if (err)
		return err;
	msg = build(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, ifindex, addr, prefix_len);
	if (addr->family == AF_INET6)
		mnl_attr_put_u32(msg, IFA_FLAGS, IFA_F_NODAD);
	return netlink_talk(nl, msg, NULL, NULL);
}

int iface_addr_remove(struct netlink *nl, uint32_t ifindex, const struct ip_addr *addr,
		      unsigned int prefix_len)
{
	struct netlink_request request;
	struct nlmsghdr *msg;
	int err = check(ifindex, addr, prefix_len);

	if (err)
		return err;
	msg = build(&request, RTM_DELADDR, 0, ifindex, addr, prefix_len);
	return netlink_talk(nl, msg, NULL, NULL);
}

struct listing {
	struct iface_addr *out;
	size_t max;
	size_t count;
};

static void restart_listing(void *arg)
{
	struct listing *listing = arg;

	listing->count = 0;
}

static void set_flags(struct iface_addr *entry, uint32_t flags)
{
	/* IFA_F_SECONDARY is the same bit and means something else on v4. */
	entry->temporary = entry->addr.family == AF_INET6 && (flags & IFA_F_TEMPORARY);
	entry->deprecated = flags & IFA_F_DEPRECATED;
	entry->unusable = (flags & IFA_F_DADFAILED) ||
			  ((flags & IFA_F_TENTATIVE) && !(flags & IFA_F_OPTIMISTIC));
}

static int read_addr(void *arg, const struct nlmsghdr *msg)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(msg);
	struct iface_addr entry = { 0 };
	struct listing *listing = arg;
	const struct nlattr *attr;
	bool local = false;
	uint32_t flags;

	if (msg->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(msg) < sizeof(*ifa))
		return 0;
	flags = ifa->ifa_flags;
	for (attr = netlink_attr_first(msg, sizeof(*ifa)); attr;
	     attr = netlink_attr_next(msg, attr)) {
		uint16_t type = mnl_attr_get_type(attr);

		/* On a point-to-point link IFA_ADDRESS is the other end and IFA_LOCAL is ours. */
		if (type == IFA_LOCAL)
			local = !netlink_get_addr(&entry.addr, ifa->ifa_family, attr);
		else if (type == IFA_ADDRESS && !local)
			netlink_get_addr(&entry.addr, ifa->ifa_family, attr);
		else if (type == IFA_FLAGS)
			flags = mnl_attr_get_u32(attr);
	}
	if (!entry.addr.family || listing->count == listing->max)
		return 0;
	entry.ifindex = ifa->ifa_index;
	entry.prefix_len = ifa->ifa_prefixlen;
	set_flags(&entry, flags);
	listing->out[listing->count++] = entry;
	return 0;
}

int iface_addr_list(struct netlink *nl, struct iface_addr *out, size_t max, size_t *count)
{
	struct listing listing = { .out = out, .max = max };
	struct netlink_request request;
	struct ifaddrmsg *ifa;
	struct nlmsghdr *msg;
	void *extra;
	int err;

	msg = netlink_request_init(&request, RTM_GETADDR, NLM_F_DUMP, sizeof(*ifa), &extra);
	err = netlink_dump(nl, msg, read_addr, restart_listing, &listing);
	if (!err)
		*count = listing.count;
	return err;
}

static bool link_usable(struct netlink *nl, uint32_t ifindex)
{
	struct link_info info;

	return !link_get(nl, ifindex, &info) && info.up && info.running && !info.loopback;
}

/* Whether another address of the same v6 prefix and interface is a temporary one in good use. */
static bool displaced(const struct iface_addr *entry, const struct iface_addr *all, size_t count)
{
	struct prefix prefix = prefix_from_addr(&entry->addr, entry->prefix_len);

	if (entry->addr.family != AF_INET6 || entry->temporary)
		return false;
	for (size_t i = 0; i < count; i++)
		if (all[i].temporary && !all[i].deprecated && !all[i].unusable &&
		    all[i].ifindex == entry->ifindex && prefix_contains(&prefix, &all[i].addr))
			return true;
	return false;
}

int iface_addr_candidates(struct netlink *nl, uint32_t tunnel, struct iface_addr *out, size_t max,
			  size_t *count)
{
	struct iface_addr *all = calloc(IFADDR_MAX, sizeof(*all));
	size_t total, kept = 0;
	int err;

	if (!all)
		return -ENOMEM;
	err = iface_addr_list(nl, all, IFADDR_MAX, &total);
	if (err)
		goto out;
	for (size_t i = 0; i < total && kept < max; i++) {
		const struct iface_addr *entry = &all[i];

		if (entry->ifindex == tunnel || entry->unusable || entry->deprecated ||
		    !addr_is_unicast(&entry->addr) || displaced(entry, all, total) ||
		    !link_usable(nl, entry->ifindex))
			continue;
		out[kept++] = *entry;
	}
	*count = kept;
out:
	free(all);
	return err;
}
