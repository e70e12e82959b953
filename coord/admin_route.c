/* What nodes carry: route list, approve, revoke. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "coord/admin_reply.h"
#include "coord/node_query.h"
#include "coord/route_approval.h"
#include "coord/session_routes.h"
#include "coord/sessions.h"

/* One line of the list: a route that is offered, or that an admin decided about beforehand. */
struct line {
	const struct node *node;
	struct prefix prefix;
	struct route_facts facts;
	bool offered;
	bool certified;
	struct route_verdict verdict;
};

static void look(const struct network *network, const struct node *node,
		 const struct prefix *prefix, const struct route_facts *facts, struct line *line)
{
	*line = (struct line){ .node = node,
			       .prefix = *prefix,
			       .offered = facts != NULL,
			       .certified = route_approval_is_certified(node, prefix) };
	if (facts)
		line->facts = *facts;
	route_approval_judge(network, node, prefix, facts, &line->verdict);
	if (line->verdict.state != CONTROL_ROUTE_APPROVED || line->certified)
		return;
	snprintf(line->verdict.why, sizeof(line->verdict.why), "%s",
		 !facts                  ? "it is not offered"
		 : node_is_pending(node) ? "the node is not let in yet"
		 : network->strict.on    ? "admins have to sign the certificate that says so"
					 : "the certificate that says so is not made yet");
}

static json_t *line_json(const struct line *line)
{
	char prefix[PREFIX_TEXT_SIZE];
	char real[PREFIX_TEXT_SIZE] = "";
	struct prefix mapped = route_real(&line->prefix, &line->facts);

	if (line->facts.real.family)
		prefix_format(real, &mapped);
	return json_pack("{s:s,s:s,s:b,s:b,s:s,s:s,s:s,s:b,s:i,s:s,s:b}", "node", line->node->name,
			 "prefix", prefix_format(prefix, &line->prefix), "exit",
			 route_is_exit(&line->prefix), "offered", line->offered, "state",
			 control_route_state_name(line->verdict.state), "by", line->verdict.by,
			 "why", line->verdict.why, "in_certificate", line->certified, "weight",
			 (int)line->facts.weight, "mapped_from", real, "online",
			 node_is_online(line->node));
}

static void print_line(struct admin_request *request, const struct line *line)
{
	const struct route_verdict *verdict = &line->verdict;
	struct prefix mapped = route_real(&line->prefix, &line->facts);
	char prefix[PREFIX_TEXT_SIZE];
	char real[PREFIX_TEXT_SIZE] = "-";
	char weight[8] = "-";
	char text[64];

	if (line->facts.real.family)
		prefix_format(real, &mapped);
	if (line->offered)
		snprintf(weight, sizeof(weight), "%u", line->facts.weight);
	if (route_is_exit(&line->prefix))
		snprintf(text, sizeof(text), "exit (%s)", prefix_format(prefix, &line->prefix));
	else
		prefix_format(text, &line->prefix);
	fprintf(request->out, "%-20s  %-24s  %-18s  %6s  %-8s  %-8s  %s\n", line->node->name, text,
		real, weight, control_route_state_name(verdict->state),
		verdict->by[0] ? verdict->by : "-", verdict->why[0] ? verdict->why : "-");
}

/* Calls each for all that is to be said about the node. */
static void each_line(const struct network *network, const struct node *node,
		      void (*each)(void *arg, const struct line *line), void *arg)
{
	const struct node_routes *routes = &node->routes;
	struct line line;

	for (size_t i = 0; i < routes->offered_count; i++) {
		look(network, node, &routes->offered[i], &routes->facts[i], &line);
		each(arg, &line);
	}
	for (size_t i = 0; i < routes->decided_count; i++) {
		if (node_routes_offers(routes, &routes->decided[i].prefix))
			continue;
		look(network, node, &routes->decided[i].prefix, NULL, &line);
		each(arg, &line);
	}
}

struct listing {
	struct admin_request *request;
	json_t *array;
};

static void list_line(void *arg, const struct line *line)
{
	struct listing *listing = arg;

	if (listing->request->json)
		json_array_append_new(listing->array, line_json(line));
	else
		print_line(listing->request, line);
}

/* The node that the request names; NULL without a failure: it names none. */
static struct node *get_node(struct admin_request *request)
{
	char name[CERT_NAME_MAX + 1] = "";
	struct node *node = NULL;

	json_fields_text_opt(&request->fields, "name", name, sizeof(name));
	if (!request->fields.failed && name[0]) {
		node = network_find_name(request->sessions->network, name);
		if (!node)
			admin_fail(request, ADMIN_NOT_FOUND, "no node %s; see node list", name);
	}
	return node;
}

static void list_all(struct listing *listing)
{
	const struct network *network = listing->request->sessions->network;
	const struct node_query by_name = { .limit = 0 };
	size_t count = 0;
	size_t total;
	struct node **nodes = node_query_run(network, &by_name, &count, &total);

	for (size_t i = 0; nodes && i < count; i++)
		if (!nodes[i]->revoked)
			each_line(network, nodes[i], list_line, listing);
	free(nodes);
}

void admin_route_list(struct admin_request *request)
{
	struct listing listing = { .request = request, .array = json_array() };
	const struct node *node = get_node(request);

	if (request->fields.failed || request->kind != ADMIN_OK) {
		json_decref(listing.array);
		return;
	}
	if (!request->json)
		fprintf(request->out, "%-20s  %-24s  %-18s  %6s  %-8s  %-8s  %s\n", "NODE", "ROUTE",
			"MAPPED FROM", "WEIGHT", "STATE", "BY", "WHY NOT");
	if (node)
		each_line(request->sessions->network, node, list_line, &listing);
	else
		list_all(&listing);
	admin_answer(request, json_pack("{s:o}", "routes", listing.array));
}

void admin_route_describe(struct admin_request *request, json_t *object, const struct node *node)
{
	struct listing listing = { .request = request, .array = json_array() };

	each_line(request->sessions->network, node, list_line, &listing);
	json_object_set_new(object, "routes", listing.array);
}

/* --- approve and revoke --- */

/* Of both families, and none twice. */
#define WANTED_MAX (NODE_ROUTES_DECIDED_MAX + CERT_ROUTES_MAX)

struct wanted {
	struct prefix prefixes[WANTED_MAX];
	size_t count;
};

static void want(struct wanted *wanted, const struct prefix *prefix)
{
	for (size_t i = 0; i < wanted->count; i++)
		if (prefix_equal(&wanted->prefixes[i], prefix))
			return;
	if (wanted->count < WANTED_MAX)
		wanted->prefixes[wanted->count++] = *prefix;
}

/* All that it offers, and to revoke also what is approved without. */
static void want_all(struct admin_request *request, struct wanted *wanted, const struct node *node,
		     bool approve)
{
	const struct network *network = request->sessions->network;
	const struct node_routes *routes = &node->routes;

	for (size_t i = 0; i < routes->offered_count; i++)
		if (!approve ||
		    !route_approval_problem(network, &routes->offered[i], &routes->facts[i]))
			want(wanted, &routes->offered[i]);
	for (size_t i = 0; i < routes->decided_count; i++)
		if (!approve && routes->decided[i].approved)
			want(wanted, &routes->decided[i].prefix);
	if (wanted->count == 0)
		admin_fail(request, ADMIN_CONFLICT, "%s offers no routes; see route list",
			   node->name);
}

static void want_one(struct admin_request *request, struct wanted *wanted, const char *text,
		     bool approve)
{
	static const struct prefix exits[] = { { .addr.family = AF_INET },
					       { .addr.family = AF_INET6 } };
	const char *problem;
	struct prefix prefix;

	if (strcmp(text, "exit") == 0) {
		want(wanted, &exits[0]);
		want(wanted, &exits[1]);
		return;
	}
	if (prefix_parse(&prefix, text) < 0) {
		admin_fail(request, ADMIN_INVALID,
			   "%.64s is no route: want a prefix such as 10.20.0.0/16, without host "
			   "bits, exit or all",
			   text);
		return;
	}
	problem = route_approval_problem(request->sessions->network, &prefix, NULL);
	if (approve && problem)
		admin_fail(request, ADMIN_REFUSED, "%.64s can be nobody's route: %s", text,
			   problem);
	else
		want(wanted, &prefix);
}

static void get_wanted(struct admin_request *request, struct wanted *wanted,
		       const struct node *node, bool approve)
{
	json_t *array = json_fields_array(&request->fields, "prefixes", SIZE_MAX);
	json_t *value;
	size_t i;

	if (json_array_size(array) > CERT_ROUTES_MAX) {
		admin_fail(request, ADMIN_INVALID,
			   "that are more than %d prefixes; name fewer at once, or all",
			   CERT_ROUTES_MAX);
		return;
	}
	request->fields.failed |= json_array_size(array) == 0;
	json_array_foreach (array, i, value) {
		const char *text = json_string_value(value);

		if (request->kind != ADMIN_OK || request->fields.failed)
			return;
		if (!text)
			request->fields.failed = true;
		else if (strcmp(text, "all") == 0)
			want_all(request, wanted, node, approve);
		else
			want_one(request, wanted, text, approve);
	}
}

/* What came of it, of these routes alone. */
static void answer(struct admin_request *request, const struct node *node,
		   const struct wanted *wanted)
{
	const struct network *network = request->sessions->network;
	json_t *array = json_array();

	for (size_t i = 0; i < wanted->count; i++) {
		const struct route_facts *facts = NULL;
		struct line line;

		for (size_t j = 0; j < node->routes.offered_count; j++)
			if (prefix_equal(&node->routes.offered[j], &wanted->prefixes[i]))
				facts = &node->routes.facts[j];
		look(network, node, &wanted->prefixes[i], facts, &line);
		json_array_append_new(array, line_json(&line));
	}
	admin_answer(request, json_pack("{s:o}", "routes", array));
}

static void log_decision(const struct admin_request *request, const struct node *node,
			 const struct wanted *wanted, bool approve)
{
	for (size_t i = 0; i < wanted->count; i++) {
		char text[PREFIX_TEXT_SIZE];

		log_info("route-%s node=%s route=%s by=%s", approve ? "approved" : "revoked",
			 node->name, prefix_format(text, &wanted->prefixes[i]),
			 request->caller->who);
	}
}

static void decide(struct admin_request *request, bool approve)
{
	struct network *network = request->sessions->network;
	struct wanted wanted = { .count = 0 };
	struct node *node = get_node(request);
	uint64_t serial;
	int err;

	if (!node && request->kind == ADMIN_OK)
		request->fields.failed = true;
	if (node)
		get_wanted(request, &wanted, node, approve);
	if (request->fields.failed || request->kind != ADMIN_OK)
		return;
	if (node->revoked) {
		admin_fail(request, ADMIN_CONFLICT, "%s was removed from the network", node->name);
		return;
	}
	serial = node->serial;
	err = route_approval_decide(network, node, wanted.prefixes, wanted.count, approve,
				    request->now_s);
	if (err == -E2BIG) {
		admin_fail(request, ADMIN_CONFLICT,
			   "more than %d routes would be decided for %s; revoke those that it does "
			   "not offer any more",
			   NODE_ROUTES_DECIDED_MAX, node->name);
		return;
	}
	if (err < 0) {
		admin_fail_store(request, err);
		return;
	}
	log_decision(request, node, &wanted, approve);
	answer(request, node, &wanted);
	sessions_routes_changed(request->sessions, node, serial);
	admin_say_signatures(request);
}

void admin_route_approve(struct admin_request *request)
{
	decide(request, true);
}

void admin_route_revoke(struct admin_request *request)
{
	decide(request, false);
}
