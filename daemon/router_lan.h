#ifndef WARREN_DAEMON_ROUTER_LAN_H
#define WARREN_DAEMON_ROUTER_LAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "proto/cert.h"

struct netlink;
struct route;
struct router_plan;

/*
 * Has a router a way of its own into the networks that it carries? A daemon that lives while the
 * cable to its LAN is out must not stay the one that is used. A way is a route of the main table
 * to the network, or to a part of it, over a link that runs. Where there never was one the default
 * route will do: behind it may be anything, as it is in data centres. Where there was one and it
 * has gone, the default route is no way into that LAN. A way that comes back counts after it has
 * stayed for CARRIER_HOLD_NS, longer each time.
 */
/* Of several that there are the last one counts. */
enum router_way {
	ROUTER_WAY_NONE,
	ROUTER_WAY_DEFAULT,
	ROUTER_WAY_NO_CARRIER, /* there is a route, but its link does not run */
	ROUTER_WAY_OWN,
};

struct router_lan {
	struct router_lan_state {
		struct prefix seen, real;
		enum router_way way;
		bool had_own;
		bool works;
		uint64_t well_ns; /* it has a way again, and works from then on; 0: none */
		uint64_t died_ns; /* 0: never */
		uint64_t hold_ns;
	} states[CERT_ROUTES_MAX];
	size_t count;
};

/* runs[i]: the link of routes[i] does. Routes over tunnel are none. */
enum router_way router_lan_way(const struct prefix *real, const struct route *routes,
			       const bool *runs, size_t count, uint32_t tunnel);
/* The networks are these from now on; what is known of those that were there stays known. */
void router_lan_plan(struct router_lan *lan, const struct router_plan *plan);
/* The way into the network i is this one. True when it works now and did not, or the reverse. */
bool router_lan_step(struct router_lan *lan, size_t i, enum router_way way, uint64_t now_ns);
/* Looks at the host and steps all. True when one of them changed. */
bool router_lan_look(struct router_lan *lan, struct netlink *nl, uint32_t tunnel, uint64_t now_ns);
/* When to look although nothing of the host changed; CLOCK_NEVER: never. */
uint64_t router_lan_next_ns(const struct router_lan *lan);
/* Why the network that the mesh sees as this is out of reach, a line; NULL: it is not. */
const char *router_lan_problem(const struct router_lan *lan, const struct prefix *seen);
/* The first that is out of reach; NULL: none. */
const struct prefix *router_lan_first(const struct router_lan *lan);

#endif
