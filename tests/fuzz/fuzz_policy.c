#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/filter_tuple.h"
#include "proto/policy.h"
#include "proto/policy_explain.h"

/* What decides as the rules are written is what the compiled ones do. */
static void explain(const struct policy *policy, const struct policy_node *from,
		    const struct policy_node *to, const struct policy_rules *rules)
{
	struct filter_tuple tuple = { .dst = to->address4, .proto = 6 };
	struct filter_rules *filter = filter_rules_new(rules->rules, rules->count, NULL);
	struct policy_verdict verdict;

	for (uint16_t port = 20; filter && port < 30; port++) {
		tuple.dst_port = port;
		if (policy_explain(policy, from, to, &tuple, &verdict) == 0 &&
		    verdict.allowed != filter_rules_match(filter, &tuple))
			abort();
	}
	filter_rules_free(filter);
}

/* Policy files, compiled for two nodes; a refusal must say why. */
static void compile(const struct policy *policy)
{
	static const char *const labels[] = { "trusted", "db" };
	struct policy_node nodes[2] = {
		{ .name = "laptop", .groups = labels, .group_count = 2 },
		{ .name = "db1", .tags = labels, .tag_count = 2 },
	};
	struct policy_rules rules = { .count = 0 };
	struct policy_error error;
	struct prefix route;

	prefix_parse(&route, "10.20.0.0/16");
	addr_parse(&nodes[0].address4, "100.64.0.1");
	addr_parse(&nodes[1].address4, "100.64.0.2");
	addr_parse(&nodes[1].address6, "fd00::2");
	nodes[1].routes = &route;
	nodes[1].route_count = 1;
	nodes[0].owner = "alice@example.com";
	if (policy_compile(policy, &nodes[0], &nodes[1], &rules) < 0) {
		policy_rules_clear(&rules);
		return;
	}
	if (policy_check(policy, nodes, 2, &error) < 0 && !error.text[0])
		abort();
	explain(policy, &nodes[0], &nodes[1], &rules);
	policy_rules_clear(&rules);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy_error error;
	struct policy *policy;

	if (policy_parse(&policy, (const char *)data, size, &error) == 0) {
		compile(policy);
		policy_free(policy);
	} else if (!error.text[0]) {
		abort();
	}
	return 0;
}
