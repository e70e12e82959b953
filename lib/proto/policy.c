#include "proto/policy.h"

#include <stdlib.h>

#include "proto/policy_model.h"

const char policy_starter_text[] =
	"{\"groups\":{},\n"
	" \"rules\":[{\"allow\":[\"group:trusted\"],\"to\":[\"group:trusted:*\"]}],\n"
	" \"tests\":[{\"from\":\"group:trusted\",\"to\":\"group:trusted\",\"proto\":\"tcp\","
	"\"port\":22,\"expect\":\"allow\"}]}\n";

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	for (size_t i = 0; i < policy->group_count; i++)
		free(policy->groups[i].members);
	for (size_t i = 0; i < policy->rule_count; i++) {
		struct policy_rule *rule = &policy->rules[i];

		for (size_t j = 0; j < rule->destination_count; j++)
			free(rule->destinations[j].ports);
		free(rule->destinations);
		free(rule->sources);
	}
	free(policy->groups);
	free(policy->rules);
	free(policy->tests);
	free(policy);
}

void policy_rules_clear(struct policy_rules *rules)
{
	free(rules->rules);
	*rules = (struct policy_rules){ .count = 0 };
}
