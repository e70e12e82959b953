#include "daemon/uplinks.h"

#include <string.h>

/*
 * "The internet" for questions about routes; nothing is sent there. Documentation's addresses
 * (RFC 5737, RFC 3849) have no route of their own anywhere.
 */
static const struct ip_addr anywhere[] = {
	{ .family = AF_INET, .bytes = { 203, 0, 113, 1 } },
	{ .family = AF_INET6, .bytes = { 0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, [15] = 1 } },
};

#define ANYWHERE (sizeof(anywhere) / sizeof(*anywhere))

static const struct uplink *find(const struct uplinks *uplinks, const struct ip_addr *to)
{
	size_t i;

	for (i = 0; i < uplinks->count; i++) {
		if (addr_equal(&uplinks->list[i].to, to))
			return &uplinks->list[i];
	}
	return NULL;
}

static void ask(struct uplink *uplink, struct netlink *nl, uint32_t tunnel,
		const struct ip_addr *to)
{
	*uplink = (struct uplink){ .to = *to };
	uplink->up = route_choose(nl, to, 0, &uplink->way) == 0 && uplink->way.ifindex != tunnel;
	if (!uplink->up)
		uplink->way = (struct route_choice){ 0 };
}

static bool is_same(const struct uplink *a, const struct uplink *b)
{
	return a->up == b->up && a->way.ifindex == b->way.ifindex &&
	       addr_equal(&a->way.source, &b->way.source) &&
	       addr_equal(&a->way.gateway, &b->way.gateway);
}

bool uplinks_refresh(struct uplinks *uplinks, struct netlink *nl, uint32_t tunnel,
		     const struct ip_addr *servers, size_t count)
{
	struct uplinks fresh = { 0 };
	bool changed = false;
	size_t i;

	for (i = 0; i < ANYWHERE; i++)
		ask(&fresh.list[fresh.count++], nl, tunnel, &anywhere[i]);
	for (i = 0; i < count && fresh.count < UPLINKS_MAX; i++) {
		if (!find(&fresh, &servers[i]))
			ask(&fresh.list[fresh.count++], nl, tunnel, &servers[i]);
	}
	for (i = 0; i < fresh.count; i++) {
		const struct uplink *before = find(uplinks, &fresh.list[i].to);

		changed = changed || (before && !is_same(before, &fresh.list[i]));
	}
	*uplinks = fresh;
	return changed;
}

bool uplinks_any(const struct uplinks *uplinks)
{
	size_t i;

	for (i = 0; i < uplinks->count; i++) {
		if (uplinks->list[i].up)
			return true;
	}
	return false;
}
