#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/policy.h"

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
	(void)policy_compile(policy, &nodes[0], &nodes[1], &rules);
	if (policy_check(policy, nodes, 2, &error) < 0 && !error.text[0])
		abort();
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
