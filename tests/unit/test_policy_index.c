/*
 * What the index says of many nodes is what the rules say of each pair: random policies, asked in
 * three ways that share little: as written, compiled for one pair, and by classes.
 */
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
#include "proto/policy_index.h"

#define NODES    14
#define POLICIES 60
#define FLOWS    120 /* of each pair */
#define TEXT_MAX 8192

static struct policy_node nodes[NODES];
static struct policy_member members[NODES];
static char names[NODES][8];
static const char *labels[NODES][3];
#define ROUTES 3
static struct prefix routes[NODES][ROUTES];
static uint64_t seed;

static unsigned int pick(unsigned int below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned int)(seed >> 33) % below;
}

static const char *const groups[] = { "ga", "gb", "gc" };
static const char *const tags[] = { "ta", "tb", "tc" };

static void make_node(unsigned int i)
{
	char text[32];

	snprintf(names[i], sizeof(names[i]), "n%u", i);
	labels[i][0] = groups[pick(3)];
	labels[i][1] = tags[pick(3)];
	labels[i][2] = tags[pick(3)];
	nodes[i] = (struct policy_node){ .name = names[i],
					 .groups = &labels[i][0],
					 .tags = &labels[i][1],
					 .group_count = pick(2),
					 .tag_count = pick(3) };
	if (pick(5) == 0)
		nodes[i].owner = "alice";
	nodes[i].address4 = addr_from_v4(0x64400001 + i);
	if (pick(4)) {
		snprintf(text, sizeof(text), "fd00::%x", i + 1);
		addr_parse(&nodes[i].address6, text);
	}
	nodes[i].routes = routes[i];
	while (pick(4) == 0 && nodes[i].route_count < ROUTES) {
		static const char *const wide[] = { "10.20.0.0/16", "fd20::/64", "0.0.0.0/0",
						    "::/0", "203.0.113.0/24" };

		snprintf(text, sizeof(text), "10.20.%u.0/24", pick(3));
		prefix_parse(&routes[i][nodes[i].route_count++], pick(2) ? text : wide[pick(5)]);
	}
}

static const char *make_selector(char out[static 32], bool source)
{
	static const char *const others[] = { "*",
					      "user:alice",
					      "lan",
					      "10.20.0.0/16",
					      "10.20.1.0/25",
					      "100.64.0.0/29",
					      "fd00::/125",
					      "group:filed",
					      "fd20::/56",
					      "0.0.0.0/0",
					      "203.0.113.0/26",
					      "internet",
					      "internet" };

	switch (pick(4)) {
	case 0:
		snprintf(out, 32, "n%u", pick(NODES));
		break;
	case 1:
		snprintf(out, 32, "group:%s", groups[pick(3)]);
		break;
	case 2:
		snprintf(out, 32, "tag:%s", tags[pick(3)]);
		break;
	default:
		snprintf(out, 32, "%s", others[pick(source ? 11 : 13)]);
	}
	return out;
}

static struct policy *make_policy(void)
{
	static const char *const ports[] = { "*",     "tcp/22", "22,80-90",  "icmp",
					     "udp/*", "gre",    "tcp/81-85", "53" };
	static char text[TEXT_MAX];
	struct policy_error error;
	struct policy *policy;
	char who[32];
	size_t len = (size_t)snprintf(text, sizeof(text),
				      "{\"groups\":{\"filed\":[\"n1\",\"n3\",\"user:alice\"]},"
				      "\"hosts\":{\"lan\":[\"10.20.2.0/24\",\"100.64.0.3\"]},"
				      "\"rules\":[");
	unsigned int rules = 1 + pick(12);

	for (unsigned int i = 0; i < rules; i++) {
		len += (size_t)snprintf(text + len, sizeof(text) - len, "{\"%s\":[\"%s\"",
					pick(4) ? "allow" : "deny", make_selector(who, true));
		if (pick(2))
			len += (size_t)snprintf(text + len, sizeof(text) - len, ",\"%s\"",
						make_selector(who, true));
		len += (size_t)snprintf(text + len, sizeof(text) - len, "],\"to\":[");
		for (unsigned int j = 0, count = 1 + pick(3); j < count; j++)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\"%s:%s\"",
						j ? "," : "", make_selector(who, false),
						ports[pick(8)]);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "]},\n");
	}
	snprintf(text + len, sizeof(text) - len, "]}");
	if (policy_parse(&policy, text, strlen(text), &error) < 0)
		fail_msg("line %d: %s in %s", error.line, error.text, text);
	return policy;
}

/* The grant that the row has from one node towards another. */
static const struct policy_grant *find(struct policy_index *index, unsigned int from,
				       unsigned int to, bool from_row)
{
	const struct policy_reach *row;
	size_t count;

	assert_int_equal(policy_index_row(index, &members[from_row ? from : to], &row, &count), 0);
	for (size_t i = 0; i < count; i++)
		if (row[i].class == members[from_row ? to : from].class)
			return from_row ? row[i].out : row[i].in;
	return NULL;
}

static void compare_flows(const struct policy *policy, unsigned int from, unsigned int to,
			  const struct policy_rules *rules)
{
	/* Of no family: its own. */
	static const char *const places[] = { "10.20.0.9",
					      "10.20.1.9",
					      "10.20.2.200",
					      "172.16.0.1",
					      "203.0.113.9",
					      "203.0.113.99",
					      "9.9.9.9",
					      "2001:db8::1",
					      "fd20::7",
					      "100.64.0.99",
					      "" };
	static const uint8_t protos[] = { 6, 17, 1, 58, 47 };
	static const uint16_t ports[] = { 22, 53, 83, 90, 91, 0 };
	const struct ip_addr own[] = { nodes[from].address4, nodes[from].address6 };
	struct filter_rules *filter = filter_rules_new(rules->rules, rules->count, own);

	for (unsigned int i = 0; i < FLOWS; i++) {
		struct filter_tuple tuple = { .proto = protos[pick(5)],
					      .dst_port = ports[pick(6)] };
		struct policy_verdict verdict;
		unsigned int dst = pick(13);
		unsigned int src = pick(13);

		tuple.dst = dst == 11 ? nodes[to].address4 : nodes[to].address6;
		tuple.src = src == 11 ? nodes[from].address4 : nodes[from].address6;
		if (dst < 11)
			addr_parse(&tuple.dst, places[dst]);
		if (src < 11)
			addr_parse(&tuple.src, places[src]);
		if (!tuple.dst.family || tuple.src.family != tuple.dst.family)
			continue;
		assert_int_equal(policy_explain(policy, &nodes[from], &nodes[to], &tuple, &verdict),
				 0);
		if (verdict.allowed != filter_rules_match(filter, &tuple))
			fail_msg("%s (%u) to %s (%u), proto %u port %u: explained %d by line %d",
				 nodes[from].name, src, nodes[to].name, dst, tuple.proto,
				 tuple.dst_port, verdict.allowed, verdict.line);
	}
	filter_rules_free(filter);
}

static void compare_pair(const struct policy *policy, struct policy_index *index, unsigned int from,
			 unsigned int to)
{
	const struct policy_grant *grant = find(index, from, to, true);
	struct policy_rules alone = { .count = 0 };
	struct policy_rules placed = { .count = 0 };

	assert_ptr_equal(grant, find(index, from, to, false));
	assert_int_equal(policy_compile(policy, &nodes[from], &nodes[to], &alone), 0);
	if (grant)
		assert_int_equal(policy_grant_rules(grant, &nodes[to], &placed), 0);
	assert_int_equal(alone.count, placed.count);
	for (size_t i = 0; i < alone.count; i++) {
		assert_true(prefix_equal(&alone.rules[i].src, &placed.rules[i].src));
		assert_true(prefix_equal(&alone.rules[i].dst, &placed.rules[i].dst));
		assert_int_equal(alone.rules[i].proto, placed.rules[i].proto);
		assert_int_equal(alone.rules[i].port_low, placed.rules[i].port_low);
		assert_int_equal(alone.rules[i].port_high, placed.rules[i].port_high);
		assert_int_equal(alone.rules[i].deny, placed.rules[i].deny);
	}
	compare_flows(policy, from, to, &alone);
	policy_rules_clear(&alone);
	policy_rules_clear(&placed);
}

static void compare_all(const struct policy *policy, struct policy_index *index)
{
	for (unsigned int i = 0; i < NODES * NODES; i++)
		if (i / NODES != i % NODES)
			compare_pair(policy, index, i / NODES, i % NODES);
}

static void test_three_ways_agree(void **state)
{
	(void)state;
	for (unsigned int round = 0; round < POLICIES; round++) {
		struct policy *policy;
		struct policy_index *index;

		seed = round + 1;
		for (unsigned int i = 0; i < NODES; i++)
			make_node(i);
		policy = make_policy();
		assert_int_equal(policy_index_new(&index, policy), 0);
		memset(members, 0, sizeof(members));
		for (unsigned int i = 0; i < NODES; i++)
			assert_int_equal(policy_index_put(index, &members[i], &nodes[i]), 0);
		compare_all(policy, index);
		/* Changes: other labels, other addresses. */
		for (unsigned int i = 0; i < 4; i++) {
			unsigned int changed = pick(NODES);

			make_node(changed);
			assert_int_equal(policy_index_put(index, &members[changed],
							  &nodes[changed]),
					 0);
		}
		compare_all(policy, index);
		policy_index_free(index);
		policy_free(policy);
	}
}

static void test_members_come_and_go(void **state)
{
	static const char text[] =
		"{\"rules\":[{\"allow\":[\"group:ga\"],\"to\":[\"group:ga:22\"]}]}";
	struct policy_error error;
	struct policy_index *index;
	struct policy *policy;
	const struct policy_reach *row;
	size_t count;

	(void)state;
	seed = 1;
	for (unsigned int i = 0; i < NODES; i++) {
		make_node(i);
		nodes[i].groups = groups;
		nodes[i].group_count = 1;
		nodes[i].tag_count = nodes[i].route_count = 0;
		nodes[i].owner = NULL;
		addr_parse(&nodes[i].address6, "fd00::1");
	}
	assert_int_equal(policy_parse(&policy, text, strlen(text), &error), 0);
	assert_int_equal(policy_index_new(&index, policy), 0);
	memset(members, 0, sizeof(members));
	for (unsigned int i = 0; i < NODES; i++) {
		members[i].owner = &nodes[i];
		assert_int_equal(policy_index_put(index, &members[i], &nodes[i]), 0);
	}
	assert_int_equal(policy_index_classes(index), 1);
	assert_int_equal(policy_index_row(index, &members[3], &row, &count), 0);
	assert_int_equal(count, 1);
	assert_ptr_equal(row[0].in, row[0].out);
	for (unsigned int i = 0; i < NODES - 1; i++) {
		policy_index_remove(index, &members[i]);
		policy_index_remove(index, &members[i]);
	}
	assert_int_equal(policy_index_grants(index), 1);
	assert_ptr_equal(policy_index_members(index, 0, &count)[0]->owner, &nodes[NODES - 1]);
	assert_int_equal(count, 1);
	policy_index_free(index);
	policy_free(policy);
	policy_index_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three_ways_agree),
		cmocka_unit_test(test_members_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
