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
#include "proto/policy_explain.h"

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
	compiled = filter_rules_new(rules.rules, rules.count, NULL);
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

static void test_approvals(void **state)
{
	static const struct {
		const char *text;
		const char *why;
	} bad[] = {
		{ "{\"approve\":{}}", "approve wants a list" },
		{ "{\"approve\":[{\"nodes\":[\"gw\"]}]}", "an approval wants" },
		{ "{\"approve\":[{\"nodes\":[],\"exit\":true}]}", "an approval wants" },
		{ "{\"approve\":[{\"nodes\":[\"10.0.0.1\"],\"exit\":true}]}",
		  "cannot be approved" },
		{ "{\"approve\":[{\"nodes\":[\"internet\"],\"exit\":true}]}",
		  "cannot be approved" },
		{ "{\"approve\":[{\"nodes\":[\"gw\"],\"routes\":[\"10.0.0.1/8\"]}]}",
		  "is no prefix without host bits" },
		{ "{\"approve\":[{\"nodes\":[\"gw\"],\"routes\":[\"0.0.0.0/0\"]}]}",
		  "to approve an exit" },
		{ "{\"approve\":[{\"nodes\":[\"gw\"],\"exits\":true,\"exit\":true}]}",
		  "unknown member" },
		{ "{\"hosts\":{\"internet\":\"10.0.0.1\"}}", "give the host another name" },
		{ "{\"rules\":[{\"allow\":[\"internet\"],\"to\":[\"*:*\"]}]}", "is no source" },
	};
	struct policy *policy = parse("{\"approve\":["
				      "{\"nodes\":[\"tag:db\"],\"routes\":[\"10.0.0.0/8\"]},"
				      "{\"nodes\":[\"phone\"],\"exit\":true}]}");
	struct policy_error error;
	struct policy *none;
	struct prefix prefix;

	(void)state;
	prefix_parse(&prefix, "10.20.0.0/16");
	assert_true(policy_approves(policy, &db, &prefix));
	assert_false(policy_approves(policy, &phone, &prefix));
	prefix_parse(&prefix, "8.0.0.0/5");
	assert_false(policy_approves(policy, &db, &prefix));
	prefix_parse(&prefix, "::/0");
	assert_false(policy_approves(policy, &db, &prefix));
	assert_true(policy_approves(policy, &phone, &prefix));
	policy_free(policy);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(policy_parse(&none, bad[i].text, strlen(bad[i].text), &error),
				 -EINVAL);
		if (!strstr(error.text, bad[i].why))
			fail_msg("%s: %s", bad[i].text, error.text);
	}
}

/* Tests name hosts behind routers, which need not be there yet, and the internet. */
static void test_checks_of_sites(void **state)
{
	static const char text[] =
		"{\"rules\":[{\"allow\":[\"10.20.1.0/24\"],\"to\":[\"db1:tcp/5432\"]},"
		"{\"allow\":[\"*\"],\"to\":[\"*:icmp\",\"internet:tcp/443\"]},"
		"{\"deny\":[\"*\"],\"to\":[\"10.20.9.9:*\"]}],\"tests\":["
		"{\"from\":\"10.20.1.7\",\"to\":\"db1\",\"port\":5432,\"expect\":\"allow\"},"
		"{\"from\":\"10.20.2.7\",\"to\":\"db1\",\"port\":5432,\"expect\":\"deny\"},"
		"{\"from\":\"10.20.2.7\",\"to\":\"db1\",\"proto\":\"icmp\",\"expect\":\"deny\"},"
		"{\"from\":\"laptop\",\"to\":\"internet\",\"port\":443,\"expect\":\"allow\"},"
		"{\"from\":\"laptop\",\"to\":\"internet\",\"port\":80,\"expect\":\"deny\"},"
		"{\"from\":\"laptop\",\"to\":\"10.20.1.7\",\"proto\":\"icmp\",\"expect\":\"deny\"}]}";
	struct policy *policy = parse(text);
	struct policy_node list[] = { laptop, phone, db, guest };
	struct policy_error error;
	struct prefix routes[2];

	(void)state;
	if (policy_check(policy, list, 4, &error) < 0)
		fail_msg("line %d: %s", error.line, error.text);
	prefix_parse(&routes[0], "10.20.0.0/16");
	prefix_parse(&routes[1], "0.0.0.0/0");
	list[1].routes = routes;
	list[1].route_count = 2;
	if (policy_check(policy, list, 4, &error) < 0)
		fail_msg("line %d: %s", error.line, error.text);
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
	static const char *const ports[] = { "",          "tcp",         "tcp/",      "tcp/x",
					     "65536",     "9-1",         "1-",        "1,",
					     ",1",        "tcp/1-2-3",   "gre/1",     "-1",
					     "tcp/65536", "**",          " 1",        "sctp",
					     "udp",       "proto/0",     "proto/256", "proto/",
					     "proto/6/1", "proto/47-50", "icmp/8",    "xyz" };

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

static void test_comments_and_commas(void **state)
{
	struct policy *policy = parse("// who may what\n"
				      "{\"rules\": [ # all of them\n"
				      "  /* the /* first\n\n */ {\"allow\":[\"laptop\",],"
				      "\"to\":[\"db1:tcp/22\", /**/],},\n"
				      "  // \"quoted\", [ {\n"
				      "], /* , */ }\n# end");

	(void)state;
	assert_true(may(policy, &laptop, &db, NULL, TCP, 22));
	assert_false(may(policy, &laptop, &db, NULL, TCP, 23));
	policy_free(policy);
	/* In strings they are none. */
	assert_fails("{\"rules\":[{\"allow\":[\"a//b\"],\"to\":[\"a:1\"]}]}", 1, "a//b");
	/* Lines stay what they are. */
	assert_fails("/*\n\n*/{\n// x\n\"rules\":[# y\n\n{\"allow\":[\"A B\"],"
		     "\"to\":[\"a:1\"]}]}",
		     7, "A B");
	assert_fails("{\n/* never ends\n}", 2, "JSON");
	assert_fails("{\"rules\":[,]}", 1, "JSON");
	assert_fails("{\"rules\":[1,,]}", 1, "JSON");
	assert_fails("{\"rules\":[] / }", 1, "JSON");
}

static void test_hosts(void **state)
{
	struct policy *policy =
		parse("{\"hosts\":{\"nas\":\"10.20.0.5\",\"both\":[\"10.20.0.6\",\"10.20.0.7/32\"],"
		      "\"me\":\"100.64.0.1\"},"
		      "\"rules\":[{\"allow\":[\"me\"],\"to\":[\"nas:tcp/443\",\"both:udp/53\"]},"
		      "{\"allow\":[\"fd00::2/128\"],\"to\":[\"nas:22\"]}],"
		      "\"tests\":[{\"from\":\"me\",\"to\":\"both\",\"proto\":\"udp\",\"port\":53,"
		      "\"expect\":\"allow\"}]}");
	struct policy_error error;

	(void)state;
	assert_true(may(policy, &laptop, &gw, "10.20.0.5", TCP, 443));
	assert_false(may(policy, &laptop, &gw, "10.20.0.5", UDP, 53));
	assert_true(may(policy, &laptop, &gw, "10.20.0.7", UDP, 53));
	assert_false(may(policy, &laptop, &gw, "10.20.0.8", UDP, 53));
	assert_true(may(policy, &phone, &gw, "10.20.0.5", TCP, 22));
	assert_false(may(policy, &db, &gw, "10.20.0.5", TCP, 22));
	/* What a router carries for others does not make it one of them. */
	assert_int_equal(policy_check(policy, NULL, 0, &error), 0);
	policy_free(policy);
	assert_fails("{\"hosts\":\n{\"nas\":\n\"10.20.0.5/24\"}}", 3, "10.20.0.5/24");
	assert_fails("{\"hosts\":{\"nas\":[]}}", 1, "nas");
	assert_fails("{\"hosts\":{\"N A\":\"10.0.0.1\"}}", 1, "N A");
}

static void test_users(void **state)
{
	struct policy *policy =
		parse("{\"groups\":{\"ops\":[\"user:bob@example.com\",\"db1\"]},"
		      "\"rules\":[{\"allow\":[\"user:alice@example.com\"],\"to\":[\"db1:22\"]},"
		      "{\"allow\":[\"group:ops\"],\"to\":[\"user:alice@example.com:tcp/80\"]}]}");
	struct policy_node alices = laptop;
	struct policy_node bobs = phone;

	(void)state;
	assert_false(may(policy, &alices, &db, NULL, TCP, 22));
	alices.owner = "alice@example.com";
	bobs.owner = "bob@example.com";
	assert_true(may(policy, &alices, &db, NULL, TCP, 22));
	assert_false(may(policy, &bobs, &db, NULL, TCP, 22));
	assert_true(may(policy, &bobs, &alices, NULL, TCP, 80));
	assert_true(may(policy, &db, &alices, NULL, TCP, 80));
	assert_false(may(policy, &guest, &alices, NULL, TCP, 80));
	policy_free(policy);
	assert_fails("{\"groups\":{\"ops\":[\"user:\"]}}", 1, "user:");
}

static void test_protocols_by_number(void **state)
{
	struct policy *policy = parse(
		"{\"rules\":[{\"allow\":[\"laptop\"],\"to\":[\"db1:gre\",\"db1:proto/89\","
		"\"db1:sctp/5000-5001\",\"db1:proto/33\"]},"
		"{\"deny\":[\"laptop\"],\"to\":[\"db1:dccp/7\"]}],"
		"\"tests\":[{\"from\":\"laptop\",\"to\":\"db1\",\"proto\":\"gre\",\"expect\":\"allow\"},"
		"{\"from\":\"laptop\",\"to\":\"db1\",\"proto\":\"proto/50\",\"expect\":\"deny\"},"
		"{\"from\":\"laptop\",\"to\":\"db1\",\"proto\":89,\"expect\":\"allow\"},"
		"{\"from\":\"laptop\",\"to\":\"db1\",\"proto\":\"sctp\",\"port\":5001,"
		"\"expect\":\"allow\"}]}");
	struct policy_error error;

	(void)state;
	assert_true(may(policy, &laptop, &db, NULL, 47, 0));
	assert_true(may(policy, &laptop, &db, "fd00::3", 47, 0));
	assert_false(may(policy, &laptop, &db, NULL, 50, 0));
	assert_true(may(policy, &laptop, &db, NULL, 89, 0));
	assert_true(may(policy, &laptop, &db, NULL, 132, 5000));
	assert_false(may(policy, &laptop, &db, NULL, 132, 5002));
	assert_true(may(policy, &laptop, &db, NULL, 33, 6));
	assert_false(may(policy, &laptop, &db, NULL, 33, 7));
	assert_int_equal(policy_check(policy, NULL, 0, &error), 0);
	policy_free(policy);
	assert_fails(
		"{\"tests\":[{\"from\":\"a\",\"to\":\"b\",\"proto\":256,\"expect\":\"deny\"}]}", 1,
		"proto");
	assert_fails("{\"tests\":[{\"from\":\"a\",\"to\":\"b\",\"proto\":[],\"expect\":\"deny\"}]}",
		     1, "proto");
}

static void assert_decides(const struct policy *policy, const struct policy_node *from,
			   const struct policy_node *to, uint16_t port, bool allowed, int line,
			   const char *part)
{
	struct filter_tuple tuple = { .dst = to->address4, .proto = TCP, .dst_port = port };
	struct policy_verdict verdict;

	assert_int_equal(policy_explain(policy, from, to, &tuple, &verdict), 0);
	assert_int_equal(verdict.allowed, allowed);
	assert_int_equal(verdict.line, line);
	assert_non_null(strstr(verdict.text, part));
}

static void test_explains(void **state)
{
	struct policy *policy = parse("{\"rules\":[\n"
				      "// nobody\n"
				      "{\"allow\":[\"group:trusted\"],\n   \"to\":[\"*:22\"]},\n"
				      "{\"allow\":[\"laptop\"],\"to\":[\"*:22\"]},\n"
				      "{\"deny\":[\"laptop\"],\"to\":[\"tag:db:tcp/22\"]}]}");

	(void)state;
	assert_decides(policy, &laptop, &phone, 22, true, 3,
		       "{\"allow\":[\"group:trusted\"], \"to\":[\"*:22\"]}");
	assert_decides(policy, &laptop, &db, 22, false, 6, "deny");
	assert_decides(policy, &phone, &db, 22, true, 3, "group:trusted");
	assert_decides(policy, &phone, &db, 23, false, 0, "");
	assert_decides(policy, &guest, &db, 22, false, 0, "");
	policy_free(policy);
}

/* More than fits is cut, not in the middle of a character, and says so. */
static void test_explains_a_long_rule(void **state)
{
	char text[2048] = "{\"rules\":[{\"allow\":[\"laptop\"";
	struct policy *policy;
	struct filter_tuple tuple = { .dst = db.address4, .proto = TCP, .dst_port = 1 };
	struct policy_verdict verdict;

	(void)state;
	for (unsigned int i = 0; i < 60; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), ",\"machine%u\"", i);
	strcat(text, "],\"to\":[\"*:*\"]}]}");
	policy = parse(text);
	assert_int_equal(policy_explain(policy, &laptop, &db, &tuple, &verdict), 0);
	assert_true(verdict.allowed);
	assert_true(strlen(verdict.text) > POLICY_RULE_TEXT_SIZE - 10);
	assert_string_equal(verdict.text + strlen(verdict.text) - 3, "...");
	policy_free(policy);
}

/* What is no test of one node with itself. */
static void test_a_group_of_one(void **state)
{
	struct policy *policy = parse(
		"{\"rules\":[],\"tests\":[{\"from\":\"group:trusted\",\"to\":\"group:trusted\","
		"\"port\":1,\"expect\":\"allow\"}]}");
	struct policy_node nodes[] = { laptop };
	struct policy_error error;

	(void)state;
	assert_int_equal(policy_check(policy, nodes, 1, &error), -EPERM);
	policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_starter),
		cmocka_unit_test(test_nothing_is_allowed_by_default),
		cmocka_unit_test(test_ports_and_protocols),
		cmocka_unit_test(test_deny_wins),
		cmocka_unit_test(test_routed_prefixes),
		cmocka_unit_test(test_approvals),
		cmocka_unit_test(test_checks_of_sites),
		cmocka_unit_test(test_errors_name_the_line),
		cmocka_unit_test(test_bad_ports),
		cmocka_unit_test(test_own_tests),
		cmocka_unit_test(test_a_failing_test_names_its_line),
		cmocka_unit_test(test_comments_and_commas),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_protocols_by_number),
		cmocka_unit_test(test_explains),
		cmocka_unit_test(test_explains_a_long_rule),
		cmocka_unit_test(test_a_group_of_one),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
