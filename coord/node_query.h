#ifndef WARREN_COORD_NODE_QUERY_H
#define WARREN_COORD_NODE_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct admin_request;
struct network;
struct node;

/* Which nodes a list is to show, in which order: a page of ten thousand is small then. */
enum node_order {
	NODE_ORDER_NAME,
	NODE_ORDER_ADDRESS,
	NODE_ORDER_STATE,
	NODE_ORDER_LAST_SEEN,
	NODE_ORDER_RELAY,
	NODE_ORDER_OWNER,
	NODE_ORDER_VERSION,
	NODE_ORDER_HEALTH, /* those with the most to tell first */
	NODE_ORDER_COUNT,
};

#define NODE_QUERY_TEXT_MAX 127

struct node_query {
	char search[NODE_QUERY_TEXT_MAX + 1]; /* in names, addresses, labels, …; "": all */
	char state[16];                       /* as the list says it; "": all */
	enum node_order order;
	bool descending;
	uint64_t offset;
	uint64_t limit; /* 0: all */
};

/* Out of the members search, state, sort, descending, offset, limit; all may be absent. */
void node_query_get(struct admin_request *request, struct node_query *query);
/*
 * The nodes to show, malloc'd, and how many there are in all that fit. NULL when out of memory.
 */
struct node **node_query_run(const struct network *network, const struct node_query *query,
			     size_t *count, size_t *total);

#endif
