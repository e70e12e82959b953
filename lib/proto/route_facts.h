#ifndef WARREN_PROTO_ROUTE_FACTS_H
#define WARREN_PROTO_ROUTE_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

#define ROUTE_WEIGHT_DEFAULT 100

/* What goes with a route in offers and certificates, beside its prefix. */
struct route_facts {
	uint8_t weight; /* of several nodes with one route the highest is preferred; 0: default */
	struct ip_addr real; /* the LAN's own numbers, as long as the prefix; family 0: the same */
};

/* The whole of a family: what an exit node carries. */
bool route_is_exit(const struct prefix *route);

/*
 * Why this cannot be a route of anybody's, a line for people without its prefix; NULL: it can.
 * Overlaps with a network's own addresses are for those who know them.
 */
const char *route_problem(const struct prefix *route);
/* Do the facts fit the route? As above. */
const char *route_facts_problem(const struct prefix *route, const struct route_facts *facts);

/* The prefix that the LAN itself uses. */
struct prefix route_real(const struct prefix *route, const struct route_facts *facts);
/* With nothing to say beyond the prefix. */
bool route_facts_are_default(const struct route_facts *facts);

#endif
