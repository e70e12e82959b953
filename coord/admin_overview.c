/* All at a glance, what is wrong first: overview. */
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "coord/admin_reply.h"
#include "coord/route_approval.h"
#include "coord/sessions.h"

#define PROBLEMS_MAX 100

struct overview {
	json_int_t nodes;
	json_int_t states[8];
	json_int_t paths[CONTROL_REPORT_PATHS]; /* counted at both ends */
	json_int_t troubled;                    /* nodes with something to tell */
	json_int_t routes_waiting;              /* for an admin's approval */
	json_t *problems;
};

static const char *const states[] = { "online", "offline", "pending", "revoked" };
#define STATE_COUNT (sizeof(states) / sizeof(states[0]))

static void count_node(struct overview *overview, const struct network *network,
		       const struct node *node)
{
	const struct control_report *report = &node->report;

	overview->nodes++;
	if (!node->revoked)
		overview->routes_waiting += (json_int_t)route_approval_count_waiting(network, node);
	for (size_t i = 0; i < STATE_COUNT; i++)
		overview->states[i] += strcmp(admin_node_state(node), states[i]) == 0;
	for (size_t i = 0; i < report->peer_count; i++)
		overview->paths[report->peers[i].path]++;
	overview->troubled += report->health_count > 0;
	for (size_t i = 0; i < report->health_count; i++)
		if (json_array_size(overview->problems) < PROBLEMS_MAX)
			json_array_append_new(overview->problems,
					      json_pack("{s:s,s:s}", "node", node->name, "text",
							report->health[i]));
}

static void print_overview(struct admin_request *request, const struct overview *overview)
{
	json_t *problem;
	size_t i;

	fprintf(request->out, "%s", request->sessions->network->name);
	for (i = 0; i < STATE_COUNT; i++)
		fprintf(request->out, " · %s %lld", states[i], (long long)overview->states[i]);
	fputc('\n', request->out);
	if (overview->routes_waiting)
		fprintf(request->out, "! routes wait for approval: %lld; see route list\n",
			(long long)overview->routes_waiting);
	json_array_foreach (overview->problems, i, problem)
		fprintf(request->out, "! %s: %s\n",
			json_string_value(json_object_get(problem, "node")),
			json_string_value(json_object_get(problem, "text")));
}

static json_t *counts_json(const struct overview *overview)
{
	json_t *counts = json_pack("{s:I}", "total", overview->nodes);

	for (size_t i = 0; i < STATE_COUNT; i++)
		json_object_set_new(counts, states[i], json_integer(overview->states[i]));
	return counts;
}

/* What is wrong with the coordinator itself. */
static json_t *own_json(const struct health *health)
{
	json_t *array = json_array();

	for (size_t i = 0; i < health->count; i++)
		json_array_append_new(array, json_string(health->problems[i].text));
	return array;
}

void admin_overview(struct admin_request *request)
{
	const struct network *network = request->sessions->network;
	struct overview overview = { .problems = json_array() };
	const struct node *node;
	size_t cursor = 0;

	while ((node = network_next(network, &cursor)))
		count_node(&overview, network, node);
	if (!request->json)
		print_overview(request, &overview);
	admin_answer(request,
		     json_pack("{s:s,s:s,s:I,s:o,s:o,s:{s:I,s:I,s:I},s:I,s:o,s:I,s:b,s:I}",
			       "network", network->name, "version", WARREN_VERSION, "time_s",
			       (json_int_t)request->now_s, "coordinator",
			       own_json(&request->sessions->health), "nodes",
			       counts_json(&overview), "paths", "direct",
			       overview.paths[CONTROL_REPORT_DIRECT], "relay",
			       overview.paths[CONTROL_REPORT_RELAY], "connecting",
			       overview.paths[CONTROL_REPORT_CONNECTING], "troubled",
			       overview.troubled, "problems", overview.problems, "relays",
			       (json_int_t)network->relay_count, "reported", network->report_paths,
			       "routes_waiting", overview.routes_waiting));
}
