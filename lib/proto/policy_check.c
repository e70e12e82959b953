/* A policy's own tests. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/filter_tuple.h"
#include "proto/policy_explain.h"
#include "proto/policy_index.h"
#include "proto/policy_model.h"

/* Pairs of nodes that all tests together are tried with, and each at least. */
#define PAIRS_MAX      50000
#define TEST_PAIRS_MIN 64

/* Somewhere on the internet (RFC 5737, RFC 3849). */
#define SOMEWHERE_V4 "198.51.100.1"
#define SOMEWHERE_V6 "2001:db8::100"

/* A node that is only what the selector says, for tests about nodes that do not exist yet. */
struct stand_in {
	struct policy_node node;
	const char *label;
};

/* A node, and what the policy sees of it. */
struct guest {
	const struct policy_node *node;
	struct policy_hits hits;
};

/* One node of each class is enough: policy cannot tell the others from it. */
struct crowd {
	const struct policy *policy;
	struct guest *guests;
	size_t count;
	const struct guest **sides[2]; /* room for all of them, and one more */
	size_t pairs_max;              /* for each test */
};

struct side {
	const struct guest **guests;
	size_t count;
	const struct selector *selector;
	struct stand_in alone;
	struct guest guest; /* who is alone */
};

/* What an exit carries. */
static const struct prefix everywhere[] = { { .addr = { .family = AF_INET } },
					    { .addr = { .family = AF_INET6 } } };

static void make_stand_in(struct stand_in *s, const struct selector *selector, const char *v4,
			  const char *v6)
{
	*s = (struct stand_in){ .node = { .name = "" }, .label = selector->name };
	addr_parse(&s->node.address4, v4);
	addr_parse(&s->node.address6, v6);
	switch (selector->kind) {
	case SELECT_NAME:
		s->node.name = selector->name;
		break;
	case SELECT_USER:
		s->node.owner = selector->name;
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
	case SELECT_INTERNET:
		s->node.routes = everywhere;
		s->node.route_count = 2;
		break;
	case SELECT_ANY:
		break;
	}
}

static bool is_named(const struct policy_hits *hits, uint32_t selector)
{
	for (size_t i = 0; i < hits->count; i++)
		if (hits->list[i].selector == selector)
			return true;
	return false;
}

/* Nobody else is there, or nobody else than who is the other side. */
static int take_stand_in(struct side *side, const struct crowd *crowd, bool source)
{
	const struct selector *selector = side->selector;

	make_stand_in(&side->alone, selector, source ? "192.0.2.1" : "192.0.2.2",
		      source ? "2001:db8::1" : "2001:db8::2");
	side->guest.node = &side->alone.node;
	side->guests[0] = &side->guest;
	side->count = 1;
	return policy_match(crowd->policy, &side->alone.node, &side->guest.hits);
}

/* The nodes that a side of a test is about; the stand-in when there is none. */
static int choose(struct side *side, const struct crowd *crowd, uint32_t number, bool source)
{
	*side = (struct side){ .guests = crowd->sides[source],
			       .selector = &crowd->policy->selectors[number] };
	for (size_t i = 0; i < crowd->count; i++)
		if (is_named(&crowd->guests[i].hits, number))
			side->guests[side->count++] = &crowd->guests[i];
	return side->count > 0 ? 0 : take_stand_in(side, crowd, source);
}

/* An address of the prefix that the node has, or carries for others; of no family: none. */
static struct ip_addr address_in(const struct policy_node *node, const struct prefix *prefix)
{
	struct ip_addr none = { .family = 0 };

	if (prefix_contains(prefix, &node->address4))
		return node->address4;
	if (prefix_contains(prefix, &node->address6))
		return node->address6;
	for (size_t i = 0; i < node->route_count; i++) {
		const struct prefix *route = &node->routes[i];

		if (route->len > 0 && prefix_overlaps(route, prefix))
			return route->len > prefix->len ? route->addr : prefix->addr;
	}
	return none;
}

static void ask(const struct policy *policy, const struct policy_test *test,
		const struct side *from, const struct guest *source, const struct guest *to,
		const struct ip_addr *dst, struct policy_verdict *verdict)
{
	struct filter_tuple tuple = { .dst = *dst, .proto = test->proto, .dst_port = test->port };

	if (from->selector->kind == SELECT_PREFIX)
		tuple.src = address_in(source->node, &from->selector->prefix);
	/* A node that has the one address has the other. */
	if (addr_equal(&tuple.src, &source->node->address4) ||
	    addr_equal(&tuple.src, &source->node->address6))
		tuple.src.family = 0;
	if (test->proto == IPPROTO_ICMP && dst->family == AF_INET6)
		tuple.proto = IPPROTO_ICMPV6;
	policy_decide(policy, &(struct policy_side){ source->node, &source->hits },
		      &(struct policy_side){ to->node, &to->hits }, &tuple, verdict);
}

/* Allowed over one of the families is allowed. */
static void decide(const struct policy *policy, const struct policy_test *test,
		   const struct side *from, const struct guest *source, const struct side *to,
		   const struct guest *guest, struct policy_verdict *verdict)
{
	struct ip_addr list[2] = { guest->node->address4, guest->node->address6 };
	size_t count = 2;

	if (to->selector->kind == SELECT_PREFIX) {
		list[0] = address_in(guest->node, &to->selector->prefix);
		count = 1;
	} else if (to->selector->kind == SELECT_INTERNET) {
		addr_parse(&list[0], SOMEWHERE_V4);
		addr_parse(&list[1], SOMEWHERE_V6);
	}
	*verdict = (struct policy_verdict){ .allowed = false };
	for (size_t i = 0; i < count && !verdict->allowed; i++) {
		struct policy_verdict found;

		if (!list[i].family)
			continue;
		ask(policy, test, from, source, guest, &list[i], &found);
		if (found.allowed || !verdict->line)
			*verdict = found;
	}
}

static const char *guest_label(const struct guest *guest, const struct selector *selector)
{
	return guest->node->name[0] ? guest->node->name
	       : selector->name     ? selector->name
				    : "any node";
}

static int refuse(const struct policy_test *test, const struct policy_verdict *verdict,
		  const char *from, const char *to, struct policy_error *error)
{
	char why[40] = "no rule allows it";

	if (verdict->line)
		snprintf(why, sizeof(why), "by the rule in line %d", verdict->line);
	error->line = test->line;
	snprintf(error->text, sizeof(error->text),
		 "the test expects %s, but the rules %s %.40s to %.40s port %u: %s",
		 test->allow ? "allow" : "deny", verdict->allowed ? "allow" : "deny", from, to,
		 test->port, why);
	return -EPERM;
}

static int run_pairs(const struct crowd *crowd, const struct policy_test *test,
		     const struct side *from, const struct side *to, struct policy_error *error)
{
	size_t pairs = from->count * to->count;

	for (size_t i = 0; i < pairs && i < crowd->pairs_max; i++) {
		const struct guest *a = from->guests[i / to->count];
		const struct guest *b = to->guests[i % to->count];
		struct policy_verdict verdict;

		/* Nobody needs leave to speak to himself. */
		if (a->node == b->node && pairs > 1)
			continue;
		decide(crowd->policy, test, from, a, to, b, &verdict);
		if (verdict.allowed != test->allow)
			return refuse(test, &verdict, guest_label(a, from->selector),
				      guest_label(b, to->selector), error);
	}
	return 0;
}

static int run_test(const struct crowd *crowd, const struct policy_test *test,
		    struct policy_error *error)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < test->from_count * test->to_count; i++) {
		struct side from;
		struct side to;

		err = choose(&from, crowd, test->from[i / test->to_count], true);
		if (err == 0)
			err = choose(&to, crowd, test->to[i % test->to_count], false);
		else
			to.guest.hits.list = NULL;
		/* The only node of a group, towards its group: somebody else of it is meant. */
		if (err == 0 && from.count == 1 && to.count == 1 && from.guests[0] == to.guests[0])
			err = take_stand_in(&to, crowd, false);
		if (err == 0)
			err = run_pairs(crowd, test, &from, &to, error);
		free(from.guest.hits.list);
		free(to.guest.hits.list);
	}
	return err;
}

/* --- who is there --- */

/* One node for each class that the policy knows. */
static int gather(struct crowd *crowd, const struct policy_node *nodes, size_t count)
{
	struct policy_member *members = calloc(count + 1, sizeof(*members));
	struct policy_index *index = NULL;
	int err = members ? policy_index_new(&index, crowd->policy) : -ENOMEM;

	for (size_t i = 0; err == 0 && i < count; i++) {
		size_t classes = policy_index_classes(index);

		err = policy_index_put(index, &members[i], &nodes[i]);
		if (err < 0 || policy_index_classes(index) == classes)
			continue;
		crowd->guests[crowd->count].node = &nodes[i];
		err = policy_match(crowd->policy, &nodes[i], &crowd->guests[crowd->count++].hits);
	}
	policy_index_free(index);
	free(members);
	return err;
}

static void crowd_clear(struct crowd *crowd)
{
	for (size_t i = 0; i < crowd->count; i++)
		free(crowd->guests[i].hits.list);
	free(crowd->guests);
	free(crowd->sides[0]);
	free(crowd->sides[1]);
}

int policy_check(const struct policy *policy, const struct policy_node *nodes, size_t count,
		 struct policy_error *error)
{
	struct crowd crowd = { .policy = policy };
	int err = 0;

	*error = (struct policy_error){ .line = 0 };
	if (policy->test_count == 0)
		return 0;
	crowd.pairs_max = TEST_PAIRS_MIN + PAIRS_MAX / policy->test_count;
	crowd.guests = calloc(count + 1, sizeof(*crowd.guests));
	for (size_t i = 0; i < 2; i++) {
		crowd.sides[i] = calloc(count + 1, sizeof(struct guest *));
		if (!crowd.sides[i] || !crowd.guests)
			err = -ENOMEM;
	}
	if (err == 0)
		err = gather(&crowd, nodes, count);
	for (size_t i = 0; err == 0 && i < policy->test_count; i++)
		err = run_test(&crowd, &policy->tests[i], error);
	crowd_clear(&crowd);
	return err;
}
