/* What a new policy lets whom start that the old one did not: in words, for whom and from where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "coord/policy_change.h"

static struct prefix lan;
static struct prefix everywhere;
static struct policy_node laptop;
static struct policy_node gateway;
static struct policy_node exit_node;

static int begin(void **state)
{
	(void)state;
	prefix_parse(&lan, "10.20.0.0/16");
	prefix_parse(&everywhere, "0.0.0.0/0");
	laptop = (struct policy_node){ .name = "laptop" };
	gateway = (struct policy_node){ .name = "gw", .routes = &lan, .route_count = 1 };
	exit_node = (struct policy_node){ .name = "out", .routes = &everywhere, .route_count = 1 };
	addr_parse(&laptop.address4, "100.64.0.1");
	addr_parse(&gateway.address4, "100.64.0.2");
	addr_parse(&exit_node.address4, "100.64.0.3");
	return 0;
}

static void find(const char *before, const char *after, const struct policy_node *from,
		 const struct policy_node *to, struct policy_change *gained,
		 struct policy_change *lost)
{
	const char *texts[] = { before, after };
	struct policy_rules rules[2] = { { .count = 0 } };

	for (size_t i = 0; i < 2; i++) {
		struct policy_error error;
		struct policy *policy;

		assert_int_equal(policy_parse(&policy, texts[i], strlen(texts[i]), &error), 0);
		assert_int_equal(policy_compile(policy, from, to, &rules[i]), 0);
		policy_free(policy);
	}
	assert_int_equal(policy_change_find(&rules[0], &rules[1], to, gained, lost), 0);
	policy_rules_clear(&rules[0]);
	policy_rules_clear(&rules[1]);
}

static void test_own(void **state)
{
	struct policy_change gained, lost;

	(void)state;
	find("{\"rules\":[{\"allow\":[\"laptop\"],\"to\":[\"gw:tcp/22\"]}]}",
	     "{\"rules\":[{\"allow\":[\"laptop\"],\"to\":[\"gw:tcp/22,80\",\"10.20.1.0/24:icmp\"]}]}",
	     &laptop, &gateway, &gained, &lost);
	assert_int_equal(lost.count, 0);
	assert_int_equal(gained.count, 2);
	assert_string_equal(gained.ports[0], "tcp/80");
	assert_string_equal(gained.ports[1], "10.20.1.0/24:icmp");
}

static void test_behind_a_router(void **state)
{
	struct policy_change gained, lost;

	(void)state;
	find("{\"rules\":[{\"allow\":[\"10.20.1.0/24\"],\"to\":[\"laptop:tcp/22\"]}]}",
	     "{\"rules\":[{\"deny\":[\"10.20.1.9\"],\"to\":[\"laptop:tcp/1\"]},"
	     "{\"allow\":[\"10.20.1.9\"],\"to\":[\"laptop:tcp/22\",\"laptop:gre\"]}]}",
	     &gateway, &laptop, &gained, &lost);
	assert_int_equal(gained.count, 1);
	assert_string_equal(gained.ports[0], "proto/47 from 10.20.1.9/32");
	assert_int_equal(lost.count, 1);
	assert_string_equal(lost.ports[0], "tcp/22 from 10.20.1.0/24");
}

static void test_internet(void **state)
{
	struct policy_change gained, lost;

	(void)state;
	find("{}", "{\"rules\":[{\"allow\":[\"laptop\"],\"to\":[\"internet:tcp/443\"]}]}", &laptop,
	     &exit_node, &gained, &lost);
	assert_int_equal(lost.count, 0);
	assert_int_equal(gained.count, 3);
	assert_string_equal(gained.ports[0], "tcp/53");
	assert_string_equal(gained.ports[1], "udp/53");
	assert_string_equal(gained.ports[2], "internet:tcp/443");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_behind_a_router),
		cmocka_unit_test(test_internet),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
