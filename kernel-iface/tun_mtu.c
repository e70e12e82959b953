#include "kernel-iface/tun_mtu.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel-iface/link.h"
#include "kernel-iface/netlink.h"

#define READ_SIZE  16384
#define READ_BATCH 64
#define GROUPS     (RTMGRP_LINK | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE)

struct tun_mtu {
	struct mnl_socket *events;
	struct netlink *nl;
	uint32_t ifindex;
	alignas(8) uint8_t buf[READ_SIZE];
};

int tun_mtu_new(struct tun_mtu **out, uint32_t ifindex)
{
	struct tun_mtu *mtu = calloc(1, sizeof(*mtu));
	int err;

	if (!mtu)
		return -ENOMEM;
	mtu->ifindex = ifindex;
	mtu->events = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!mtu->events || mnl_socket_bind(mtu->events, GROUPS, MNL_SOCKET_AUTOPID) < 0)
		err = -errno;
	else
		err = netlink_new(&mtu->nl);
	if (err) {
		tun_mtu_free(mtu);
		return err;
	}
	*out = mtu;
	return 0;
}

void tun_mtu_free(struct tun_mtu *mtu)
{
	if (!mtu)
		return;
	if (mtu->events)
		mnl_socket_close(mtu->events);
	netlink_free(mtu->nl);
	free(mtu);
}

int tun_mtu_fd(const struct tun_mtu *mtu)
{
	return mnl_socket_get_fd(mtu->events);
}

static int take_metric(const struct nlattr *metric, void *mtu)
{
	if (mnl_attr_get_type(metric) == RTAX_MTU && mnl_attr_validate(metric, MNL_TYPE_U32) == 0)
		*(uint32_t *)mtu = mnl_attr_get_u32(metric);
	return MNL_CB_OK;
}

/* The MTU of a route over the device, 0 for none. */
static uint32_t route_mtu(const struct nlmsghdr *msg, uint32_t ifindex)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(msg);
	const struct nlattr *attr;
	uint32_t mtu = 0;
	uint32_t oif = 0;

	/* A cached one is what path MTU discovery learnt, not what somebody set. */
	if (mnl_nlmsg_get_payload_len(msg) < sizeof(*rt) || (rt->rtm_flags & RTM_F_CLONED))
		return 0;
	for (attr = netlink_attr_first(msg, sizeof(*rt)); attr;
	     attr = netlink_attr_next(msg, attr)) {
		if (mnl_attr_get_type(attr) == RTA_OIF &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			oif = mnl_attr_get_u32(attr);
		if (mnl_attr_get_type(attr) == RTA_METRICS)
			mnl_attr_parse_nested(attr, take_metric, &mtu);
	}
	return oif == ifindex ? mtu : 0;
}

static bool concerns(const struct tun_mtu *mtu, const struct nlmsghdr *msg)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(msg);

	switch (msg->nlmsg_type) {
	case RTM_NEWLINK:
		return mnl_nlmsg_get_payload_len(msg) >= sizeof(*ifi) &&
		       (uint32_t)ifi->ifi_index == mtu->ifindex;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return route_mtu(msg, mtu->ifindex) != 0;
	default:
		return false;
	}
}

bool tun_mtu_changed(struct tun_mtu *mtu)
{
	bool changed = false;

	for (int i = 0; i < READ_BATCH; i++) {
		ssize_t len = mnl_socket_recvfrom(mtu->events, mtu->buf, READ_SIZE);
		const struct nlmsghdr *msg = (const void *)mtu->buf;
		int left = (int)len;

		if (len < 0 && errno != ENOBUFS)
			break;
		/* Overrun: nobody knows what was missed. */
		if (len < 0)
			changed = true;
		for (; len > 0 && mnl_nlmsg_ok(msg, left); msg = mnl_nlmsg_next(msg, &left))
			changed |= concerns(mtu, msg);
	}
	return changed;
}

struct listing {
	uint32_t ifindex;
	size_t count;
	uint32_t mtu[TUN_MTU_MAX];
};

static int take_route(void *arg, const struct nlmsghdr *msg)
{
	struct listing *listing = arg;
	uint32_t mtu = route_mtu(msg, listing->ifindex);

	for (size_t i = 0; i < listing->count; i++)
		if (listing->mtu[i] == mtu)
			return 0;
	if (mtu && listing->count < TUN_MTU_MAX)
		listing->mtu[listing->count++] = mtu;
	return 0;
}

static void restart(void *arg)
{
	((struct listing *)arg)->count = 1;
}

int tun_mtu_list(struct tun_mtu *mtu, uint32_t out[static TUN_MTU_MAX])
{
	struct listing listing = { .ifindex = mtu->ifindex, .count = 1 };
	struct netlink_request request;
	struct link_info info;
	struct nlmsghdr *msg;
	void *extra;
	int err = link_get(mtu->nl, mtu->ifindex, &info);

	if (err)
		return err;
	listing.mtu[0] = info.mtu;
	msg = netlink_request_init(&request, RTM_GETROUTE, NLM_F_DUMP, sizeof(struct rtmsg),
				   &extra);
	err = netlink_dump(mtu->nl, msg, take_route, restart, &listing);
	if (err)
		return err;
	memset(out, 0, TUN_MTU_MAX * sizeof(*out));
	memcpy(out, listing.mtu, listing.count * sizeof(*out));
	return 0;
}
