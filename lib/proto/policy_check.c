/* A policy's own tests. */
#include <errno.h>
#include <stdio.h>

#include "proto/filter_tuple.h"
#include "proto/policy_model.h"

/* A test is tried with this many nodes of each side at most. */
#define TEST_NODES_MAX 64

/* A node that is only what the selector says, for tests about nodes that do not exist yet. */
struct stand_in {
	struct policy_node node;
	const char *label;
};

static void make_stand_in(struct stand_in *s, const struct selector *selector, const char *addr)
{
	*s = (struct stand_in){ .node = { .name = "" }, .label = selector->name };
	addr_parse(&s->node.address4, addr);
	switch (selector->kind) {
	case SELECT_NAME:
		s->node.name = selector->name;
		break;
	case SELECT_GROUP:
		s->node.groups = &s->label;
		s->node.group_count = 1;
		break;
	case SELECT_TAG:
		s->node.tags = &s->label;
		s->node.tag_count = 1;
		break;
	case SELECT_PREFIX:
		s->node.routes = &selector->prefix;
		s->node.route_count = 1;
		break;
	case SELECT_ANY:
		break;
	}
}

/* The nodes that a side of a test is about; the stand-in when there is none. */
static size_t choose(const struct policy *policy, const struct selector *selector,
		     const struct policy_node *nodes, size_t count, const struct stand_in *s,
		     const struct policy_node *chosen[static TEST_NODES_MAX])
{
	size_t found = 0;

	for (size_t i = 0; i < count && found < TEST_NODES_MAX; i++)
		if (selector_matches(selector, policy, &nodes[i]))
			chosen[found++] = &nodes[i];
	if (found == 0)
		chosen[found++] = &s->node;
	return found;
}

/* 1, 0 or -ENOMEM. */
static int verdict(const struct policy *policy, const struct policy_test *test,
		   const struct policy_node *from, const struct policy_node *to)
{
	struct filter_tuple tuple = { .src = from->address4,
				      .dst = to->address4,
				      .proto = test->proto,
				      .dst_port = test->port };
	struct policy_rules rules = { .count = 0 };
	struct filter_rules *compiled;
	int result;

	if (!tuple.dst.family)
		tuple.dst = to->address6;
	if (test->to.kind == SELECT_PREFIX)
		tuple.dst = test->to.prefix.addr;
	result = policy_compile(policy, from, to, &rules);
	if (result == 0) {
		compiled = filter_rules_new(rules.rules, rules.count);
		result = compiled ? filter_rules_match(compiled, &tuple) : -ENOMEM;
		filter_rules_free(compiled);
	}
	policy_rules_clear(&rules);
	return result;
}

static const char *node_label(const struct policy_node *node, const struct selector *selector)
{
	return node->name[0] ? node->name : selector->name[0] ? selector->name : "any node";
}

static int run_test(const struct policy *policy, const struct policy_test *test,
		    const struct policy_node *nodes, size_t count, struct policy_error *error)
{
	const struct policy_node *from[TEST_NODES_MAX];
	const struct policy_node *to[TEST_NODES_MAX];
	struct stand_in from_alone;
	struct stand_in to_alone;
	size_t from_count;
	size_t to_count;

	make_stand_in(&from_alone, &test->from, "192.0.2.1");
	make_stand_in(&to_alone, &test->to, "192.0.2.2");
	from_count = choose(policy, &test->from, nodes, count, &from_alone, from);
	to_count = choose(policy, &test->to, nodes, count, &to_alone, to);
	for (size_t i = 0; i < from_count * to_count; i++) {
		const struct policy_node *a = from[i / to_count];
		const struct policy_node *b = to[i % to_count];
		int allowed = a == b ? test->allow : verdict(policy, test, a, b);

		if (allowed < 0)
			return allowed;
		if (allowed == test->allow)
			continue;
		error->line = test->line;
		snprintf(error->text, sizeof(error->text),
			 "the test expects %s, but the rules %s %s to %s port %u",
			 test->allow ? "allow" : "deny", allowed ? "allow" : "deny",
			 node_label(a, &test->from), node_label(b, &test->to), test->port);
		return -EPERM;
	}
	return 0;
}

int policy_check(const struct policy *policy, const struct policy_node *nodes, size_t count,
		 struct policy_error *error)
{
	*error = (struct policy_error){ .line = 0 };
	for (size_t i = 0; i < policy->test_count; i++) {
		int err = run_test(policy, &policy->tests[i], nodes, count, error);

		if (err < 0)
			return err;
	}
	return 0;
}
