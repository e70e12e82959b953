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

void policy_rules_clear(struct policy_rules *rules)
{
	free(rules->rules);
	*rules = (struct policy_rules){ .count = 0 };
}
