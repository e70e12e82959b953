#include "kernel-iface/route.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/socket_mark.h"
#include "kernel-iface/netlink.h"

static struct nlmsghdr *build(struct netlink_request *request, uint16_t type, uint16_t flags,
			      uint32_t ifindex, const struct prefix *dst)
{
	struct nlmsghdr *msg;
	struct rtmsg *rt;
	void *extra;

	msg = netlink_request_init(request, type, flags, sizeof(*rt), &extra);
	rt = extra;
	rt->rtm_family = dst->addr.family;
	rt->rtm_dst_len = dst->len;
	rt->rtm_table = RT_TABLE_MAIN;
	rt->rtm_protocol = ROUTE_PROTOCOL;
	rt->rtm_scope = dst->addr.family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	rt->rtm_type = RTN_UNICAST;
	netlink_put_addr(msg, RTA_DST, &dst->addr);
	if (ifindex)
		mnl_attr_put_u32(msg, RTA_OIF, ifindex);
	return msg;
}

struct listing {
	struct route *out;
	size_t max;
	size_t count;
	bool others; /* not those of our protocol */
};

static void restart_listing(void *arg)
{
	struct listing *listing = arg;

	listing->count = 0;
}

static uint32_t table_of(const struct rtmsg *rt, const struct nlmsghdr *msg)
{
	const struct nlattr *attr;

	for (attr = netlink_attr_first(msg, sizeof(*rt)); attr; attr = netlink_attr_next(msg, attr))
		if (mnl_attr_get_type(attr) == RTA_TABLE)
			return mnl_attr_get_u32(attr);
	return rt->rtm_table;
}

/* A gateway of the other family. */
static void get_via(struct ip_addr *out, const struct nlattr *attr)
{
	const struct rtvia *via = mnl_attr_get_payload(attr);
	size_t len = mnl_attr_get_payload_len(attr);

	if (len < sizeof(*via))
		return;
	len -= sizeof(*via);
	if (via->rtvia_family == AF_INET6 && len >= 16)
		*out = addr_from_bytes(AF_INET6, via->rtvia_addr);
	else if (via->rtvia_family == AF_INET && len >= 4)
		*out = addr_from_bytes(AF_INET, via->rtvia_addr);
}

static int read_route(void *arg, const struct nlmsghdr *msg)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(msg);
	struct listing *listing = arg;
	struct route route = { 0 };
	const struct nlattr *attr;

	if (msg->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(msg) < sizeof(*rt))
		return 0;
	if ((rt->rtm_family != AF_INET && rt->rtm_family != AF_INET6) ||
	    (rt->rtm_flags & RTM_F_CLONED) || table_of(rt, msg) != RT_TABLE_MAIN ||
	    (listing->others && rt->rtm_protocol == ROUTE_PROTOCOL) ||
	    listing->count == listing->max)
		return 0;
	/* The default route comes without a destination. */
	route.dst.addr.family = rt->rtm_family;
	route.dst.len = rt->rtm_dst_len;
	route.protocol = rt->rtm_protocol;
	for (attr = netlink_attr_first(msg, sizeof(*rt)); attr;
	     attr = netlink_attr_next(msg, attr)) {
		uint16_t type = mnl_attr_get_type(attr);

		if (type == RTA_DST)
			netlink_get_addr(&route.dst.addr, rt->rtm_family, attr);
		else if (type == RTA_GATEWAY)
			netlink_get_addr(&route.gateway, rt->rtm_family, attr);
		else if (type == RTA_VIA)
			get_via(&route.gateway, attr);
		else if (type == RTA_OIF)
			route.ifindex = mnl_attr_get_u32(attr);
		else if (type == RTA_PRIORITY)
			route.metric = mnl_attr_get_u32(attr);
	}
	listing->out[listing->count++] = route;
	return 0;
}

static int read_choice(void *arg, const struct nlmsghdr *msg)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(msg);
	struct route_choice *choice = arg;
	const struct nlattr *attr;

	if (msg->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(msg) < sizeof(*rt))
		return 0;
	if (rt->rtm_type != RTN_UNICAST && rt->rtm_type != RTN_LOCAL)
		return -ENETUNREACH;
	for (attr = netlink_attr_first(msg, sizeof(*rt)); attr;
	     attr = netlink_attr_next(msg, attr)) {
		uint16_t type = mnl_attr_get_type(attr);

		if (type == RTA_PREFSRC)
			netlink_get_addr(&choice->source, rt->rtm_family, attr);
		else if (type == RTA_GATEWAY)
			netlink_get_addr(&choice->gateway, rt->rtm_family, attr);
		else if (type == RTA_OIF)
			choice->ifindex = mnl_attr_get_u32(attr);
	}
	return 0;
}

int route_choose(struct netlink *nl, const struct ip_addr *to, uint32_t ifindex,
		 struct route_choice *choice)
{
	struct netlink_request request;
	struct route_choice found = { 0 };
	struct nlmsghdr *msg;
	struct rtmsg *rt;
	void *extra;
	int err;

	msg = netlink_request_init(&request, RTM_GETROUTE, 0, sizeof(*rt), &extra);
	rt = extra;
	rt->rtm_family = to->family;
	rt->rtm_dst_len = (uint8_t)(addr_len(to) * 8);
	/* For an interface without a route the kernel would call everything on-link. */
	rt->rtm_flags = ifindex ? RTM_F_FIB_MATCH : 0;
	netlink_put_addr(msg, RTA_DST, to);
	if (ifindex)
		mnl_attr_put_u32(msg, RTA_OIF, ifindex);
	if (socket_mark_get())
		mnl_attr_put_u32(msg, RTA_MARK, socket_mark_get());
	err = netlink_talk(nl, msg, read_choice, &found);
	if (!err && !found.ifindex)
		err = -ENETUNREACH;
	if (!err)
		*choice = found;
	return err;
}

static int list(struct netlink *nl, struct route *out, size_t max, bool others, size_t *count)
{
	struct listing listing = { .out = out, .max = max, .others = others };
	struct netlink_request request;
	struct nlmsghdr *msg;
	void *extra;
	int err;

	msg = netlink_request_init(&request, RTM_GETROUTE, NLM_F_DUMP, sizeof(struct rtmsg),
				   &extra);
	err = netlink_dump(nl, msg, read_route, restart_listing, &listing);
	if (!err)
		*count = listing.count;
	return err;
}

int route_list(struct netlink *nl, struct route *out, size_t max, size_t *count)
{
	return list(nl, out, max, false, count);
}

int route_list_others(struct netlink *nl, struct route *out, size_t max, size_t *count)
{
	return list(nl, out, max, true, count);
}

/* The whole table in memory of its own, which the caller frees. */
static int load(struct netlink *nl, struct route **routes, bool others, size_t *count)
{
	struct route *all = calloc(ROUTE_MAX, sizeof(*all));
	int err;

	if (!all)
		return -ENOMEM;
	err = list(nl, all, ROUTE_MAX, others, count);
	if (err)
		free(all);
	else
		*routes = all;
	return err;
}

int route_default(struct netlink *nl, int family, uint32_t tunnel, struct route *found)
{
	const struct route *best = NULL;
	struct route *routes;
	size_t count;
	int err = load(nl, &routes, true, &count);

	if (err)
		return err;
	for (size_t i = 0; i < count; i++) {
		const struct route *route = &routes[i];

		if (route->dst.len == 0 && route->gateway.family == family && route->ifindex &&
		    route->ifindex != tunnel && (!best || route->metric < best->metric))
			best = route;
	}
	if (best)
		*found = *best;
	free(routes);
	return best ? 0 : -ENOENT;
}

struct matching {
	uint32_t ifindex;
	const struct prefix *dst;
	bool found;
};

static int match_route(void *arg, const struct nlmsghdr *msg)
{
	struct matching *matching = arg;
	struct route route;
	struct listing one = { .out = &route, .max = 1 };
	int err = read_route(&one, msg);

	if (!err && one.count)
		matching->found |= route.protocol == ROUTE_PROTOCOL &&
				   route.ifindex == matching->ifindex &&
				   prefix_equal(&route.dst, matching->dst);
	return err;
}

static bool have_ours(struct netlink *nl, uint32_t ifindex, const struct prefix *dst)
{
	struct matching matching = { .ifindex = ifindex, .dst = dst };
	struct netlink_request request;
	struct nlmsghdr *msg;
	void *extra;

	msg = netlink_request_init(&request, RTM_GETROUTE, NLM_F_DUMP, sizeof(struct rtmsg),
				   &extra);
	return netlink_dump(nl, msg, match_route, NULL, &matching) == 0 && matching.found;
}

int route_add(struct netlink *nl, uint32_t ifindex, const struct prefix *dst,
	      const struct ip_addr *source)
{
	struct netlink_request request;
	struct nlmsghdr *msg;
	int err;

	if (!ifindex)
		return -ENODEV;
	msg = build(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, ifindex, dst);
	if (source)
		netlink_put_addr(msg, RTA_PREFSRC, source);
	err = netlink_talk(nl, msg, NULL, NULL);
	if (err == -EEXIST && have_ours(nl, ifindex, dst))
		return 0;
	return err;
}

static void put_mtu(struct nlmsghdr *msg, uint32_t mtu)
{
	struct nlattr *metrics = mnl_attr_nest_start(msg, RTA_METRICS);

	mnl_attr_put_u32(msg, RTAX_MTU, mtu);
	mnl_attr_nest_end(msg, metrics);
}

int route_set_mtu(struct netlink *nl, uint32_t ifindex, const struct prefix *dst,
		  const struct ip_addr *source, uint32_t mtu)
{
	struct netlink_request request;
	struct nlmsghdr *msg;

	/* Replacing asks for the place in the table only, not for who is there. */
	if (!have_ours(nl, ifindex, dst))
		return -ESRCH;
	msg = build(&request, RTM_NEWROUTE, NLM_F_REPLACE, ifindex, dst);
	if (source)
		netlink_put_addr(msg, RTA_PREFSRC, source);
	if (mtu)
		put_mtu(msg, mtu);
	return netlink_talk(nl, msg, NULL, NULL);
}

static void set_table(struct nlmsghdr *msg, uint32_t table)
{
	struct rtmsg *rt = mnl_nlmsg_get_payload(msg);

	rt->rtm_table = RT_TABLE_UNSPEC;
	mnl_attr_put_u32(msg, RTA_TABLE, table);
}

int route_table_put(struct netlink *nl, uint32_t table, uint32_t ifindex, const struct prefix *dst,
		    const struct ip_addr *source, uint32_t mtu)
{
	struct netlink_request request;
	struct nlmsghdr *msg;

	if (!ifindex)
		return -ENODEV;
	msg = build(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, ifindex, dst);
	set_table(msg, table);
	if (source)
		netlink_put_addr(msg, RTA_PREFSRC, source);
	if (mtu)
		put_mtu(msg, mtu);
	return netlink_talk(nl, msg, NULL, NULL);
}

int route_table_remove(struct netlink *nl, uint32_t table, uint32_t ifindex,
		       const struct prefix *dst)
{
	struct netlink_request request;
	struct nlmsghdr *msg = build(&request, RTM_DELROUTE, 0, ifindex, dst);

	set_table(msg, table);
	return netlink_talk(nl, msg, NULL, NULL);
}

int route_remove(struct netlink *nl, uint32_t ifindex, const struct prefix *dst)
{
	struct netlink_request request;

	return netlink_talk(nl, build(&request, RTM_DELROUTE, 0, ifindex, dst), NULL, NULL);
}

/* A leftover may have a scope or type of its own: anything with this number goes. */
static int remove_leftover(struct netlink *nl, const struct route *route)
{
	struct netlink_request request;
	struct nlmsghdr *msg = build(&request, RTM_DELROUTE, 0, route->ifindex, &route->dst);
	struct rtmsg *rt = mnl_nlmsg_get_payload(msg);

	rt->rtm_scope = RT_SCOPE_NOWHERE;
	rt->rtm_type = 0;
	if (route->metric)
		mnl_attr_put_u32(msg, RTA_PRIORITY, route->metric);
	return netlink_talk(nl, msg, NULL, NULL);
}

int route_cleanup(struct netlink *nl, uint32_t ifindex, size_t *removed)
{
	size_t count, gone = 0;
	struct route *routes;
	int err;

	err = load(nl, &routes, false, &count);
	if (err)
		return err;
	for (size_t i = 0; i < count && !err; i++) {
		if (routes[i].protocol != ROUTE_PROTOCOL ||
		    (ifindex && routes[i].ifindex != ifindex))
			continue;
		err = remove_leftover(nl, &routes[i]);
		if (err == -ESRCH) /* went by itself meanwhile */
			err = 0;
		else if (!err)
			gone++;
	}
	free(routes);
	if (!err && removed)
		*removed = gone;
	return err;
}

int route_find_overlap(struct netlink *nl, const struct prefix *prefix, uint32_t tunnel,
		       struct route *found)
{
	struct route *routes;
	size_t count;
	int err;

	err = load(nl, &routes, true, &count);
	if (err)
		return err;
	err = -ENOENT;
	for (size_t i = 0; i < count; i++) {
		if (!routes[i].dst.len || (tunnel && routes[i].ifindex == tunnel) ||
		    !prefix_overlaps(&routes[i].dst, prefix))
			continue;
		*found = routes[i];
		err = 0;
		break;
	}
	free(routes);
	return err;
}
