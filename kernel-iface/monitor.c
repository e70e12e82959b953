#include "kernel-iface/monitor.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "kernel-iface/netlink.h"

#define READ_SIZE 16384
/* Datagrams of one turn; the rest waits for the next, so that a flood cannot hold the loop. */
#define READ_BATCH 64

#define GROUPS                                                                       \
	(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | \
	 RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE | 1 << (RTNLGRP_IPV6_RULE - 1))

struct monitor {
	struct mnl_socket *socket;
	uint32_t tunnel;
	unsigned int changes;
	uint64_t due_ns;
	uint64_t taken_ns; /* the last time something was; 0: never */
	uint64_t gap_ns;   /* between the last two takings of a burst */
	alignas(8) uint8_t buf[READ_SIZE];
};

int monitor_new(struct monitor **monitor)
{
	struct monitor *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	m->due_ns = CLOCK_NEVER;
	m->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!m->socket || mnl_socket_bind(m->socket, GROUPS, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		monitor_free(m);
		return err;
	}
	*monitor = m;
	return 0;
}

void monitor_free(struct monitor *monitor)
{
	if (!monitor)
		return;
	if (monitor->socket)
		mnl_socket_close(monitor->socket);
	free(monitor);
}

void monitor_set_tunnel(struct monitor *monitor, uint32_t ifindex)
{
	monitor->tunnel = ifindex;
}

int monitor_fd(const struct monitor *monitor)
{
	return mnl_socket_get_fd(monitor->socket);
}

static bool ours(const struct monitor *monitor, uint32_t ifindex)
{
	return monitor->tunnel && ifindex == monitor->tunnel;
}

static unsigned int link_change(const struct monitor *monitor, const struct nlmsghdr *msg)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(msg);

	if (mnl_nlmsg_get_payload_len(msg) < sizeof(*ifi))
		return 0;
	if (!ours(monitor, (uint32_t)ifi->ifi_index))
		return MONITOR_LINK;
	return msg->nlmsg_type == RTM_DELLINK || !(ifi->ifi_flags & IFF_UP) ? MONITOR_TUNNEL : 0;
}

static unsigned int addr_change(const struct monitor *monitor, const struct nlmsghdr *msg)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(msg);

	if (mnl_nlmsg_get_payload_len(msg) < sizeof(*ifa))
		return 0;
	if (!ours(monitor, ifa->ifa_index))
		return MONITOR_ADDR;
	return msg->nlmsg_type == RTM_DELADDR ? MONITOR_TUNNEL : 0;
}

static unsigned int route_change(const struct monitor *monitor, const struct nlmsghdr *msg)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(msg);
	const struct nlattr *attr;
	uint32_t oif = 0;

	if (mnl_nlmsg_get_payload_len(msg) < sizeof(*rt) || (rt->rtm_flags & RTM_F_CLONED))
		return 0;
	for (attr = netlink_attr_first(msg, sizeof(*rt)); attr; attr = netlink_attr_next(msg, attr))
		if (mnl_attr_get_type(attr) == RTA_OIF)
			oif = mnl_attr_get_u32(attr);
	return ours(monitor, oif) ? 0 : MONITOR_ROUTE;
}

static unsigned int change_of(const struct monitor *monitor, const struct nlmsghdr *msg)
{
	switch (msg->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return link_change(monitor, msg);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return addr_change(monitor, msg);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return route_change(monitor, msg);
	case RTM_DELRULE:
		return MONITOR_RULE;
	default:
		return 0;
	}
}

static void note(struct monitor *monitor, unsigned int changes, uint64_t now_ns)
{
	if (changes && !monitor->changes) {
		uint64_t next_ns = monitor->taken_ns + monitor->gap_ns;

		monitor->due_ns = next_ns > now_ns ? next_ns : now_ns;
	}
	monitor->changes |= changes;
}

int monitor_read(struct monitor *monitor, uint64_t now_ns)
{
	for (int i = 0; i < READ_BATCH; i++) {
		ssize_t len = mnl_socket_recvfrom(monitor->socket, monitor->buf, READ_SIZE);
		const struct nlmsghdr *msg = (const void *)monitor->buf;
		int left = (int)len;

		if (len < 0 && errno == EAGAIN)
			return 0;
		if (len < 0 && errno != ENOBUFS)
			return -errno;
		if (len < 0) {
			note(monitor,
			     MONITOR_LINK | MONITOR_ADDR | MONITOR_ROUTE | MONITOR_TUNNEL |
				     MONITOR_RULE,
			     now_ns);
			continue;
		}
		for (; mnl_nlmsg_ok(msg, left); msg = mnl_nlmsg_next(msg, &left))
			note(monitor, change_of(monitor, msg), now_ns);
	}
	return 0;
}

/* The first events of a burst are worth most: by them a way is lost, or found. */
static void widen_gap(struct monitor *monitor, uint64_t now_ns)
{
	uint64_t most_ns = MONITOR_COALESCE_MS * NS_PER_MS;

	if (!monitor->taken_ns || now_ns >= monitor->taken_ns + MONITOR_BURST_MS * NS_PER_MS)
		monitor->gap_ns = MONITOR_GAP_MS * NS_PER_MS;
	else if (monitor->gap_ns < most_ns)
		monitor->gap_ns = 2 * monitor->gap_ns < most_ns ? 2 * monitor->gap_ns : most_ns;
	monitor->taken_ns = now_ns;
}

uint64_t monitor_next_ns(const struct monitor *monitor)
{
	return monitor->due_ns;
}

unsigned int monitor_take(struct monitor *monitor, uint64_t now_ns)
{
	unsigned int changes = monitor->changes;

	if (now_ns < monitor->due_ns)
		return 0;
	if (changes)
		widen_gap(monitor, now_ns);
	monitor->changes = 0;
	monitor->due_ns = CLOCK_NEVER;
	return changes;
}
