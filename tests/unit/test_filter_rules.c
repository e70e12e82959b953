/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "proto/filter_rules.h"
#include "proto/filter_tuple.h"

static struct filter_tuple tuple_to(const char *dst, uint8_t proto, uint16_t port)
{
	struct filter_tuple t;

	memset(&t, 0, sizeof(t));
	assert_int_equal(addr_parse(&t.dst, dst), 0);
	t.src = t.dst;
	t.src.bytes[3] ^= 1;
	t.proto = proto;
	t.dst_port = port;
	return t;
}

static struct filter_rule rule_to(const char *dst, uint8_t proto, uint16_t low, uint16_t high)
{
	struct filter_rule rule;

	memset(&rule, 0, sizeof(rule));
	if (dst)
		assert_int_equal(prefix_parse(&rule.dst, dst), 0);
	rule.proto = proto;
	rule.port_low = low;
	rule.port_high = high;
	return rule;
}

static bool match(const struct filter_rules *rules, const char *dst, uint8_t proto, uint16_t port)
{
	struct filter_tuple t = tuple_to(dst, proto, port);

	return filter_rules_match(rules, &t);
}

static void test_nothing_is_allowed_by_nothing(void **state)
{
	struct filter_rules *rules = filter_rules_new(NULL, 0, NULL);

	(void)state;
	assert_non_null(rules);
	assert_false(match(rules, "10.0.0.1", IPPROTO_TCP, 22));
	assert_false(match(NULL, "10.0.0.1", IPPROTO_TCP, 22));
	filter_rules_free(rules);
	filter_rules_free(NULL);
}

/* A rule for one protocol and port allows exactly that: every protocol against every port. */
static void test_protocol_by_port(void **state)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_SCTP,
					  IPPROTO_GRE };
	static const uint16_t ports[] = { 0, 1, 21, 22, 23, 65535 };
	struct filter_rule rule;
	size_t i;
	size_t j;
	size_t k;

	(void)state;
	for (i = 0; i < sizeof(protos); i++) {
		struct filter_rules *rules;

		rule = rule_to("10.0.0.0/24", protos[i], 22, 22);
		rules = filter_rules_new(&rule, 1, NULL);
		for (j = 0; j < sizeof(protos); j++) {
			for (k = 0; k < sizeof(ports) / sizeof(ports[0]); k++) {
				/* A port range says nothing of protocols without ports. */
				bool want = i == j && ports[k] == 22 && protos[i] != IPPROTO_ICMP &&
					    protos[i] != IPPROTO_GRE;

				assert_int_equal(match(rules, "10.0.0.9", protos[j], ports[k]),
						 want);
			}
		}
		assert_false(match(rules, "10.0.1.9", protos[i], 22));
		filter_rules_free(rules);
	}
}

static void test_any(void **state)
{
	struct filter_rule all = rule_to(NULL, FILTER_PROTO_ANY, 0, 65535);
	struct filter_rule web = rule_to(NULL, FILTER_PROTO_ANY, 443, 443);
	struct filter_rule icmp = rule_to(NULL, IPPROTO_ICMP, 0, 65535);
	struct filter_rules *rules = filter_rules_new(&all, 1, NULL);

	(void)state;
	assert_true(match(rules, "10.0.0.1", IPPROTO_GRE, 0));
	assert_true(match(rules, "fd00::1", IPPROTO_TCP, 65535));
	filter_rules_free(rules);
	rules = filter_rules_new(&web, 1, NULL);
	assert_true(match(rules, "10.0.0.1", IPPROTO_TCP, 443));
	assert_true(match(rules, "fd00::1", IPPROTO_UDP, 443));
	assert_false(match(rules, "10.0.0.1", IPPROTO_TCP, 442));
	assert_false(match(rules, "10.0.0.1", IPPROTO_ICMP, 0));
	filter_rules_free(rules);
	rules = filter_rules_new(&icmp, 1, NULL);
	assert_true(match(rules, "10.0.0.1", IPPROTO_ICMP, 7));
	assert_false(match(rules, "10.0.0.1", IPPROTO_TCP, 7));
	filter_rules_free(rules);
}

static void test_fragments_need_all_ports(void **state)
{
	struct filter_rule some = rule_to(NULL, IPPROTO_UDP, 1, 65535);
	struct filter_rule all = rule_to(NULL, IPPROTO_UDP, 0, 65535);
	struct filter_rules *a = filter_rules_new(&some, 1, NULL);
	struct filter_rules *b = filter_rules_new(&all, 1, NULL);
	struct filter_tuple t = tuple_to("10.0.0.1", IPPROTO_UDP, 0);

	(void)state;
	t.fragment = true;
	assert_false(filter_rules_match(a, &t));
	assert_true(filter_rules_match(b, &t));
	filter_rules_free(a);
	filter_rules_free(b);
}

static void test_ranges_merge(void **state)
{
	const struct filter_rule set[] = {
		rule_to("10.0.0.1", IPPROTO_TCP, 100, 200),
		rule_to("10.0.0.1", IPPROTO_TCP, 50, 99),
		rule_to("10.0.0.1", IPPROTO_TCP, 120, 130),
		rule_to("10.0.0.1", IPPROTO_TCP, 300, 300),
		rule_to("10.0.0.1", IPPROTO_TCP, 9, 5),
	};
	struct filter_rules *rules = filter_rules_new(set, 5, NULL);
	unsigned int port;

	(void)state;
	for (port = 0; port <= 400; port++)
		assert_int_equal(match(rules, "10.0.0.1", IPPROTO_TCP, (uint16_t)port),
				 (port >= 50 && port <= 200) || port == 300);
	filter_rules_free(rules);
}

static void test_bounds(void **state)
{
	struct filter_rule *set = calloc(FILTER_RULES_MAX + 1, sizeof(*set));
	struct filter_rules *a;
	struct filter_rules *b;

	(void)state;
	assert_non_null(set);
	assert_null(filter_rules_new(set, FILTER_RULES_MAX + 1, NULL));
	a = filter_rules_new(set, FILTER_RULES_MAX, NULL);
	b = filter_rules_new(set, FILTER_RULES_MAX, NULL);
	assert_true(filter_rules_id(a) && filter_rules_id(a) != filter_rules_id(b));
	assert_true(filter_rules_id(NULL) == 0);
	filter_rules_free(a);
	filter_rules_free(b);
	free(set);
}

/* The obvious implementation, to hold the fast one against. own NULL: every source is. */
static bool slow_match(const struct filter_rule *set, size_t count, const struct ip_addr *own,
		       const struct filter_tuple *t, bool deny)
{
	bool ports = !t->fragment && filter_proto_has_ports(t->proto);
	bool is_own = own && (addr_equal(&t->src, &own[0]) || addr_equal(&t->src, &own[1]));
	size_t i;

	for (i = 0; i < count; i++) {
		const struct filter_rule *r = &set[i];

		if (r->deny != deny || (r->dst.addr.family && !prefix_contains(&r->dst, &t->dst)))
			continue;
		if (r->dst.addr.family && r->dst.len == 0 && addr_is_private(&t->dst))
			continue;
		if (own && r->src.addr.family == 0 && !is_own)
			continue;
		if (r->src.addr.family && (is_own || !prefix_contains(&r->src, &t->src)))
			continue;
		if (r->proto && r->proto != t->proto)
			continue;
		if (ports ? t->dst_port >= r->port_low && t->dst_port <= r->port_high
			  : deny || (!r->port_low && r->port_high == 65535))
			return true;
	}
	return false;
}

static struct ip_addr random_addr(void)
{
	uint32_t net = rand() % 4 ? 0x0a000000u : 0xcb007100u; /* 203.0.113.0 */
	struct ip_addr addr = addr_from_v4(net | ((uint32_t)rand() & 0x3f));

	if (rand() % 2) {
		uint8_t bytes[16] = { 0xfd, [1] = (uint8_t)(rand() % 2), [15] = (uint8_t)rand() };

		addr = addr_from_bytes(AF_INET6, bytes);
	}
	return addr;
}

static struct filter_rule random_rule(void)
{
	static const uint8_t protos[] = { 0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
	struct ip_addr addr = random_addr();
	struct filter_rule rule;

	memset(&rule, 0, sizeof(rule));
	rule.proto = protos[rand() % 4];
	if (rand() % 8)
		rule.dst = prefix_from_addr(&addr, (unsigned int)(rand() % 129));
	if (rand() % 16 == 0)
		rule.dst.len = 0, memset(rule.dst.addr.bytes, 0, 16);
	if (rand() % 2) {
		addr = random_addr();
		rule.src = prefix_from_addr(&addr, (unsigned int)(1 + rand() % 128));
	}
	rule.deny = rand() % 6 == 0;
	if (rand() % 8) {
		rule.port_low = (uint16_t)(rand() % 16);
		rule.port_high = (uint16_t)(rule.port_low + rand() % 3);
	} else {
		rule.port_high = 65535;
	}
	return rule;
}

static void test_equals_the_obvious(void **state)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_GRE };
	struct filter_rule set[12];
	int round;

	(void)state;
	srand(1);
	for (round = 0; round < 4000; round++) {
		size_t count = (size_t)(rand() % 12);
		struct ip_addr own[2] = { random_addr(), random_addr() };
		const struct ip_addr *known = rand() % 4 ? own : NULL;
		struct filter_rules *rules;
		size_t i;

		for (i = 0; i < count; i++)
			set[i] = random_rule();
		rules = filter_rules_new(set, count, known);
		for (i = 0; i < 40; i++) {
			struct filter_tuple t;

			memset(&t, 0, sizeof(t));
			t.src = i % 2 ? random_addr() : own[i / 2 % 2];
			t.dst = random_addr();
			t.proto = protos[rand() % 4];
			t.dst_port = (uint16_t)(rand() % 20);
			t.fragment = rand() % 4 == 0;
			assert_int_equal(filter_rules_match(rules, &t),
					 slow_match(set, count, known, &t, false) &&
						 !slow_match(set, count, known, &t, true));
		}
		filter_rules_free(rules);
	}
}

static void test_internet(void **state)
{
	static const char *const inside[] = {
		"0.1.2.3",         "10.0.0.1",    "100.64.0.1",
		"127.0.0.1",       "169.254.0.1", "172.16.0.1",
		"192.168.0.1",     "224.0.0.1",   "240.0.0.1",
		"255.255.255.255", "::",          "::1",
		"64:ff9b::a00:1",  "fc00::1",     "fe80::1",
		"fec0::1",         "ff02::1",     "2001::1",
		"2001:0:a00:1::",  "2002:a00::",  "2002:c633:6401::1",
	};
	static const char *const outside[] = { "1.1.1.1",     "198.51.100.1", "172.32.0.1",
					       "2001:db8::1", "2001:1::1",    "2600::1",
					       "2003::1" };
	struct ip_addr addr;

	(void)state;
	for (size_t i = 0; i < sizeof(inside) / sizeof(*inside); i++) {
		assert_int_equal(addr_parse(&addr, inside[i]), 0);
		if (filter_is_internet(&addr))
			fail_msg("%s is no address of the internet", inside[i]);
	}
	for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++) {
		assert_int_equal(addr_parse(&addr, outside[i]), 0);
		if (!filter_is_internet(&addr))
			fail_msg("%s is one of the internet", outside[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_allowed_by_nothing),
		cmocka_unit_test(test_protocol_by_port),
		cmocka_unit_test(test_any),
		cmocka_unit_test(test_fragments_need_all_ports),
		cmocka_unit_test(test_ranges_merge),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_internet),
		cmocka_unit_test(test_equals_the_obvious),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
