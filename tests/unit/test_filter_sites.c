/*
 * Routers, exits and plain nodes, random policies: nobody behind a router, and nobody else, starts
 * what the policy does not allow. Three judge each packet: a model that reads the rules as plainly
 * as can be, policy_explain, and the filters of both ends, as maps would give them their rules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "base/clock.h"
#include "proto/filter.h"
#include "proto/policy.h"
#include "proto/policy_explain.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NODES        5
#define PLACES       4 /* at a node: its two addresses, and hosts behind it */
#define ROUNDS       600
#define FLOWS        150
#define DAY_NS       (86400 * NS_PER_S)
#define OTHER_PORT   40000

/* What stands behind a node; the gateway's first is a mapped one, which is as any other here. */
static const struct {
	const char *name;
	const char *tag;
	const char *routes[3];
	const char *places[PLACES]; /* the first two are its own */
} world[NODES] = {
	{ "laptop", "people", { NULL }, { "100.64.0.1", "fd00::1" } },
	{ "gw1",
	  "gw",
	  { "10.77.1.0/24", "fd77::/64" },
	  { "100.64.0.2", "fd00::2", "10.77.1.5", "fd77::5" } },
	{ "gw2",
	  "gw",
	  { "10.20.0.0/16", "10.77.1.0/25" },
	  { "100.64.0.3", "fd00::3", "10.20.3.7", "10.20.9.9" } },
	{ "exit1",
	  "exit",
	  { "0.0.0.0/0", "::/0", "10.30.0.0/24" },
	  { "100.64.0.4", "fd00::4", "203.0.113.9", "2001:db8::9" } },
	{ "exit2",
	  "exit",
	  { "0.0.0.0/0" },
	  { "100.64.0.5", "fd00::5", "203.0.113.9", "10.30.0.1" } },
};

static const char *const selectors[] = { "*",
					 "laptop",
					 "gw1",
					 "tag:gw",
					 "tag:exit",
					 "10.77.1.0/24",
					 "10.77.1.4/30",
					 "fd77::/64",
					 "10.0.0.0/8",
					 "10.20.0.0/20",
					 "100.64.0.0/30",
					 "fd00::2",
					 "203.0.113.0/24",
					 "0.0.0.0/0",
					 "internet" };

#define SOURCES (COUNT(selectors) - 1)

static const struct {
	const char *text;
	uint8_t protos[2];
	uint16_t low;
	uint16_t high;
} ports[] = { { "*", { 0 }, 0, 65535 },
	      { "tcp/22", { IPPROTO_TCP, IPPROTO_TCP }, 22, 22 },
	      { "53", { IPPROTO_TCP, IPPROTO_UDP }, 53, 53 },
	      { "udp/1-100", { IPPROTO_UDP, IPPROTO_UDP }, 1, 100 } };

struct line {
	bool deny;
	size_t source;
	size_t destination;
	size_t port;
};

#define LINES_MAX 24

struct lines {
	size_t count;
	struct line line[LINES_MAX];
};

static struct policy_node nodes[NODES];
static struct prefix routes[NODES][3];
static struct filter_flows *flows[NODES];
static uint64_t now_ns = 1000 * NS_PER_S;
static uint64_t seed = 1;

static size_t pick(size_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(seed >> 33) % below;
}

/* --- the model --- */

static bool has_prefix(const char *text, const struct ip_addr *addr)
{
	struct prefix prefix;

	return prefix_parse(&prefix, text) == 0 && prefix_contains(&prefix, addr);
}

static bool is_behind(size_t node, const struct ip_addr *addr)
{
	for (size_t i = 0; i < COUNT(world[node].routes) && world[node].routes[i]; i++)
		if (routes[node][i].len > 0 && has_prefix(world[node].routes[i], addr))
			return true;
	return false;
}

static bool names_node(const char *selector, size_t node)
{
	return strcmp(selector, "*") == 0 || strcmp(selector, world[node].name) == 0 ||
	       (strncmp(selector, "tag:", 4) == 0 && strcmp(selector + 4, world[node].tag) == 0);
}

static bool is_own(size_t node, const struct ip_addr *addr)
{
	return addr_equal(addr, &nodes[node].address4) || addr_equal(addr, &nodes[node].address6);
}

static bool model_source(const struct line *line, size_t node, const struct ip_addr *src)
{
	const char *selector = selectors[line->source];

	if (!is_own(node, src))
		return is_behind(node, src) &&
		       (has_prefix(selector, src) || (line->deny && strcmp(selector, "*") == 0));
	return names_node(selector, node) || has_prefix(selector, &nodes[node].address4) ||
	       has_prefix(selector, &nodes[node].address6);
}

static bool model_port(const struct line *line, uint8_t proto, uint16_t port)
{
	return ports[line->port].protos[0] == 0 ||
	       ((proto == ports[line->port].protos[0] || proto == ports[line->port].protos[1]) &&
		ports[line->port].low <= port && port <= ports[line->port].high);
}

static bool is_exit(size_t node, uint8_t family)
{
	for (size_t i = 0; i < nodes[node].route_count; i++)
		if (routes[node][i].len == 0 && routes[node][i].addr.family == family)
			return true;
	return false;
}

static bool model_destination(const struct line *line, size_t node, const struct ip_addr *dst,
			      uint8_t proto, uint16_t port)
{
	const char *selector = selectors[line->destination];
	bool fits = model_port(line, proto, port);

	if (strcmp(selector, "internet") == 0) {
		if (is_own(node, dst))
			return (is_exit(node, AF_INET) || is_exit(node, AF_INET6)) && port == 53 &&
			       (fits || !line->deny);
		return fits && is_exit(node, dst->family) && !addr_is_private(dst);
	}
	if (strcmp(selector, "*") == 0)
		return fits && (line->deny || is_own(node, dst));
	return fits && (is_own(node, dst) ? names_node(selector, node) || has_prefix(selector, dst)
					  : (is_behind(node, dst) ||
					     (line->deny && is_exit(node, dst->family))) &&
						    has_prefix(selector, dst));
}

static bool model(const struct lines *lines, size_t from, size_t to,
		  const struct filter_tuple *tuple)
{
	bool allow = false;

	for (size_t i = 0; i < lines->count; i++) {
		const struct line *line = &lines->line[i];

		if (!model_source(line, from, &tuple->src) ||
		    !model_destination(line, to, &tuple->dst, tuple->proto, tuple->dst_port))
			continue;
		if (line->deny)
			return false;
		allow = true;
	}
	return allow;
}

/* --- the same as policy --- */

static struct policy *make_policy(struct lines *lines)
{
	char text[4096] = "{\"rules\":[";
	struct policy_error error;
	struct policy *policy;

	lines->count = 4 + pick(LINES_MAX - 3);
	for (size_t i = 0; i < lines->count; i++) {
		struct line *line = &lines->line[i];
		size_t len = strlen(text);

		*line = (struct line){ pick(8) == 0, pick(SOURCES), pick(COUNT(selectors)),
				       pick(COUNT(ports)) };
		snprintf(text + len, sizeof(text) - len, "{\"%s\":[\"%s\"],\"to\":[\"%s:%s\"]},",
			 line->deny ? "deny" : "allow", selectors[line->source],
			 selectors[line->destination], ports[line->port].text);
	}
	strcat(text, "]}");
	if (policy_parse(&policy, text, strlen(text), &error) < 0)
		fail_msg("line %d: %s in %s", error.line, error.text, text);
	return policy;
}

/* What the maps of all nodes say of each other. */
struct maps {
	struct filter_rules *rules[NODES][NODES]; /* from, to: for the filter of `to` */
	struct filter_rules *lan[NODES][NODES];   /* from, to: for that of `from` */
	uint32_t used[NODES][NODES];              /* routes of the second that the first uses */
};

static void make_pair(struct maps *maps, const struct policy *policy, size_t from, size_t to)
{
	const struct ip_addr own[] = { nodes[from].address4, nodes[from].address6 };
	struct policy_rules out = { .count = 0 };
	struct policy_rules in = { .count = 0 };
	struct policy_rules lan = { .count = 0 };

	assert_int_equal(policy_compile(policy, &nodes[from], &nodes[to], &out), 0);
	assert_int_equal(policy_compile(policy, &nodes[to], &nodes[from], &in), 0);
	assert_int_equal(policy_rules_lan(&out, &lan), 0);
	maps->rules[from][to] = filter_rules_new(out.rules, out.count, own);
	maps->lan[from][to] = lan.count ? filter_rules_new(lan.rules, lan.count, own) : NULL;
	maps->used[from][to] = policy_routes_used(&in, &out, &nodes[to]);
	policy_rules_clear(&out);
	policy_rules_clear(&in);
	policy_rules_clear(&lan);
}

static void make_maps(struct maps *maps, const struct policy *policy)
{
	memset(maps, 0, sizeof(*maps));
	for (size_t i = 0; i < NODES * NODES; i++)
		make_pair(maps, policy, i / NODES, i % NODES);
}

static void clear_maps(struct maps *maps)
{
	for (size_t i = 0; i < NODES * NODES; i++) {
		filter_rules_free(maps->rules[i / NODES][i % NODES]);
		filter_rules_free(maps->lan[i / NODES][i % NODES]);
	}
}

/* --- packets --- */

/* As it leaves `from`: what the host sends for itself is not asked about. */
static bool leaves(const struct maps *maps, size_t from, size_t to,
		   const struct filter_tuple *tuple)
{
	uint64_t carrier;

	now_ns++;
	if (!is_own(from, &tuple->src))
		return filter_pass_outbound(flows[from], maps->lan[from][to], tuple, false, now_ns,
					    &carrier);
	filter_note_outbound(flows[from], tuple, now_ns);
	return true;
}

static bool arrives(const struct maps *maps, size_t from, size_t to,
		    const struct filter_tuple *tuple)
{
	return filter_pass_inbound(flows[to], maps->rules[from][to], tuple, false, ++now_ns);
}

static struct filter_tuple turned(const struct filter_tuple *tuple)
{
	struct filter_tuple answer = *tuple;

	answer.src = tuple->dst;
	answer.dst = tuple->src;
	answer.src_port = tuple->dst_port;
	answer.dst_port = tuple->src_port;
	answer.tcp_open = false;
	return answer;
}

static bool make_flow(struct filter_tuple *tuple, size_t *from, size_t *to)
{
	static const uint16_t numbers[] = { 22, 53, 80, 101 };
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };
	const char *src, *dst;

	*from = pick(NODES);
	*to = pick(NODES);
	src = world[*from].places[pick(PLACES)];
	dst = world[*to].places[pick(PLACES)];
	memset(tuple, 0, sizeof(*tuple));
	if (*from == *to || !src || !dst)
		return false;
	addr_parse(&tuple->src, src);
	addr_parse(&tuple->dst, dst);
	tuple->proto = protos[pick(2)];
	tuple->src_port = OTHER_PORT;
	tuple->dst_port = numbers[pick(4)];
	tuple->tcp_open = tuple->proto == IPPROTO_TCP;
	return tuple->src.family == tuple->dst.family;
}

/* All who judge say the same of who starts it. */
static bool judge(const struct policy *policy, const struct lines *lines, const struct maps *maps,
		  size_t from, size_t to, const struct filter_tuple *tuple)
{
	bool allowed = model(lines, from, to, tuple);
	struct policy_verdict verdict;

	assert_int_equal(policy_explain(policy, &nodes[from], &nodes[to], tuple, &verdict), 0);
	assert_int_equal(verdict.allowed, allowed);
	assert_int_equal(arrives(maps, from, to, tuple), allowed);
	if (!is_own(from, &tuple->src))
		assert_int_equal(leaves(maps, from, to, tuple), allowed);
	for (size_t i = 0; allowed && i < nodes[to].route_count; i++)
		if (routes[to][i].len > 0 && prefix_contains(&routes[to][i], &tuple->dst))
			assert_true(maps->used[from][to] & 1u << i);
	for (size_t i = 0; allowed && i < nodes[from].route_count; i++)
		if (routes[from][i].len > 0 && prefix_contains(&routes[from][i], &tuple->src))
			assert_true(maps->used[to][from] & 1u << i);
	now_ns += DAY_NS;
	return allowed;
}

struct game {
	struct lines lines[2];
	struct policy *policy[2];
	struct maps maps[2];
};

/* One flow from its start, through a change of the policy. */
static void play(const struct game *game, size_t from, size_t to, const struct filter_tuple *asks)
{
	struct filter_tuple answers = turned(asks);
	struct filter_tuple goes_on = *asks;
	struct filter_tuple begins = answers;
	const struct maps *maps = &game->maps[0];
	const struct maps *later = &game->maps[1];
	bool was = judge(game->policy[0], &game->lines[0], maps, from, to, asks);
	bool is = judge(game->policy[1], &game->lines[1], later, from, to, asks);
	bool back = model(&game->lines[0], to, from, &answers);
	bool back_later = model(&game->lines[1], to, from, &answers);

	goes_on.tcp_open = false;
	begins.tcp_open = begins.proto == IPPROTO_TCP;
	/* Nothing comes of what was not asked for, but what may start from there. */
	if (!is_own(to, &answers.src))
		assert_int_equal(leaves(maps, to, from, &answers), back);
	assert_int_equal(arrives(maps, to, from, &answers), back);
	now_ns += DAY_NS;
	if (!leaves(maps, from, to, asks) || !arrives(maps, from, to, asks)) {
		assert_false(was);
		now_ns += DAY_NS;
		return;
	}
	assert_true(was);
	assert_true(leaves(maps, to, from, &answers));
	assert_true(arrives(maps, to, from, &answers));
	assert_true(leaves(maps, from, to, &goes_on) && arrives(maps, from, to, &goes_on));
	/* With the same ports the other side begins what it may. */
	if (begins.tcp_open && !is_own(to, &begins.src))
		assert_int_equal(leaves(maps, to, from, &begins), back);
	now_ns += DAY_NS;
	/* Changed policies cut at both ends, and the answers then too. */
	assert_true(leaves(maps, from, to, asks) && arrives(maps, from, to, asks));
	if (!is_own(from, &asks->src))
		assert_int_equal(leaves(later, from, to, &goes_on), is);
	assert_int_equal(arrives(later, from, to, &goes_on), is);
	if (!is_own(to, &answers.src))
		assert_int_equal(leaves(later, to, from, &answers), is || back_later);
	now_ns += DAY_NS;
}

static void test_sites(void **state)
{
	static struct game game;
	size_t allowed = 0;

	(void)state;
	for (size_t round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < 2; i++) {
			game.policy[i] = make_policy(&game.lines[i]);
			make_maps(&game.maps[i], game.policy[i]);
		}
		for (size_t i = 0; i < FLOWS; i++) {
			struct filter_tuple asks;
			size_t from, to;

			if (!make_flow(&asks, &from, &to))
				continue;
			allowed += model(&game.lines[0], from, to, &asks);
			play(&game, from, to, &asks);
		}
		for (size_t i = 0; i < 2; i++) {
			clear_maps(&game.maps[i]);
			policy_free(game.policy[i]);
		}
	}
	assert_true(allowed > ROUNDS * 2);
}

/* Fragments of what came from behind a router follow their first one, each way for itself. */
static void test_fragments(void **state)
{
	static const char text[] = "{\"rules\":[{\"allow\":[\"10.77.1.0/24\"],\"to\":["
				   "\"laptop:udp/53\"]}]}";
	struct policy_error error;
	struct policy *policy;
	struct filter_tuple first, rest;
	static struct maps maps;

	(void)state;
	assert_int_equal(policy_parse(&policy, text, strlen(text), &error), 0);
	make_maps(&maps, policy);
	memset(&first, 0, sizeof(first));
	addr_parse(&first.src, "10.77.1.5");
	addr_parse(&first.dst, "100.64.0.1");
	first.proto = IPPROTO_UDP;
	first.dst_port = 53;
	first.more_fragments = true;
	first.fragment_id = 7;
	rest = first;
	rest.more_fragments = false;
	rest.dst_port = 0;
	rest.fragment = true;
	assert_false(leaves(&maps, 1, 0, &rest));
	assert_false(arrives(&maps, 1, 0, &rest));
	assert_true(leaves(&maps, 1, 0, &first) && leaves(&maps, 1, 0, &rest));
	assert_true(arrives(&maps, 1, 0, &first) && arrives(&maps, 1, 0, &rest));
	rest.fragment_id++;
	assert_false(leaves(&maps, 1, 0, &rest));
	/* What they send us in pieces lets nothing out. */
	rest.fragment_id = 9;
	first.fragment_id = 9;
	assert_false(filter_pass_inbound(flows[1], maps.rules[0][1], &first, false, ++now_ns));
	assert_false(leaves(&maps, 1, 0, &rest));
	clear_maps(&maps);
	policy_free(policy);
}

static int begin(void **state)
{
	static const uint8_t secret[16] = { 9 };

	(void)state;
	for (size_t i = 0; i < NODES; i++) {
		flows[i] = filter_flows_new(secret);
		nodes[i] = (struct policy_node){ .name = world[i].name,
						 .tags = &world[i].tag,
						 .tag_count = 1,
						 .routes = routes[i] };
		addr_parse(&nodes[i].address4, world[i].places[0]);
		addr_parse(&nodes[i].address6, world[i].places[1]);
		for (size_t j = 0; j < COUNT(world[i].routes) && world[i].routes[j]; j++)
			assert_int_equal(prefix_parse(&routes[i][nodes[i].route_count++],
						      world[i].routes[j]),
					 0);
		if (!flows[i])
			return -1;
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (size_t i = 0; i < NODES; i++)
		filter_flows_free(flows[i]);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sites, begin, end),
		cmocka_unit_test_setup_teardown(test_fragments, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
