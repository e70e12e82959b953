#ifndef WARREN_COORD_ROUTE_APPROVAL_H
#define WARREN_COORD_ROUTE_APPROVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/control.h"

struct network;
struct node;

/*
 * What becomes of the routes that nodes offer. One that is possible in this network is approved by
 * an admin, or in advance by the node's join key or by the policy; an admin's word about it counts
 * more than those. What is offered and approved stands in the node's certificate, which alone
 * decides what peers send it.
 */
struct route_verdict {
	enum control_route_state state;
	const char *by; /* approved: "admin", "key", "policy"; else "" */
	char why[CONTROL_TEXT_MAX + 1];
};

/* Why nobody can carry this in the network, a line for people; NULL: it is possible. */
const char *route_approval_problem(const struct network *network, const struct prefix *prefix,
				   const struct route_facts *facts);
/* Of a route that the node offers or might offer; facts NULL: only that. */
void route_approval_judge(const struct network *network, const struct node *node,
			  const struct prefix *prefix, const struct route_facts *facts,
			  struct route_verdict *verdict);
/* The routes of the node's next certificate. */
void route_approval_certify(const struct network *network, const struct node *node,
			    struct cert *cert);
/* Does its present one say anything else about routes? */
bool route_approval_is_due(const struct network *network, const struct node *node);
bool route_approval_is_certified(const struct node *node, const struct prefix *prefix);
/* How many of its routes wait for an admin's word. */
size_t route_approval_count_waiting(const struct network *network, const struct node *node);
/* For the node: routes has CERT_ROUTES_MAX entries. Approved is what its certificate says. */
void route_approval_describe(const struct network *network, const struct node *node,
			     struct control_route *routes, size_t *count);

/*
 * The node offers these routes from now on. 0, or the store's error with nothing changed; its
 * serial tells whether there is a new certificate.
 */
int route_approval_offer(struct network *network, struct node *node,
			 const struct control_update *update, uint64_t now_s);
/*
 * An admin decides. Revoking what is neither offered nor approved otherwise only forgets an
 * approval. 0, -E2BIG: too many decisions about this node, or the store's error.
 */
int route_approval_decide(struct network *network, struct node *node, const struct prefix *prefixes,
			  size_t count, bool approved, uint64_t now_s);
/* The policy changed, or its certificate could not be made when it was due. As above. */
int route_approval_review(struct network *network, struct node *node, uint64_t now_s);

#endif
