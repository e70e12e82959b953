#ifndef WARREN_DAEMON_ROUTE_OFFER_H
#define WARREN_DAEMON_ROUTE_OFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/cert.h"
#include "proto/control.h"

/*
 * What this node offers to carry, and what the coordinator makes of it. Networks are the router's
 * and exits the exit node's to set, see coordination.h; both travel in one list.
 */
struct route_offer {
	struct prefix routes[CERT_ROUTES_MAX];
	struct route_facts facts[CERT_ROUTES_MAX];
	size_t count;
	bool exit4;
	bool exit6;
	bool unanswered; /* the coordinator has not said what it makes of it */

	/* Its last word. */
	struct control_route answers[CERT_ROUTES_MAX];
	size_t answer_count;
	char problem[CONTROL_TEXT_MAX + 1]; /* why it refused the list, or "" */
};

/* The networks. 0; -ENOSPC: with the exits they are more than a node can have. */
int route_offer_set_networks(struct route_offer *offer, const struct prefix *routes,
			     const struct route_facts *facts, size_t count);
/* The exits. 0 or -ENOSPC. */
int route_offer_set_exit(struct route_offer *offer, bool exit4, bool exit6);

/* Everything that is offered, into an update. */
void route_offer_fill(struct route_offer *offer, struct control_update *update);
/* The coordinator's answer. */
void route_offer_answer(struct route_offer *offer, const struct control_routes *answer);
/* What it makes of this prefix; NULL: it has not said so. */
const struct control_route *route_offer_find(const struct route_offer *offer,
					     const struct prefix *route);

#endif
