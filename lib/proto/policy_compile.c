/* Rules for one pair of nodes. */
#include <errno.h>
#include <stdlib.h>

#include "proto/policy_model.h"

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

/* One rule for each port range. */
static int add_ranges(struct policy_rules *rules, const struct destination *destination,
		      const struct prefix *dst, bool deny)
{
	for (size_t i = 0; i < destination->port_count; i++) {
		const struct port_range *range = &destination->ports[i];
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

static int add_address(struct policy_rules *rules, const struct destination *destination,
		       const struct ip_addr *addr, bool deny)
{
	bool wanted = addr->family && (destination->who.kind != SELECT_PREFIX ||
				       prefix_contains(&destination->who.prefix, addr));
	struct prefix dst;

	if (!wanted)
		return 0;
	dst = prefix_from_addr(addr, 128);
	return add_ranges(rules, destination, &dst, deny);
}

/* The part of a routed prefix that the destination names. */
static int add_routes(struct policy_rules *rules, const struct destination *destination,
		      const struct policy_node *to, bool deny)
{
	const struct prefix *named = &destination->who.prefix;
	int err = 0;

	if (destination->who.kind != SELECT_PREFIX)
		return 0;
	for (size_t i = 0; i < to->route_count && err == 0; i++) {
		const struct prefix *route = &to->routes[i];

		if (prefix_overlaps(named, route))
			err = add_ranges(rules, destination,
					 named->len > route->len ? named : route, deny);
	}
	return err;
}

static int add_destination(struct policy_rules *rules, const struct destination *destination,
			   const struct policy_node *to, bool deny)
{
	static const struct prefix any;
	int err;

	if (destination->who.kind == SELECT_ANY)
		return add_ranges(rules, destination, &any, deny);
	err = add_address(rules, destination, &to->address4, deny);
	if (err == 0)
		err = add_address(rules, destination, &to->address6, deny);
	return err < 0 ? err : add_routes(rules, destination, to, deny);
}

static bool is_source(const struct policy *policy, const struct policy_rule *rule,
		      const struct policy_node *from)
{
	for (size_t i = 0; i < rule->source_count; i++)
		if (selector_matches(&rule->sources[i], policy, from))
			return true;
	return false;
}

/* Is all that `rule` speaks about denied by this one? */
static bool covered(const struct filter_rule *rule, const struct filter_rule *deny)
{
	bool dst = !deny->dst.addr.family ||
		   (rule->dst.addr.family == deny->dst.addr.family &&
		    rule->dst.len >= deny->dst.len && prefix_contains(&deny->dst, &rule->dst.addr));

	return dst && (deny->proto == FILTER_PROTO_ANY || deny->proto == rule->proto) &&
	       deny->port_low <= rule->port_low && deny->port_high >= rule->port_high;
}

static bool denied(const struct policy_rules *rules, const struct filter_rule *rule)
{
	for (size_t i = 0; i < rules->count; i++)
		if (rules->rules[i].deny && covered(rule, &rules->rules[i]))
			return true;
	return false;
}

/* Drops allows that a deny takes whole, and the denies too when nothing is left to deny. */
static void simplify(struct policy_rules *rules)
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

int policy_compile(const struct policy *policy, const struct policy_node *from,
		   const struct policy_node *to, struct policy_rules *rules)
{
	rules->count = 0;
	for (size_t i = 0; i < policy->rule_count; i++) {
		const struct policy_rule *rule = &policy->rules[i];

		if (!is_source(policy, rule, from))
			continue;
		for (size_t j = 0; j < rule->destination_count; j++) {
			const struct destination *destination = &rule->destinations[j];
			int err = 0;

			if (selector_matches(&destination->who, policy, to))
				err = add_destination(rules, destination, to, rule->deny);
			if (err < 0)
				return err;
		}
	}
	simplify(rules);
	return 0;
}
