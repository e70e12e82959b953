#include "proto/route_facts.h"

#include <stddef.h>

/* Blocks that are never behind anybody; a route may neither lie in one nor contain it. */
static const struct {
	const char *block;
	const char *problem;
} barred[] = {
	{ "0.0.0.0/8", "it includes addresses that no machine has" },
	{ "::/128", "it includes the unspecified address" },
	{ "127.0.0.0/8", "it includes loopback addresses" },
	{ "::1/128", "it includes the loopback address" },
	{ "169.254.0.0/16", "it includes link-local addresses" },
	{ "fe80::/10", "it includes link-local addresses" },
	{ "224.0.0.0/4", "it includes multicast addresses" },
	{ "ff00::/8", "it includes multicast addresses" },
	{ "255.255.255.255/32", "it includes the broadcast address" },
};

bool route_is_exit(const struct prefix *route)
{
	return route->addr.family && route->len == 0;
}

const char *route_problem(const struct prefix *route)
{
	struct prefix block;
	struct prefix whole;

	if (!route->addr.family)
		return "it is no prefix";
	whole = prefix_from_addr(&route->addr, route->len);
	if (!prefix_equal(&whole, route))
		return "its host bits are not zero";
	for (size_t i = 0; !route_is_exit(route) && i < sizeof(barred) / sizeof(barred[0]); i++)
		if (prefix_parse(&block, barred[i].block) == 0 && prefix_overlaps(&block, route))
			return barred[i].problem;
	return NULL;
}

const char *route_facts_problem(const struct prefix *route, const struct route_facts *facts)
{
	struct prefix real;

	if (!facts->real.family)
		return NULL;
	if (route_is_exit(route))
		return "an exit is not mapped";
	if (facts->real.family != route->addr.family)
		return "it is mapped from another family";
	real = route_real(route, facts);
	if (!addr_equal(&real.addr, &facts->real))
		return "what it is mapped from has host bits that are not zero";
	return route_problem(&real) ? "what it is mapped from can be no route" : NULL;
}

struct prefix route_real(const struct prefix *route, const struct route_facts *facts)
{
	return facts->real.family ? prefix_from_addr(&facts->real, route->len) : *route;
}

bool route_facts_are_default(const struct route_facts *facts)
{
	return !facts->real.family && (facts->weight == 0 || facts->weight == ROUTE_WEIGHT_DEFAULT);
}
