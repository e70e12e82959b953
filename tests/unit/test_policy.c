#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/filter_tuple.h"
#include "proto/policy.h"

#define TCP  6
#define UDP  17
#define ICMP 1

static const char *const trusted[] = { "trusted" };
static const char *const db_tag[] = { "db" };
static const char *const guest_tag[] = { "guest" };
static struct prefix lan;

static struct policy_node laptop = { .name = "laptop", .groups = trusted, .group_count = 1 };
static struct policy_node phone = { .name = "phone", .groups = trusted, .group_count = 1 };
static struct policy_node db = { .name = "db1", .tags = db_tag, .tag_count = 1 };
static struct policy_node guest = { .name = "visitor", .tags = guest_tag, .tag_count = 1 };
static struct policy_node gw = { .name = "gw", .routes = &lan, .route_count = 1 };

static int setup(void **state)
{
	struct policy_node *nodes[] = { &laptop, &phone, &db, &guest, &gw };

	(void)state;
	prefix_parse(&lan, "10.20.0.0/24");
	for (unsigned int i = 0; i < 5; i++) {
		char text[32];

		nodes[i]->address4 = addr_from_v4(0x64400001 + i);
		snprintf(text, sizeof(text), "fd00::%x", i + 1);
		addr_parse(&nodes[i]->address6, text);
	}
	return 0;
}

static struct policy *parse(const char *text)
{
	struct policy_error error;
	struct policy *policy;
	int err = policy_parse(&policy, text, strlen(text), &error);

	if (err < 0)
		fail_msg("line %d: %s", error.line, error.text);
	return policy;
}

static bool may(const struct policy *policy, const struct policy_node *from,
		const struct policy_node *to, const char *dst, uint8_t proto, uint16_t port)
{
	struct filter_tuple tuple = {
		.src = from->address4, .dst = to->address4, .proto = proto, .dst_port = port
	};
	struct policy_rules rules = { .count = 0 };
	struct filter_rules *compiled;
	bool allowed;

	if (dst)
		addr_parse(&tuple.dst, dst);
	assert_int_equal(policy_compile(policy, from, to, &rules), 0);
	compiled = filter_rules_new(rules.rules, rules.count);
	allowed = filter_rules_match(compiled, &tuple);
	filter_rules_free(compiled);
	policy_rules_clear(&rules);
	return allowed;
}

static size_t rule_count(const struct policy *policy, const struct policy_node *from,
			 const struct policy_node *to)
{
	struct policy_rules rules = { .count = 0 };
	size_t count;

	assert_int_equal(policy_compile(policy, from, to, &rules), 0);
	count = rules.count;
	policy_rules_clear(&rules);
	return count;
}

static void test_starter(void **state)
{
	struct policy *policy = parse(policy_starter_text);
	struct policy_node nodes[] = { laptop, phone, db, guest };
	struct policy_error error;

	(void)state;
	assert_true(may(policy, &laptop, &phone, NULL, TCP, 22));
	assert_true(may(policy, &laptop, &phone, "fd00::2", UDP, 9));
	assert_true(may(policy, &laptop, &phone, NULL, ICMP, 0));
	assert_false(may(policy, &laptop, &phone, "10.0.0.1", TCP, 22));
	assert_int_equal(rule_count(policy, &laptop, &db), 0);
	assert_int_equal(rule_count(policy, &db, &laptop), 0);
	assert_int_equal(policy_check(policy, NULL, 0, &error), 0);
	assert_int_equal(policy_check(policy, nodes, 4, &error), 0);
	policy_free(policy);
}

static void test_nothing_is_allowed_by_default(void **state)
{
	struct policy *policy = parse("{}");

	(void)state;
	assert_int_equal(rule_count(policy, &laptop, &phone), 0);
	policy_free(policy);
}

static void test_ports_and_protocols(void **state)
{
	struct policy *policy = parse(
		"{\"groups\":{\"admins\":[\"laptop\"]},\"rules\":["
		"{\"allow\":[\"group:admins\"],\"to\":[\"tag:db:tcp/5432,8000-8999\"]},"
		"{\"allow\":[\"phone\"],\"to\":[\"db1:53\",\"db1:icmp\",\"tag:db:udp/*\"]}]}");

	(void)state;
	assert_true(may(policy, &laptop, &db, NULL, TCP, 5432));
	assert_true(may(policy, &laptop, &db, NULL, TCP, 8000));
	assert_true(may(policy, &laptop, &db, NULL, TCP, 8999));
	assert_false(may(policy, &laptop, &db, NULL, TCP, 9000));
	assert_false(may(policy, &laptop, &db, NULL, UDP, 5432));
	assert_false(may(policy, &laptop, &db, NULL, ICMP, 0));
	assert_false(may(policy, &laptop, &guest, NULL, TCP, 5432));
	assert_true(may(policy, &phone, &db, NULL, TCP, 53));
	assert_true(may(policy, &phone, &db, NULL, UDP, 53));
	assert_true(may(policy, &phone, &db, NULL, UDP, 54));
	assert_false(may(policy, &phone, &db, NULL, TCP, 54));
	assert_true(may(policy, &phone, &db, NULL, ICMP, 0));
	policy_free(policy);
}

static void test_deny_wins(void **state)
{
	struct policy *policy = parse("{\"rules\":["
				      "{\"deny\":[\"tag:guest\"],\"to\":[\"*:*\"]},"
				      "{\"deny\":[\"laptop\"],\"to\":[\"db1:tcp/22\"]},"
				      "{\"allow\":[\"*\"],\"to\":[\"*:*\"]}]}");

	(void)state;
	assert_int_equal(rule_count(policy, &guest, &db), 0);
	assert_true(may(policy, &db, &guest, NULL, TCP, 1));
	assert_false(may(policy, &laptop, &db, NULL, TCP, 22));
	assert_true(may(policy, &laptop, &db, NULL, TCP, 23));
	assert_true(may(policy, &phone, &db, NULL, TCP, 22));
	policy_free(policy);
}

static void test_routed_prefixes(void **state)
{
	struct policy *policy = parse("{\"rules\":[{\"allow\":[\"laptop\"],\"to\":["
				      "\"10.20.0.5/32:tcp/443\",\"10.0.0.0/8:icmp\"]},"
				      "{\"allow\":[\"phone\"],\"to\":[\"fd00::/64:tcp/1\"]}]}");

	(void)state;
	assert_true(may(policy, &laptop, &gw, "10.20.0.5", TCP, 443));
	assert_false(may(policy, &laptop, &gw, "10.20.0.6", TCP, 443));
	assert_true(may(policy, &laptop, &gw, "10.20.0.6", ICMP, 0));
	assert_false(may(policy, &laptop, &gw, "10.21.0.6", ICMP, 0));
	assert_false(may(policy, &laptop, &gw, NULL, TCP, 443));
	assert_int_equal(rule_count(policy, &laptop, &db), 0);
	assert_true(may(policy, &phone, &db, "fd00::3", TCP, 1));
	assert_false(may(policy, &phone, &db, NULL, TCP, 1));
	policy_free(policy);
}

static void assert_fails(const char *text, int line, const char *part)
{
	struct policy_error error;
	struct policy *policy;

	if (policy_parse(&policy, text, strlen(text), &error) == 0)
		fail_msg("accepted: %s", text);
	if (error.line != line || !strstr(error.text, part))
		fail_msg("line %d, \"%s\" for %s", error.line, error.text, text);
}

static void test_errors_name_the_line(void **state)
{
	(void)state;
	assert_fails("", 1, "JSON");
	assert_fails("{\n\"rules\":[\n}", 3, "JSON");
	assert_fails("[]", 1, "object");
	assert_fails("{\n\"rulez\":[]}", 2, "rulez");
	assert_fails("{\"rules\":\n5}", 1, "rules");
	assert_fails("{\"rules\":[\n{\"allow\":[\"a\"],\"to\":[\"a:1\"]},\n"
		     "{\"alow\":[\"a\"],\"to\":[\"a:1\"]}]}",
		     3, "allow");
	assert_fails("{\"rules\":[\n{\"allow\":[\"a\"],\n\"to\":[\"a:1\",\n\"a:tpc/1\"]}]}", 4,
		     "a:tpc/1");
	assert_fails("{\"rules\":[\n{\"allow\":[\"a\"],\"to\":[\"a\"]}]}", 2, "destination");
	assert_fails("{\"rules\":[\n\n{\"allow\":[\"A B\"],\"to\":[\"a:1\"]}]}", 3, "source");
	assert_fails("{\"rules\":[\n{\"allow\":[\"a\"],\"to\":[\"a:1\"],\n\"prots\":1}]}", 3,
		     "prots");
	assert_fails("{\"rules\":[{\"allow\":[\"a\"],\"deny\":[\"a\"],\"to\":[\"a:1\"]}]}", 1,
		     "either");
	assert_fails("{\"rules\":[{\"allow\":[\"a\"]}]}", 1, "to");
	assert_fails("{\"rules\":[{\"allow\":[1],\"to\":[\"a:1\"]}]}", 1, "source");
	assert_fails("{\"groups\":\n{\"x\":\n[\"not a name\"]}}", 3, "not a name");
	assert_fails("{\"groups\":{\"a b\":[]}}", 1, "a b");
	assert_fails("{\"groups\":{\"a\":[],\"a\":[]}}", 1, "JSON");
	assert_fails(
		"{\"tests\":[\n{\"from\":\"a\",\"to\":\"b\",\"port\":1,\"expect\":\"maybe\"}]}", 2,
		"expect");
	assert_fails("{\"tests\":[{\"from\":\"a\",\"to\":\"b\",\"expect\":\"deny\"}]}", 1, "port");
	assert_fails(
		"{\"tests\":[{\"from\":\"a\",\"to\":\"b\",\"port\":70000,\"expect\":\"deny\"}]}", 1,
		"port");
}

static void test_bad_ports(void **state)
{
	static const char *const ports[] = { "",       "tcp", "tcp/",      "tcp/x", "65536",
					     "9-1",    "1-",  "1,",        ",1",    "tcp/1-2-3",
					     "sctp/1", "-1",  "tcp/65536", "**",    " 1" };

	(void)state;
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		char text[128];

		snprintf(text, sizeof(text), "{\"rules\":[{\"allow\":[\"a\"],\"to\":[\"a:%s\"]}]}",
			 ports[i]);
		assert_fails(text, 1, "destination");
	}
}

static void test_own_tests(void **state)
{
	struct policy *policy = parse(
		"{\"groups\":{\"admins\":[\"laptop\"]},\n"
		"\"rules\":[{\"allow\":[\"group:admins\"],\"to\":[\"tag:db:tcp/5432\","
		"\"10.20.0.0/16:tcp/80\"]}],\n"
		"\"tests\":[{\"from\":\"laptop\",\"to\":\"tag:db\",\"proto\":\"tcp\","
		"\"port\":5432,\"expect\":\"allow\"},\n"
		"{\"from\":\"laptop\",\"to\":\"10.20.0.7\",\"port\":80,\"expect\":\"allow\"},\n"
		"{\"from\":\"phone\",\"to\":\"tag:db\",\"port\":5432,\"expect\":\"deny\"},\n"
		"{\"from\":\"group:admins\",\"to\":\"tag:db\",\"proto\":\"icmp\","
		"\"expect\":\"deny\"}]}");
	struct policy_node nodes[] = { laptop, phone, db, guest, gw };
	struct policy_error error;

	(void)state;
	if (policy_check(policy, nodes, 5, &error) < 0)
		fail_msg("line %d: %s", error.line, error.text);
	/* Nobody there yet. */
	if (policy_check(policy, NULL, 0, &error) < 0)
		fail_msg("line %d: %s", error.line, error.text);
	policy_free(policy);
}

static void test_a_failing_test_names_its_line(void **state)
{
	struct policy *policy =
		parse("{\"rules\":[],\n\"tests\":[\n"
		      "{\"from\":\"a\",\"to\":\"b\",\"port\":1,\"expect\":\"deny\"},\n"
		      "{\"from\":\"a\",\"to\":\"b\",\"port\":2,\"expect\":\"allow\"}]}");
	struct policy_error error;

	(void)state;
	assert_int_equal(policy_check(policy, NULL, 0, &error), -EPERM);
	assert_int_equal(error.line, 4);
	assert_non_null(strstr(error.text, "allow"));
	policy_free(policy);
}

static void test_bounds(void **state)
{
	char *text = malloc(POLICY_TEXT_MAX + 2);
	struct policy_error error;
	struct policy *policy;

	(void)state;
	memset(text, ' ', POLICY_TEXT_MAX + 1);
	assert_int_equal(policy_parse(&policy, text, POLICY_TEXT_MAX + 1, &error), -EFBIG);
	memset(text, '[', POLICY_TEXT_MAX);
	assert_int_equal(policy_parse(&policy, text, POLICY_TEXT_MAX, &error), -EINVAL);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_starter),
		cmocka_unit_test(test_nothing_is_allowed_by_default),
		cmocka_unit_test(test_ports_and_protocols),
		cmocka_unit_test(test_deny_wins),
		cmocka_unit_test(test_routed_prefixes),
		cmocka_unit_test(test_errors_name_the_line),
		cmocka_unit_test(test_bad_ports),
		cmocka_unit_test(test_own_tests),
		cmocka_unit_test(test_a_failing_test_names_its_line),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
