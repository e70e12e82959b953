#include "proto/policy.h"

#include <stdlib.h>

#include "base/map.h"
#include "proto/policy_model.h"

const char policy_starter_text[] =
	"{\"groups\":{},\n"
	" \"rules\":[{\"allow\":[\"group:trusted\"],\"to\":[\"group:trusted:*\"]}],\n"
	" \"tests\":[{\"from\":\"group:trusted\",\"to\":\"group:trusted\",\"proto\":\"tcp\","
	"\"port\":22,\"expect\":\"allow\"}]}\n";

static void free_postings(struct postings *postings)
{
	free(postings->first);
	free(postings->list);
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	for (size_t i = 0; i < policy->group_count; i++) {
		for (size_t j = 0; j < policy->groups[i].member_count; j++)
			free(policy->groups[i].members[j]);
		free(policy->groups[i].members);
	}
	for (size_t i = 0; i < policy->approval_count; i++) {
		free(policy->approvals[i].nodes);
		free(policy->approvals[i].routes);
	}
	for (size_t i = 0; i < policy->selector_count; i++)
		free(policy->selectors[i].name);
	for (size_t i = 0; i < policy->port_count; i++)
		free(policy->ports[i].ranges);
	free_postings(&policy->as_source);
	free_postings(&policy->as_destination);
	map_free(policy->numbers);
	free(policy->groups);
	free(policy->hosts);
	free(policy->rules);
	free(policy->tests);
	free(policy->approvals);
	free(policy->selectors);
	free(policy->ports);
	free(policy->sources);
	free(policy->destinations);
	free(policy->memberships);
	free(policy->prefixes);
	free(policy->text);
	free(policy);
}

size_t policy_rule_count(const struct policy *policy)
{
	return policy->rule_count;
}

static bool names_node(const struct policy_approval *approval, const struct policy_hits *hits)
{
	for (size_t i = 0; i < approval->node_count; i++)
		for (size_t j = 0; j < hits->count; j++)
			if (hits->list[j].selector == approval->nodes[i])
				return true;
	return false;
}

static bool covers(const struct policy_approval *approval, const struct prefix *prefix)
{
	if (prefix->len == 0)
		return approval->exit;
	for (size_t i = 0; i < approval->route_count; i++)
		if (approval->routes[i].len <= prefix->len &&
		    prefix_contains(&approval->routes[i], &prefix->addr))
			return true;
	return false;
}

bool policy_approves(const struct policy *policy, const struct policy_node *node,
		     const struct prefix *prefix)
{
	struct policy_hits hits = { .count = 0 };
	bool approved = false;

	if (policy->approval_count > 0 && policy_match(policy, node, &hits) == 0)
		for (size_t i = 0; !approved && i < policy->approval_count; i++)
			approved = covers(&policy->approvals[i], prefix) &&
				   names_node(&policy->approvals[i], &hits);
	free(hits.list);
	return approved;
}

void policy_rules_clear(struct policy_rules *rules)
{
	free(rules->rules);
	*rules = (struct policy_rules){ .count = 0 };
}
