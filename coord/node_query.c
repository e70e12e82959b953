#include "coord/node_query.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/map.h"
#include "coord/admin_reply.h"
#include "coord/network.h"
#include "coord/session.h"

static const char *const order_names[NODE_ORDER_COUNT] = {
	[NODE_ORDER_NAME] = "name",       [NODE_ORDER_ADDRESS] = "address",
	[NODE_ORDER_STATE] = "state",     [NODE_ORDER_LAST_SEEN] = "last_seen",
	[NODE_ORDER_RELAY] = "relay",     [NODE_ORDER_OWNER] = "owner",
	[NODE_ORDER_VERSION] = "version", [NODE_ORDER_HEALTH] = "health",
};

static const char *const state_names[] = { "", "online", "offline", "pending", "revoked" };

static void check_state(struct admin_request *request, const char *state)
{
	for (size_t i = 0; i < sizeof(state_names) / sizeof(state_names[0]); i++)
		if (strcmp(state, state_names[i]) == 0)
			return;
	admin_fail(request, ADMIN_INVALID,
		   "no node has the state %s; want online, offline, pending or revoked", state);
}

void node_query_get(struct admin_request *request, struct node_query *query)
{
	struct json_fields *f = &request->fields;
	char sort[16] = "";

	*query = (struct node_query){ .order = NODE_ORDER_NAME };
	json_fields_text_opt(f, "search", query->search, sizeof(query->search));
	json_fields_text_opt(f, "state", query->state, sizeof(query->state));
	json_fields_text_opt(f, "sort", sort, sizeof(sort));
	if (json_fields_has(f, "descending"))
		json_fields_bool(f, "descending", &query->descending);
	if (json_fields_has(f, "offset"))
		json_fields_u64(f, "offset", UINT32_MAX, &query->offset);
	if (json_fields_has(f, "limit"))
		json_fields_u64(f, "limit", UINT32_MAX, &query->limit);
	check_state(request, query->state);
	for (int i = 0; sort[0] && strcmp(sort, order_names[query->order]) != 0; i++) {
		if (i == NODE_ORDER_COUNT) {
			admin_fail(request, ADMIN_INVALID,
				   "nodes cannot be sorted by %s; want name, address, state, "
				   "last_seen, relay, owner, version or health",
				   sort);
			return;
		}
		query->order = (enum node_order)i;
	}
}

static bool labels_match(const struct labels *labels, const char *text)
{
	for (size_t i = 0; i < labels->count; i++)
		if (strcasestr(labels->names[i], text))
			return true;
	return false;
}

static bool matches(const struct node *node, const struct node_query *query)
{
	const char *text = query->search;
	char addr4[ADDR_TEXT_SIZE];
	char addr6[ADDR_TEXT_SIZE];

	if (query->state[0] && strcmp(query->state, admin_node_state(node)) != 0)
		return false;
	return !text[0] || strcasestr(node->name, text) || strcasestr(node->owner, text) ||
	       strcasestr(node->os, text) || strcasestr(node->version, text) ||
	       strcasestr(node->home_relay, text) || labels_match(&node->groups, text) ||
	       labels_match(&node->tags, text) ||
	       strstr(addr_format(addr4, &node->address4), text) ||
	       strcasestr(addr_format(addr6, &node->address6), text);
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static uint64_t seen_s(const struct node *node)
{
	return node_is_online(node) ? UINT64_MAX : node->last_seen_s;
}

static int compare(const struct node *a, const struct node *b, enum node_order order)
{
	switch (order) {
	case NODE_ORDER_ADDRESS:
		return memcmp(a->address4.bytes, b->address4.bytes, 4);
	case NODE_ORDER_STATE:
		return strcmp(admin_node_state(a), admin_node_state(b));
	case NODE_ORDER_LAST_SEEN:
		return compare_numbers(seen_s(b), seen_s(a));
	case NODE_ORDER_RELAY:
		return strcmp(a->home_relay, b->home_relay);
	case NODE_ORDER_OWNER:
		return strcasecmp(a->owner, b->owner);
	case NODE_ORDER_VERSION:
		return strverscmp(a->version, b->version);
	case NODE_ORDER_HEALTH:
		return compare_numbers(b->report.health_count, a->report.health_count);
	default:
		return 0;
	}
}

static int by_query(const void *x, const void *y, void *arg)
{
	const struct node *a = *(const struct node *const *)x;
	const struct node *b = *(const struct node *const *)y;
	const struct node_query *query = arg;
	int order = compare(a, b, query->order);

	if (order == 0)
		order = strcmp(a->name, b->name);
	return query->descending ? -order : order;
}

struct node **node_query_run(const struct network *network, const struct node_query *query,
			     size_t *count, size_t *total)
{
	struct node **nodes = calloc(map_count(network->nodes) + 1, sizeof(struct node *));
	struct node_query order = *query;
	struct node *node;
	size_t cursor = 0;
	size_t found = 0;
	size_t first;

	if (!nodes)
		return NULL;
	while ((node = network_next(network, &cursor)))
		if (matches(node, query))
			nodes[found++] = node;
	qsort_r(nodes, found, sizeof(struct node *), by_query, &order);
	first = query->offset < found ? (size_t)query->offset : found;
	memmove(nodes, nodes + first, (found - first) * sizeof(struct node *));
	*total = found;
	*count = found - first;
	if (query->limit && *count > query->limit)
		*count = (size_t)query->limit;
	return nodes;
}
