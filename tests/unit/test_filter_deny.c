#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/filter_rules.h"
#include "proto/filter_tuple.h"

static struct filter_tuple tuple(uint8_t proto, uint16_t port)
{
	struct filter_tuple t = { .proto = proto, .src_port = 999, .dst_port = port };

	addr_parse(&t.src, "100.64.0.1");
	addr_parse(&t.dst, "100.64.0.2");
	return t;
}

static void test_deny_wins(void **state)
{
	struct filter_rule list[] = {
		{ .proto = FILTER_PROTO_ANY, .port_high = 65535 },
		{ .proto = 6, .port_low = 22, .port_high = 23, .deny = true },
		{ .proto = 17, .port_low = 0, .port_high = 65535, .deny = true },
	};
	struct filter_rules *rules;
	struct filter_tuple t;

	(void)state;
	prefix_parse(&list[1].dst, "100.64.0.2/32");
	rules = filter_rules_new(list, 3, NULL);
	t = tuple(6, 21);
	assert_true(filter_rules_match(rules, &t));
	t = tuple(6, 22);
	assert_false(filter_rules_match(rules, &t));
	t = tuple(6, 23);
	assert_false(filter_rules_match(rules, &t));
	t = tuple(17, 53);
	assert_false(filter_rules_match(rules, &t));
	t = tuple(1, 0);
	assert_true(filter_rules_match(rules, &t));
	t = tuple(6, 22);
	addr_parse(&t.dst, "100.64.0.3");
	assert_true(filter_rules_match(rules, &t));
	filter_rules_free(rules);
}

static void test_fragment_of_a_denied_protocol(void **state)
{
	struct filter_rule list[] = {
		{ .proto = FILTER_PROTO_ANY, .port_high = 65535 },
		{ .proto = 17, .port_low = 53, .port_high = 53, .deny = true },
	};
	struct filter_rules *rules = filter_rules_new(list, 2, NULL);
	struct filter_tuple t = tuple(17, 0);

	(void)state;
	t.fragment = true;
	assert_false(filter_rules_match(rules, &t));
	t.proto = 6;
	assert_true(filter_rules_match(rules, &t));
	filter_rules_free(rules);
}

static void test_deny_alone_allows_nothing(void **state)
{
	struct filter_rule list[] = { { .proto = 6, .port_low = 1, .port_high = 2, .deny = true } };
	struct filter_rules *rules = filter_rules_new(list, 1, NULL);
	struct filter_tuple t = tuple(6, 80);

	(void)state;
	assert_false(filter_rules_match(rules, &t));
	filter_rules_free(rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deny_wins),
		cmocka_unit_test(test_fragment_of_a_denied_protocol),
		cmocka_unit_test(test_deny_alone_allows_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
