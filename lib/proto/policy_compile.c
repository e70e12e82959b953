/* Filter rules out of the policy's rules that apply to a pair. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/policy_model.h"

#define SELF_LEN 255 /* the length of a prefix that stands for the node's address */

static int add_rule(struct policy_rules *rules, const struct filter_rule *rule)
{
	if (rules->count == FILTER_RULES_MAX)
		return -ENOSPC;
	if (rules->count == rules->cap) {
		size_t cap = rules->cap ? rules->cap * 2 : 16;
		struct filter_rule *grown = realloc(rules->rules, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		rules->rules = grown;
		rules->cap = cap;
	}
	rules->rules[rules->count++] = *rule;
	return 0;
}

/* --- what a destination allows or denies --- */

/* One rule for each port range. */
static int add_ranges(struct policy_rules *rules, const struct port_list *ports,
		      const struct prefix *dst, bool deny)
{
	for (size_t i = 0; i < ports->count; i++) {
		const struct port_range *range = &ports->ranges[i];
		struct filter_rule rule = { .dst = *dst,
					    .proto = range->proto,
					    .port_low = range->low,
					    .port_high = range->high,
					    .deny = deny };
		int err = add_rule(rules, &rule);

		if (err < 0)
			return err;
	}
	return 0;
}

static int add_self(struct policy_rules *rules, const struct port_list *ports, uint8_t family,
		    bool deny)
{
	struct prefix self = { .addr = { .family = family }, .len = SELF_LEN };

	return add_ranges(rules, ports, &self, deny);
}

/* The part of a routed prefix that the destination names. */
static int add_routes(struct policy_rules *rules, const struct port_list *ports,
		      const struct prefix *named, const struct policy_node *to, bool deny)
{
	int err = 0;

	for (size_t i = 0; i < to->route_count && err == 0; i++) {
		const struct prefix *route = &to->routes[i];

		if (prefix_overlaps(named, route))
			err = add_ranges(rules, ports, named->len > route->len ? named : route,
					 deny);
	}
	return err;
}

static int add_use(struct policy_rules *rules, const struct policy *policy,
		   const struct policy_use *use, const struct policy_node *to)
{
	static const struct prefix any;
	const struct destination *destination = &policy->destinations[use->destination];
	const struct selector *who = &policy->selectors[destination->who];
	const struct port_list *ports = &policy->ports[destination->ports];
	bool deny = policy->rules[destination->rule].deny;
	int err = 0;

	if (who->kind == SELECT_ANY)
		return add_ranges(rules, ports, &any, deny);
	if (use->how & (HIT_NODE | HIT_V4))
		err = add_self(rules, ports, AF_INET, deny);
	if (err == 0 && use->how & (HIT_NODE | HIT_V6))
		err = add_self(rules, ports, AF_INET6, deny);
	if (err == 0 && use->how & HIT_ROUTE)
		err = add_routes(rules, ports, &who->prefix, to, deny);
	return err;
}

/* --- fewer rules that say the same --- */

static int compare_rules(const void *left, const void *right)
{
	const struct filter_rule *a = left;
	const struct filter_rule *b = right;
	int order;

	if (a->deny != b->deny)
		return a->deny ? -1 : 1;
	if (a->dst.addr.family != b->dst.addr.family)
		return a->dst.addr.family < b->dst.addr.family ? -1 : 1;
	if (a->dst.len != b->dst.len)
		return a->dst.len < b->dst.len ? -1 : 1;
	order = memcmp(a->dst.addr.bytes, b->dst.addr.bytes, sizeof(a->dst.addr.bytes));
	if (order)
		return order;
	if (a->proto != b->proto)
		return a->proto < b->proto ? -1 : 1;
	return a->port_low < b->port_low ? -1 : a->port_low > b->port_low;
}

/* Joins b to a when they say the same of ranges that overlap or touch. */
static bool join(struct filter_rule *a, const struct filter_rule *b)
{
	if (a->deny != b->deny || a->proto != b->proto || !prefix_equal(&a->dst, &b->dst) ||
	    b->port_low > a->port_high + 1u)
		return false;
	if (b->port_high > a->port_high)
		a->port_high = b->port_high;
	return true;
}

static void put_in_order(struct policy_rules *rules)
{
	size_t kept = 0;

	if (rules->count == 0)
		return;
	qsort(rules->rules, rules->count, sizeof(rules->rules[0]), compare_rules);
	for (size_t i = 1; i < rules->count; i++)
		if (!join(&rules->rules[kept], &rules->rules[i]))
			rules->rules[++kept] = rules->rules[i];
	rules->count = kept + 1;
}

/* Is all that `rule` speaks about denied by this one? */
static bool covered(const struct filter_rule *rule, const struct filter_rule *deny)
{
	bool dst = !deny->dst.addr.family || prefix_equal(&deny->dst, &rule->dst) ||
		   (deny->dst.len != SELF_LEN && rule->dst.len != SELF_LEN &&
		    rule->dst.addr.family == deny->dst.addr.family &&
		    rule->dst.len >= deny->dst.len && prefix_contains(&deny->dst, &rule->dst.addr));

	return dst && (deny->proto == FILTER_PROTO_ANY || deny->proto == rule->proto) &&
	       deny->port_low <= rule->port_low && deny->port_high >= rule->port_high;
}

static bool denied(const struct policy_rules *rules, const struct filter_rule *rule)
{
	for (size_t i = 0; i < rules->count && rules->rules[i].deny; i++)
		if (covered(rule, &rules->rules[i]))
			return true;
	return false;
}

/* Drops allows that a deny takes whole, and the denies too when nothing is left to deny. In order:
 * denies come first. */
static void drop_denied(struct policy_rules *rules)
{
	size_t kept = 0;
	size_t allows = 0;

	for (size_t i = 0; i < rules->count; i++) {
		struct filter_rule rule = rules->rules[i];

		if (rule.deny || !denied(rules, &rule)) {
			allows += !rule.deny;
			rules->rules[kept++] = rule;
		}
	}
	rules->count = allows ? kept : 0;
}

int policy_rules_make(const struct policy *policy, const struct policy_use *uses, size_t count,
		      const struct policy_node *to, struct policy_rules *rules)
{
	rules->count = 0;
	for (size_t i = 0; i < count; i++) {
		int err = add_use(rules, policy, &uses[i], to);

		if (err < 0)
			return err;
	}
	put_in_order(rules);
	drop_denied(rules);
	return 0;
}

int policy_rules_place(const struct filter_rule *list, size_t count, const struct policy_node *to,
		       struct policy_rules *rules)
{
	rules->count = 0;
	for (size_t i = 0; i < count; i++) {
		struct filter_rule rule = list[i];
		const struct ip_addr *self =
			rule.dst.addr.family == AF_INET6 ? &to->address6 : &to->address4;
		int err = 0;

		if (rule.dst.len == SELF_LEN)
			rule.dst = prefix_from_addr(self, 128);
		if (list[i].dst.len != SELF_LEN || self->family)
			err = add_rule(rules, &rule);
		if (err < 0)
			return err;
	}
	return 0;
}

/* --- one pair --- */

/* Marks the rules that have the node as a source. */
static int mark_rules(const struct policy *policy, const struct policy_node *from,
		      struct policy_hits *hits, bool *marks)
{
	const struct postings *postings = &policy->as_source;
	int err = policy_match(policy, from, hits);

	for (size_t i = 0; err == 0 && i < hits->count; i++) {
		uint32_t selector = hits->list[i].selector;

		if (!(hits->list[i].how & HIT_SELF))
			continue;
		for (uint32_t j = postings->first[selector]; j < postings->first[selector + 1]; j++)
			marks[postings->list[j]] = true;
	}
	return err;
}

/* The destinations of marked rules that name the node. */
static int collect_uses(const struct policy *policy, const struct policy_node *to,
			struct policy_hits *hits, const bool *marks, struct policy_use **out,
			size_t *count)
{
	const struct postings *postings = &policy->as_destination;
	size_t max = 1;
	int err = policy_match(policy, to, hits);

	*out = NULL;
	*count = 0;
	if (err < 0)
		return err;
	for (size_t i = 0; i < hits->count; i++)
		max += postings->first[hits->list[i].selector + 1] -
		       postings->first[hits->list[i].selector];
	*out = malloc(max * sizeof(**out));
	if (!*out)
		return -ENOMEM;
	for (size_t i = 0; i < hits->count; i++) {
		uint32_t selector = hits->list[i].selector;

		for (uint32_t j = postings->first[selector]; j < postings->first[selector + 1]; j++)
			if (marks[policy->destinations[postings->list[j]].rule])
				(*out)[(*count)++] =
					(struct policy_use){ postings->list[j], hits->list[i].how };
	}
	return 0;
}

int policy_compile(const struct policy *policy, const struct policy_node *from,
		   const struct policy_node *to, struct policy_rules *rules)
{
	bool *marks = calloc(policy->rule_count + 1, sizeof(*marks));
	struct policy_hits hits = { .count = 0 };
	struct policy_rules made = { .count = 0 };
	struct policy_use *uses = NULL;
	size_t count = 0;
	int err = marks ? mark_rules(policy, from, &hits, marks) : -ENOMEM;

	rules->count = 0;
	if (err == 0)
		err = collect_uses(policy, to, &hits, marks, &uses, &count);
	if (err == 0)
		err = policy_rules_make(policy, uses, count, to, &made);
	if (err == 0)
		err = policy_rules_place(made.rules, made.count, to, rules);
	policy_rules_clear(&made);
	free(hits.list);
	free(uses);
	free(marks);
	return err;
}
