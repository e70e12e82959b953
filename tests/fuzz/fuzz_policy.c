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
	static const char *const places[] = { "100.64.0.1", "100.64.0.2", "10.20.0.5",
					      "10.77.0.9",  "9.9.9.9",    "fd00::2" };
	const struct ip_addr own[] = { from->address4, from->address6 };
	struct filter_rules *filter = filter_rules_new(rules->rules, rules->count, own);
	struct policy_verdict verdict;

	for (uint16_t i = 0; filter && i < 6 * 6 * 10; i++) {
		struct filter_tuple tuple = { .proto = i % 3 ? 6 : 17, .dst_port = i % 10 + 50 };

		addr_parse(&tuple.src, places[i / 10 % 6]);
		addr_parse(&tuple.dst, places[i / 60]);
		if (tuple.src.family == tuple.dst.family &&
		    policy_explain(policy, from, to, &tuple, &verdict) == 0 &&
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
	struct prefix lan;
	struct prefix routes[2];

	prefix_parse(&lan, "10.77.0.0/24");
	prefix_parse(&routes[0], "10.20.0.0/16");
	prefix_parse(&routes[1], "0.0.0.0/0");
	nodes[0].routes = &lan;
	nodes[0].route_count = 1;
	addr_parse(&nodes[0].address4, "100.64.0.1");
	addr_parse(&nodes[1].address4, "100.64.0.2");
	addr_parse(&nodes[1].address6, "fd00::2");
	nodes[1].routes = routes;
	nodes[1].route_count = 2;
	nodes[0].owner = "alice@example.com";
	if (policy_compile(policy, &nodes[0], &nodes[1], &rules) < 0) {
		policy_rules_clear(&rules);
		return;
	}
	if (policy_check(policy, nodes, 2, &error) < 0 && !error.text[0])
		abort();
	explain(policy, &nodes[0], &nodes[1], &rules);
	policy_approves(policy, &nodes[1], &routes[0]);
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
