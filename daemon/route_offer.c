#include "daemon/route_offer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static size_t exits(bool exit4, bool exit6)
{
	return (size_t)exit4 + (size_t)exit6;
}

int route_offer_set_networks(struct route_offer *offer, const struct prefix *routes,
			     const struct route_facts *facts, size_t count)
{
	if (count + exits(offer->exit4, offer->exit6) > CERT_ROUTES_MAX)
		return -ENOSPC;
	for (size_t i = 0; i < count; i++) {
		offer->routes[i] = routes[i];
		offer->facts[i] = facts[i];
	}
	offer->count = count;
	return 0;
}

int route_offer_set_exit(struct route_offer *offer, bool exit4, bool exit6)
{
	if (offer->count + exits(exit4, exit6) > CERT_ROUTES_MAX)
		return -ENOSPC;
	offer->exit4 = exit4;
	offer->exit6 = exit6;
	return 0;
}

static void add_exit(struct control_update *update, uint8_t family)
{
	update->routes[update->route_count] = (struct prefix){ .addr.family = family };
	update->route_facts[update->route_count++] =
		(struct route_facts){ .weight = ROUTE_WEIGHT_DEFAULT };
}

void route_offer_fill(struct route_offer *offer, struct control_update *update)
{
	update->has_routes = true;
	update->route_count = offer->count;
	memcpy(update->routes, offer->routes, sizeof(update->routes));
	memcpy(update->route_facts, offer->facts, sizeof(update->route_facts));
	if (offer->exit4)
		add_exit(update, AF_INET);
	if (offer->exit6)
		add_exit(update, AF_INET6);
	offer->unanswered = true;
}

void route_offer_answer(struct route_offer *offer, const struct control_routes *answer)
{
	size_t count = answer->count < CERT_ROUTES_MAX ? answer->count : CERT_ROUTES_MAX;

	for (size_t i = 0; i < count; i++)
		offer->answers[i] = answer->routes[i];
	offer->answer_count = count;
	snprintf(offer->problem, sizeof(offer->problem), "%s", answer->problem);
	offer->unanswered = false;
}

const struct control_route *route_offer_find(const struct route_offer *offer,
					     const struct prefix *route)
{
	for (size_t i = 0; i < offer->answer_count; i++)
		if (prefix_equal(&offer->answers[i].prefix, route))
			return &offer->answers[i];
	return NULL;
}
