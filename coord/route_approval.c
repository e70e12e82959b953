#include "coord/route_approval.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "coord/network.h"

static bool overlaps_pool(const struct network *network, const struct prefix *prefix)
{
	return prefix_overlaps(&network->pool.prefix4, prefix) ||
	       prefix_overlaps(&network->pool.prefix6, prefix);
}

const char *route_approval_problem(const struct network *network, const struct prefix *prefix,
				   const struct route_facts *facts)
{
	const char *problem = route_problem(prefix);
	struct prefix real;

	if (problem || route_is_exit(prefix))
		return problem;
	if (overlaps_pool(network, prefix))
		return "it overlaps the addresses of the network's own nodes";
	if (!facts)
		return NULL;
	problem = route_facts_problem(prefix, facts);
	real = route_real(prefix, facts);
	if (!problem && overlaps_pool(network, &real))
		return "what it is mapped from overlaps the addresses of the network's own nodes";
	return problem;
}

/*
 * Did an admin take back some of it, under another length? What was approved in advance for more
 * than that does not bring it back.
 */
static bool is_taken_back(const struct node_routes *routes, const struct prefix *prefix)
{
	for (size_t i = 0; i < routes->decided_count; i++) {
		const struct route_decision *decision = &routes->decided[i];

		if (!decision->approved && prefix_overlaps(&decision->prefix, prefix) &&
		    route_is_exit(&decision->prefix) == route_is_exit(prefix))
			return true;
	}
	return false;
}

/* By whom it is approved; NULL: by nobody. */
static const char *approver(const struct network *network, const struct node *node,
			    const struct prefix *prefix)
{
	const struct route_decision *decision = node_routes_decision(&node->routes, prefix);
	struct policy_node view;

	if (decision)
		return decision->approved ? "admin" : NULL;
	if (is_taken_back(&node->routes, prefix))
		return NULL;
	if (route_list_covers(&node->routes.advance, prefix))
		return "key";
	view = node_policy_view(node);
	return network->policy && policy_approves(network->policy, &view, prefix) ? "policy" : NULL;
}

void route_approval_judge(const struct network *network, const struct node *node,
			  const struct prefix *prefix, const struct route_facts *facts,
			  struct route_verdict *verdict)
{
	const struct route_decision *decision = node_routes_decision(&node->routes, prefix);
	const char *problem = route_approval_problem(network, prefix, facts);
	const char *by = problem ? NULL : approver(network, node, prefix);

	*verdict = (struct route_verdict){ .state = CONTROL_ROUTE_WAITING, .by = by ? by : "" };
	if (problem) {
		verdict->state = CONTROL_ROUTE_REFUSED;
		snprintf(verdict->why, sizeof(verdict->why), "%s; offer another one", problem);
	} else if (by) {
		verdict->state = CONTROL_ROUTE_APPROVED;
	} else {
		char text[PREFIX_TEXT_SIZE];

		verdict->state = decision ? CONTROL_ROUTE_REFUSED : CONTROL_ROUTE_WAITING;
		snprintf(verdict->why, sizeof(verdict->why),
			 "%s; ask for: warren-coord route approve %s %s",
			 decision ? "an admin has revoked it" : "no admin has approved it yet",
			 node->name, prefix->len ? prefix_format(text, prefix) : "exit");
	}
}

void route_approval_certify(const struct network *network, const struct node *node,
			    struct cert *cert)
{
	const struct node_routes *routes = &node->routes;

	cert->route_count = 0;
	for (size_t i = 0; i < routes->offered_count; i++) {
		if (route_approval_problem(network, &routes->offered[i], &routes->facts[i]) ||
		    !approver(network, node, &routes->offered[i]))
			continue;
		cert->routes[cert->route_count] = routes->offered[i];
		cert->route_facts[cert->route_count++] = routes->facts[i];
	}
}

static size_t find_in_cert(const struct cert *cert, const struct prefix *prefix)
{
	size_t i = 0;

	while (i < cert->route_count && !prefix_equal(&cert->routes[i], prefix))
		i++;
	return i;
}

bool route_approval_is_due(const struct network *network, const struct node *node)
{
	const struct netmap_cert *held = node_shared_cert(node);
	struct cert wanted = { .route_count = 0 };

	if (!held)
		return false;
	route_approval_certify(network, node, &wanted);
	if (wanted.route_count != held->parsed.route_count)
		return true;
	for (size_t i = 0; i < wanted.route_count; i++) {
		size_t place = find_in_cert(&held->parsed, &wanted.routes[i]);

		if (place == held->parsed.route_count ||
		    memcmp(&wanted.route_facts[i], &held->parsed.route_facts[place],
			   sizeof(wanted.route_facts[i])) != 0)
			return true;
	}
	return false;
}

bool route_approval_is_certified(const struct node *node, const struct prefix *prefix)
{
	const struct netmap_cert *held = node_shared_cert(node);

	return held && find_in_cert(&held->parsed, prefix) < held->parsed.route_count;
}

size_t route_approval_count_waiting(const struct network *network, const struct node *node)
{
	size_t count = 0;

	for (size_t i = 0; i < node->routes.offered_count; i++) {
		struct route_verdict verdict;

		route_approval_judge(network, node, &node->routes.offered[i],
				     &node->routes.facts[i], &verdict);
		count += verdict.state == CONTROL_ROUTE_WAITING;
	}
	return count;
}

void route_approval_describe(const struct network *network, const struct node *node,
			     struct control_route *routes, size_t *count)
{
	for (size_t i = 0; i < node->routes.offered_count; i++) {
		struct control_route *route = &routes[i];
		struct route_verdict verdict;

		route_approval_judge(network, node, &node->routes.offered[i],
				     &node->routes.facts[i], &verdict);
		route->prefix = node->routes.offered[i];
		route->state = verdict.state;
		memcpy(route->why, verdict.why, sizeof(route->why));
		if (verdict.state != CONTROL_ROUTE_APPROVED ||
		    route_approval_is_certified(node, &route->prefix))
			continue;
		route->state = CONTROL_ROUTE_WAITING;
		snprintf(route->why, sizeof(route->why), "%s",
			 network->strict.on ? "it is approved, and admins have to sign the "
					      "certificate that says so"
					    : "it is approved, and the certificate that says so is "
					      "not made yet; see the coordinator's log");
	}
	*count = node->routes.offered_count;
}

/* What changed in node->routes into the store and the certificate; else it is undone. */
static int settle(struct network *network, struct node *node, const struct node_routes *before,
		  uint64_t now_s)
{
	int err;

	if (network->strict.on || node_is_pending(node) || node->revoked ||
	    !route_approval_is_due(network, node))
		err = network_store_node(network, node);
	else
		err = network_rekey(network, node, node->wireguard_key, now_s);
	if (err < 0) {
		node->routes = *before;
		return err;
	}
	/* If it cannot be asked for now, it is when admins are asked for what else is due. */
	if (network->strict.on && node_is_member(node) &&
	    strict_request_routes(network, node, now_s) < 0)
		network->strict.looked_s = 0;
	return 0;
}

static void log_offer(const struct network *network, const struct node *node)
{
	for (size_t i = 0; i < node->routes.offered_count; i++) {
		char text[PREFIX_TEXT_SIZE];
		struct route_verdict verdict;

		route_approval_judge(network, node, &node->routes.offered[i],
				     &node->routes.facts[i], &verdict);
		log_info("route-offered node=%s route=%s state=%s%s%s", node->name,
			 prefix_format(text, &node->routes.offered[i]),
			 control_route_state_name(verdict.state), verdict.by[0] ? " by=" : "",
			 verdict.by);
	}
}

int route_approval_offer(struct network *network, struct node *node,
			 const struct control_update *update, uint64_t now_s)
{
	struct node_routes before = node->routes;
	struct node_routes *routes = &node->routes;
	int err;

	routes->offered_count = 0;
	for (size_t i = 0; i < update->route_count; i++) {
		if (node_routes_offers(routes, &update->routes[i]))
			continue;
		routes->offered[routes->offered_count] = update->routes[i];
		routes->facts[routes->offered_count++] = update->route_facts[i];
	}
	if (node_routes_equal(&before, routes))
		return route_approval_review(network, node, now_s);
	err = settle(network, node, &before, now_s);
	if (err == 0)
		log_offer(network, node);
	return err;
}

int route_approval_decide(struct network *network, struct node *node, const struct prefix *prefixes,
			  size_t count, bool approved, uint64_t now_s)
{
	struct node_routes before = node->routes;
	struct node_routes *routes = &node->routes;
	int err = 0;

	for (size_t i = 0; i < count && err == 0; i++) {
		node_routes_forget_decision(routes, &prefixes[i]);
		if (approved || node_routes_offers(routes, &prefixes[i]) ||
		    approver(network, node, &prefixes[i]))
			err = node_routes_decide(routes, &prefixes[i], approved) < 0 ? -E2BIG : 0;
	}
	if (err < 0) {
		*routes = before;
		return err;
	}
	return settle(network, node, &before, now_s);
}

int route_approval_review(struct network *network, struct node *node, uint64_t now_s)
{
	struct node_routes before = node->routes;

	if (!node_is_member(node) || !route_approval_is_due(network, node))
		return 0;
	if (network->strict.on)
		return strict_request_routes(network, node, now_s);
	return settle(network, node, &before, now_s);
}
