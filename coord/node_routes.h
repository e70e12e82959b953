#ifndef WARREN_COORD_NODE_ROUTES_H
#define WARREN_COORD_NODE_ROUTES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "proto/cert.h"

#define NODE_ROUTES_DECIDED_MAX 64 /* by admins, for one node */
#define NODE_ROUTES_ADVANCE_MAX 16 /* in one join key */
#define NODE_ROUTES_TEXT_SIZE   4096

/* A few prefixes, each once. */
struct route_list {
	struct prefix prefixes[NODE_ROUTES_ADVANCE_MAX];
	size_t count;
};

/* What a node offers to carry, and what was decided about it. What comes of it: route_approval.h.
 */
struct node_routes {
	struct prefix offered[CERT_ROUTES_MAX];
	struct route_facts facts[CERT_ROUTES_MAX]; /* of offered[] by place */
	size_t offered_count;
	struct route_list advance; /* approved by its join key, with all that is inside */
	/* Admins have the last word, prefix by prefix. */
	struct route_decision {
		struct prefix prefix;
		bool approved;
	} decided[NODE_ROUTES_DECIDED_MAX];
	size_t decided_count;
};

/* 0, -ENOSPC. */
int route_list_add(struct route_list *list, const struct prefix *prefix);
/* Is the prefix inside one of them? An exit is inside of itself only. */
bool route_list_covers(const struct route_list *list, const struct prefix *prefix);
json_t *route_list_json(const struct route_list *list);

bool node_routes_offers(const struct node_routes *routes, const struct prefix *prefix);
/* NULL: no admin has decided about it. */
const struct route_decision *node_routes_decision(const struct node_routes *routes,
						  const struct prefix *prefix);
/* 0, -ENOSPC. */
int node_routes_decide(struct node_routes *routes, const struct prefix *prefix, bool approved);
void node_routes_forget_decision(struct node_routes *routes, const struct prefix *prefix);

bool node_routes_equal(const struct node_routes *a, const struct node_routes *b);

/*
 * As texts for the store: offers "10.77.1.0/24=192.168.1.0@50", decisions "+10.0.0.0/8", lists
 * "10.0.0.0/8", each separated by spaces. Parsing: 0 or -EINVAL, with the output untouched.
 */
void node_routes_format_offered(char out[static NODE_ROUTES_TEXT_SIZE],
				const struct node_routes *routes);
int node_routes_parse_offered(struct node_routes *routes, const char *text);
void node_routes_format_decided(char out[static NODE_ROUTES_TEXT_SIZE],
				const struct node_routes *routes);
int node_routes_parse_decided(struct node_routes *routes, const char *text);
void route_list_format(char out[static NODE_ROUTES_TEXT_SIZE], const struct route_list *list);
int route_list_parse(struct route_list *list, const char *text);

#endif
