#include "daemon/router_lan.h"

#include <stdlib.h>

#include "base/clock.h"
#include "daemon/router_rules.h"
#include "kernel-iface/link.h"
#include "kernel-iface/route.h"
#include "proto/carrier.h"

enum router_way router_lan_way(const struct prefix *real, const struct route *routes,
			       const bool *runs, size_t count, uint32_t tunnel)
{
	enum router_way best = ROUTER_WAY_NONE;

	for (size_t i = 0; i < count; i++) {
		const struct route *route = &routes[i];
		enum router_way way = ROUTER_WAY_OWN;

		if (route->ifindex == tunnel || route->dst.addr.family != real->addr.family ||
		    !prefix_overlaps(&route->dst, real))
			continue;
		if (!runs[i])
			way = ROUTER_WAY_NO_CARRIER;
		else if (!route->dst.len)
			way = ROUTER_WAY_DEFAULT;
		/* That the way out has no cable says nothing of a LAN. */
		if (way == ROUTER_WAY_NO_CARRIER && !route->dst.len)
			continue;
		best = way > best ? way : best;
	}
	return best;
}

static const struct router_lan_state *find(const struct router_lan *lan, const struct prefix *seen)
{
	for (size_t i = 0; i < lan->count; i++) {
		if (prefix_equal(&lan->states[i].seen, seen))
			return &lan->states[i];
	}
	return NULL;
}

void router_lan_plan(struct router_lan *lan, const struct router_plan *plan)
{
	const struct router_lan former = *lan;

	lan->count = plan->route_count;
	for (size_t i = 0; i < plan->route_count; i++) {
		const struct router_route *route = &plan->routes[i];
		const struct router_lan_state *known = find(&former, &route->seen);

		lan->states[i] = (struct router_lan_state){ .seen = route->seen,
							    .real = route->real,
							    .way = ROUTER_WAY_OWN,
							    .works = true,
							    .hold_ns = CARRIER_HOLD_NS };
		if (known && prefix_equal(&known->real, &route->real))
			lan->states[i] = *known;
	}
}

static void give_up(struct router_lan_state *state, uint64_t now_ns)
{
	state->hold_ns *= 2;
	if (!state->died_ns || now_ns >= state->died_ns + CARRIER_FORGET_NS)
		state->hold_ns = CARRIER_HOLD_NS;
	if (state->hold_ns > CARRIER_HOLD_MAX_NS)
		state->hold_ns = CARRIER_HOLD_MAX_NS;
	state->died_ns = now_ns;
	state->works = false;
}

bool router_lan_step(struct router_lan *lan, size_t i, enum router_way way, uint64_t now_ns)
{
	struct router_lan_state *state = &lan->states[i];
	bool before = state->works;
	bool open = way == ROUTER_WAY_OWN || (way == ROUTER_WAY_DEFAULT && !state->had_own);

	state->way = way;
	state->had_own |= way == ROUTER_WAY_OWN || way == ROUTER_WAY_NO_CARRIER;
	if (!open) {
		state->well_ns = 0;
		if (state->works)
			give_up(state, now_ns);
	} else if (!state->works && !state->well_ns) {
		state->well_ns = now_ns + state->hold_ns;
	} else if (!state->works && now_ns >= state->well_ns) {
		state->well_ns = 0;
		state->works = true;
	}
	return state->works != before;
}

/* Does the link of each route run? Several over one link are asked for once. */
static void find_running(const struct route *routes, bool *runs, size_t count, struct netlink *nl)
{
	struct link_info link = { 0 };

	for (size_t i = 0; i < count; i++) {
		/* Several links, of which not all can be looked at: the kernel knows. */
		runs[i] = !routes[i].ifindex;
		if (routes[i].ifindex && link.ifindex != routes[i].ifindex &&
		    link_get(nl, routes[i].ifindex, &link) < 0)
			link = (struct link_info){ 0 };
		else if (routes[i].ifindex)
			runs[i] = link.running;
	}
}

bool router_lan_look(struct router_lan *lan, struct netlink *nl, uint32_t tunnel, uint64_t now_ns)
{
	struct route *routes;
	bool changed = false;
	size_t count;
	bool *runs;

	if (!lan->count)
		return false;
	routes = calloc(ROUTE_MAX, sizeof(*routes));
	runs = calloc(ROUTE_MAX, sizeof(*runs));
	/* What cannot be seen is taken to be as it was. */
	if (routes && runs && route_list_others(nl, routes, ROUTE_MAX, &count) == 0) {
		find_running(routes, runs, count, nl);
		for (size_t i = 0; i < lan->count; i++)
			changed |= router_lan_step(lan, i,
						   router_lan_way(&lan->states[i].real, routes,
								  runs, count, tunnel),
						   now_ns);
	}
	free(routes);
	free(runs);
	return changed;
}

uint64_t router_lan_next_ns(const struct router_lan *lan)
{
	uint64_t next_ns = CLOCK_NEVER;

	for (size_t i = 0; i < lan->count; i++) {
		if (lan->states[i].well_ns && lan->states[i].well_ns < next_ns)
			next_ns = lan->states[i].well_ns;
	}
	return next_ns;
}

const char *router_lan_problem(const struct router_lan *lan, const struct prefix *seen)
{
	const struct router_lan_state *state = find(lan, seen);

	if (!state || state->works)
		return NULL;
	if (state->well_ns)
		return "its network is back, and is used when it stays";
	return state->way == ROUTER_WAY_NO_CARRIER
		       ? "the link to its network is down; is the cable in?"
		       : "this machine has no route into its network any more";
}

const struct prefix *router_lan_first(const struct router_lan *lan)
{
	for (size_t i = 0; i < lan->count; i++) {
		if (!lan->states[i].works)
			return &lan->states[i].seen;
	}
	return NULL;
}
