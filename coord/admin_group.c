/* Many nodes as a few groups, with the paths between those: group list. For the map. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "coord/admin_reply.h"
#include "coord/sessions.h"

#define GROUPS_MAX 32     /* the largest */
#define PATHS_MAX  200000 /* that are looked at */
#define NAME_SIZE  (sizeof(((struct node *)0)->owner))

struct group {
	char name[NAME_SIZE];
	json_int_t total;
	json_int_t online;
	json_int_t troubled;
};

struct grouping {
	const struct network *network;
	void (*name)(const struct node *node, char out[static NAME_SIZE]);
	struct group *groups; /* all, then the largest, by name */
	size_t count;
	size_t left; /* that are not among the largest */
	json_int_t links[GROUPS_MAX][GROUPS_MAX][CONTROL_REPORT_PATHS];
};

/* What the first of its labels says it is. */
static void name_by_label(const struct node *node, char out[static NAME_SIZE])
{
	if (node->tags.count)
		snprintf(out, NAME_SIZE, "tag:%s", node->tags.names[0]);
	else
		snprintf(out, NAME_SIZE, "%s", node->groups.count ? node->groups.names[0] : "");
}

static void name_by_relay(const struct node *node, char out[static NAME_SIZE])
{
	snprintf(out, NAME_SIZE, "%s", node->home_relay);
}

static void name_by_owner(const struct node *node, char out[static NAME_SIZE])
{
	snprintf(out, NAME_SIZE, "%s", node->owner);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct group *)a)->name, ((const struct group *)b)->name);
}

static int by_size(const void *a, const void *b)
{
	const struct group *x = a;
	const struct group *y = b;

	return x->total == y->total ? strcmp(x->name, y->name) : x->total < y->total ? 1 : -1;
}

/* Groups of one each at first, then those of one name put together, then the largest of them. */
static int collect(struct grouping *g)
{
	const struct node *node;
	size_t cursor = 0;
	size_t n = 0;

	g->groups = calloc(map_count(g->network->nodes) + 1, sizeof(struct group));
	if (!g->groups)
		return -ENOMEM;
	while ((node = network_next(g->network, &cursor))) {
		struct group *group = &g->groups[n];

		if (node->revoked)
			continue;
		g->name(node, group->name);
		group->total = 1;
		group->online = node_is_online(node);
		group->troubled = node->report.health_count > 0;
		n++;
	}
	qsort(g->groups, n, sizeof(struct group), by_name);
	for (size_t i = 0; i < n; i++) {
		struct group *last = g->count ? &g->groups[g->count - 1] : NULL;

		if (!last || strcmp(last->name, g->groups[i].name) != 0) {
			g->groups[g->count++] = g->groups[i];
			continue;
		}
		last->total++;
		last->online += g->groups[i].online;
		last->troubled += g->groups[i].troubled;
	}
	qsort(g->groups, g->count, sizeof(struct group), by_size);
	g->left = g->count > GROUPS_MAX ? g->count - GROUPS_MAX : 0;
	g->count -= g->left;
	qsort(g->groups, g->count, sizeof(struct group), by_name);
	return 0;
}

/* The place of a node's group, or GROUPS_MAX. */
static size_t place(const struct grouping *g, const struct node *node)
{
	struct group wanted;
	const struct group *found;

	g->name(node, wanted.name);
	found = bsearch(&wanted, g->groups, g->count, sizeof(wanted), by_name);
	return found ? (size_t)(found - g->groups) : GROUPS_MAX;
}

/* Each end of a path counts. */
static void link_groups(struct grouping *g)
{
	const struct node *node;
	size_t cursor = 0;
	size_t looked = 0;

	while ((node = network_next(g->network, &cursor)) && looked < PATHS_MAX) {
		size_t a = node->report.peer_count ? place(g, node) : GROUPS_MAX;

		for (size_t i = 0; a < GROUPS_MAX && i < node->report.peer_count; i++, looked++) {
			const struct control_report_peer *path = &node->report.peers[i];
			const struct node *peer = network_find(g->network, path->node_key);
			size_t b = peer ? place(g, peer) : GROUPS_MAX;

			if (b < GROUPS_MAX)
				g->links[a < b ? a : b][a < b ? b : a][path->path]++;
		}
	}
}

static json_t *groups_json(const struct grouping *g)
{
	json_t *array = json_array();

	for (size_t i = 0; i < g->count; i++)
		json_array_append_new(array,
				      json_pack("{s:s,s:I,s:I,s:I}", "name", g->groups[i].name,
						"total", g->groups[i].total, "online",
						g->groups[i].online, "troubled",
						g->groups[i].troubled));
	return array;
}

static json_t *links_json(const struct grouping *g)
{
	json_t *array = json_array();

	for (size_t a = 0; a < g->count; a++) {
		for (size_t b = a; b < g->count; b++) {
			const json_int_t *counts = g->links[a][b];
			json_int_t direct = counts[CONTROL_REPORT_DIRECT];
			json_int_t relay = counts[CONTROL_REPORT_RELAY];
			json_int_t connecting = counts[CONTROL_REPORT_CONNECTING];

			if (direct + relay + connecting == 0)
				continue;
			json_array_append_new(array,
					      json_pack("{s:s,s:s,s:I,s:I,s:I}", "a",
							g->groups[a].name, "b", g->groups[b].name,
							"direct", direct, "relay", relay,
							"connecting", connecting));
		}
	}
	return array;
}

void admin_group_list(struct admin_request *request)
{
	struct grouping *g = calloc(1, sizeof(*g));
	char by[16] = "";

	json_fields_text_opt(&request->fields, "by", by, sizeof(by));
	if (request->fields.failed || !g) {
		free(g);
		return;
	}
	g->network = request->sessions->network;
	g->name = !by[0] || strcmp(by, "label") == 0 ? name_by_label
		  : strcmp(by, "relay") == 0         ? name_by_relay
		  : strcmp(by, "owner") == 0         ? name_by_owner
						     : NULL;
	if (!g->name) {
		admin_fail(request, ADMIN_INVALID,
			   "nodes cannot be grouped by %s; want label, relay or owner", by);
	} else if (collect(g) == 0) {
		link_groups(g);
		admin_answer(request, json_pack("{s:o,s:o,s:I}", "groups", groups_json(g), "links",
						links_json(g), "left", (json_int_t)g->left));
		for (size_t i = 0; !request->json && i < g->count; i++)
			fprintf(request->out, "%-32s  %6lld  %6lld\n", g->groups[i].name,
				(long long)g->groups[i].online, (long long)g->groups[i].total);
	}
	free(g->groups);
	free(g);
}
