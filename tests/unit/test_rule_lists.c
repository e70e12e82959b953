#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "coord/rule_lists.h"

/* With different bytes where the struct has none of its fields. */
static struct filter_rule make_rule(uint16_t port, int filling)
{
	struct filter_rule rule;

	memset(&rule, filling, sizeof(rule));
	rule.src = (struct prefix){ .len = 0 };
	rule.dst = (struct prefix){ .len = 0 };
	rule.proto = 6;
	rule.port_low = rule.port_high = port;
	rule.deny = false;
	return rule;
}

static void test_equal_lists_are_one(void **state)
{
	struct rule_lists *lists = rule_lists_new();
	struct filter_rule one[2] = { make_rule(22, 0), make_rule(80, 0) };
	struct filter_rule same[2] = { make_rule(22, 0x55), make_rule(80, 0x55) };
	struct netmap_rules *a = rule_lists_share(lists, one, 2);
	struct netmap_rules *shorter = rule_lists_share(lists, one, 1);
	struct netmap_rules *none = rule_lists_share(lists, NULL, 0);
	struct netmap_rules *b = rule_lists_share(lists, same, 2);

	(void)state;
	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, shorter);
	assert_int_equal(shorter->count, 1);
	assert_int_equal(none->count, 0);
	assert_int_equal(rule_lists_count(lists), 3);
	netmap_rules_unref(shorter);
	netmap_rules_unref(none);
	netmap_rules_unref(b);
	rule_lists_sweep(lists);
	assert_int_equal(rule_lists_count(lists), 1);
	assert_ptr_equal(rule_lists_share(lists, one, 2), a);
	rule_lists_free(lists);
	/* Whoever refers to a list keeps it. */
	assert_int_equal(a->list[1].port_low, 80);
	netmap_rules_unref(a);
	netmap_rules_unref(a);
}

static void test_too_long_a_list(void **state)
{
	static struct filter_rule many[FILTER_RULES_MAX + 1];
	struct rule_lists *lists = rule_lists_new();

	(void)state;
	assert_null(rule_lists_share(lists, many, FILTER_RULES_MAX + 1));
	assert_int_equal(rule_lists_count(lists), 0);
	rule_lists_free(lists);
	rule_lists_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_lists_are_one),
		cmocka_unit_test(test_too_long_a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
