#include "kernel-iface/link.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "kernel-iface/netlink.h"

_Static_assert(LINK_NAME_SIZE == IFNAMSIZ, "interface names have the kernel's size");

static int take_kind(const struct nlattr *attr, void *arg)
{
	struct link_info *info = arg;

	if (mnl_attr_get_type(attr) == IFLA_INFO_KIND &&
	    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		strncpy(info->kind, mnl_attr_get_str(attr), LINK_KIND_SIZE - 1);
	return MNL_CB_OK;
}

static int read_link(void *arg, const struct nlmsghdr *msg)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(msg);
	struct link_info *info = arg;
	const struct nlattr *attr;

	if (msg->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(msg) < sizeof(*ifi))
		return 0;
	memset(info, 0, sizeof(*info));
	info->ifindex = (uint32_t)ifi->ifi_index;
	info->up = ifi->ifi_flags & IFF_UP;
	info->running = ifi->ifi_flags & IFF_RUNNING;
	info->loopback = ifi->ifi_flags & IFF_LOOPBACK;
	info->point_to_point = ifi->ifi_flags & IFF_POINTOPOINT;
	for (attr = netlink_attr_first(msg, sizeof(*ifi)); attr;
	     attr = netlink_attr_next(msg, attr)) {
		if (mnl_attr_get_type(attr) == IFLA_MTU)
			info->mtu = mnl_attr_get_u32(attr);
		if (mnl_attr_get_type(attr) == IFLA_IFNAME)
			strncpy(info->name, mnl_attr_get_str(attr), LINK_NAME_SIZE - 1);
		if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
			mnl_attr_parse_nested(attr, take_kind, info);
	}
	return 0;
}

static int query(struct netlink *nl, uint32_t ifindex, const char *name, struct link_info *info)
{
	struct link_info found = { 0 };
	struct netlink_request request;
	struct ifinfomsg *ifi;
	struct nlmsghdr *msg;
	void *extra;
	int err;

	msg = netlink_request_init(&request, RTM_GETLINK, 0, sizeof(*ifi), &extra);
	ifi = extra;
	ifi->ifi_index = (int)ifindex;
	if (name)
		mnl_attr_put_strz(msg, IFLA_IFNAME, name);
	err = netlink_talk(nl, msg, read_link, &found);
	if (err)
		return err;
	if (!found.ifindex)
		return -ENODEV;
	*info = found;
	return 0;
}

int link_find(struct netlink *nl, const char *name, struct link_info *info)
{
	size_t len = strlen(name);

	if (!len || len >= LINK_NAME_SIZE)
		return -EINVAL;
	return query(nl, 0, name, info);
}

int link_get(struct netlink *nl, uint32_t ifindex, struct link_info *info)
{
	if (!ifindex)
		return -ENODEV;
	return query(nl, ifindex, NULL, info);
}

static int set(struct netlink *nl, uint32_t ifindex, bool up, uint32_t mtu)
{
	struct netlink_request request;
	struct ifinfomsg *ifi;
	struct nlmsghdr *msg;
	void *extra;

	if (!ifindex)
		return -ENODEV;
	msg = netlink_request_init(&request, RTM_NEWLINK, 0, sizeof(*ifi), &extra);
	ifi = extra;
	ifi->ifi_index = (int)ifindex;
	ifi->ifi_flags = up ? IFF_UP : 0;
	ifi->ifi_change = IFF_UP;
	if (mtu)
		mnl_attr_put_u32(msg, IFLA_MTU, mtu);
	return netlink_talk(nl, msg, NULL, NULL);
}

int link_set_up(struct netlink *nl, uint32_t ifindex, uint32_t mtu)
{
	return set(nl, ifindex, true, mtu);
}

int link_set_down(struct netlink *nl, uint32_t ifindex)
{
	return set(nl, ifindex, false, 0);
}

int link_delete(struct netlink *nl, uint32_t ifindex)
{
	struct netlink_request request;
	struct ifinfomsg *ifi;
	struct nlmsghdr *msg;
	void *extra;

	/* An index of 0 and no name would ask the kernel for something else entirely. */
	if (!ifindex)
		return -ENODEV;
	msg = netlink_request_init(&request, RTM_DELLINK, 0, sizeof(*ifi), &extra);
	ifi = extra;
	ifi->ifi_index = (int)ifindex;
	return netlink_talk(nl, msg, NULL, NULL);
}
