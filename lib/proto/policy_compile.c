/* Filter rules out of the policy's rules that apply to a pair. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "proto/policy_model.h"

#define SELF_LEN 255 /* the length of a prefix that stands for the node's address */
#define DNS_PORT 53

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

/* What is made of one use: rules from one source. */
struct making {
	struct policy_rules *rules;
	const struct port_list *ports;
	const struct policy_node *to;
	struct prefix src;
	bool deny;
};

/* A packet has one family. */
static int add(const struct making *m, const struct prefix *dst, uint8_t proto, uint16_t low,
	       uint16_t high)
{
	struct filter_rule rule = { .src = m->src,
				    .dst = *dst,
				    .proto = proto,
				    .port_low = low,
				    .port_high = high,
				    .deny = m->deny };

	if (dst->addr.family && m->src.addr.family && dst->addr.family != m->src.addr.family)
		return 0;
	return add_rule(m->rules, &rule);
}

/* One rule for each port range. */
static int add_ranges(const struct making *m, const struct prefix *dst)
{
	int err = 0;

	for (size_t i = 0; i < m->ports->count && err == 0; i++) {
		const struct port_range *range = &m->ports->ranges[i];

		err = add(m, dst, range->proto, range->low, range->high);
	}
	return err;
}

static struct prefix self(uint8_t family)
{
	return (struct prefix){ .addr = { .family = family }, .len = SELF_LEN };
}

static int add_self(const struct making *m, uint32_t how)
{
	struct prefix self4 = self(AF_INET);
	struct prefix self6 = self(AF_INET6);
	int err = 0;

	if (how & (HIT_NODE | HIT_V4))
		err = add_ranges(m, &self4);
	if (err == 0 && how & (HIT_NODE | HIT_V6))
		err = add_ranges(m, &self6);
	return err;
}

/* The part of a routed prefix that the destination names. */
static int add_routes(const struct making *m, const struct prefix *named)
{
	int err = 0;

	for (size_t i = 0; i < m->to->route_count && err == 0; i++) {
		const struct prefix *route = &m->to->routes[i];

		if (route->len > 0 && prefix_overlaps(named, route))
			err = add_ranges(m, named->len > route->len ? named : route);
	}
	return err;
}

/* Does the range speak of DNS over this protocol? */
static bool is_dns(const struct port_range *range, uint8_t proto)
{
	return (range->proto == FILTER_PROTO_ANY || range->proto == proto) &&
	       range->low <= DNS_PORT && DNS_PORT <= range->high;
}

/*
 * Who may go out at all may ask the exit for names; who may not ask for names out there may not ask
 * the exit.
 */
static int add_dns(const struct making *m, uint8_t proto)
{
	struct prefix self4 = self(AF_INET);
	struct prefix self6 = self(AF_INET6);
	bool speaks = !m->deny;
	int err;

	for (size_t i = 0; i < m->ports->count; i++)
		speaks |= is_dns(&m->ports->ranges[i], proto);
	if (!speaks)
		return 0;
	err = add(m, &self4, proto, DNS_PORT, DNS_PORT);
	return err < 0 ? err : add(m, &self6, proto, DNS_PORT, DNS_PORT);
}

static int add_internet(const struct making *m)
{
	int err = add_dns(m, IPPROTO_UDP);

	if (err == 0)
		err = add_dns(m, IPPROTO_TCP);
	for (size_t i = 0; i < m->to->route_count && err == 0; i++)
		if (m->to->routes[i].len == 0)
			err = add_ranges(m, &m->to->routes[i]);
	return err;
}

static int add_destination(const struct making *m, const struct selector *who, uint32_t how)
{
	static const struct prefix any;
	int err;

	/* Everybody is every node; but what is denied to reach is all that there is. */
	if (who->kind == SELECT_ANY)
		return m->deny ? add_ranges(m, &any) : add_self(m, HIT_NODE);
	if (who->kind == SELECT_INTERNET)
		return add_internet(m);
	err = add_self(m, how);
	if (err == 0 && how & HIT_ROUTE)
		err = add_routes(m, &who->prefix);
	/* Out on the internet a prefix may be denied; allowed is what is said to be internet. */
	return err == 0 && m->deny && how & HIT_EXIT ? add_ranges(m, &who->prefix) : err;
}

/* What the selector names behind the node that starts. */
static int add_from_routes(struct making *m, const struct selector *source,
			   const struct policy_node *from, const struct selector *who, uint32_t how)
{
	int err = 0;

	for (size_t i = 0; i < from->route_count && err == 0; i++) {
		const struct prefix *route = &from->routes[i];

		if (route->len == 0)
			continue;
		m->src = *route;
		if (source->kind == SELECT_PREFIX) {
			if (!prefix_overlaps(&source->prefix, route))
				continue;
			if (source->prefix.len > route->len)
				m->src = source->prefix;
		}
		err = add_destination(m, who, how);
	}
	return err;
}

static int add_use(struct policy_rules *rules, const struct policy *policy,
		   const struct policy_use *use, const struct policy_node *from,
		   const struct policy_node *to)
{
	const struct destination *destination = &policy->destinations[use->destination];
	const struct selector *who = &policy->selectors[destination->who];
	struct making m = { .rules = rules,
			    .ports = &policy->ports[destination->ports],
			    .to = to,
			    .deny = policy->rules[destination->rule].deny };

	if (use->source == POLICY_OWN)
		return add_destination(&m, who, use->how);
	return add_from_routes(&m, &policy->selectors[use->source], from, who, use->how);
}

/* --- fewer rules that say the same --- */

static int compare_prefixes(const struct prefix *a, const struct prefix *b)
{
	if (a->addr.family != b->addr.family)
		return a->addr.family < b->addr.family ? -1 : 1;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->addr.bytes, b->addr.bytes, sizeof(a->addr.bytes));
}

static int compare_rules(const void *left, const void *right)
{
	const struct filter_rule *a = left;
	const struct filter_rule *b = right;
	int order;

	if (a->deny != b->deny)
		return a->deny ? -1 : 1;
	order = compare_prefixes(&a->src, &b->src);
	if (order == 0)
		order = compare_prefixes(&a->dst, &b->dst);
	if (order)
		return order;
	if (a->proto != b->proto)
		return a->proto < b->proto ? -1 : 1;
	return a->port_low < b->port_low ? -1 : a->port_low > b->port_low;
}

/* Joins b to a when they say the same of ranges that overlap or touch. */
static bool join(struct filter_rule *a, const struct filter_rule *b)
{
	if (a->deny != b->deny || a->proto != b->proto || !prefix_equal(&a->src, &b->src) ||
	    !prefix_equal(&a->dst, &b->dst) || b->port_low > a->port_high + 1u)
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

static bool is_within(const struct prefix *part, const struct prefix *whole)
{
	return part->addr.family == whole->addr.family && part->len >= whole->len &&
	       prefix_contains(whole, &part->addr);
}

/* Is all that `rule` speaks about denied by this one? The internet is no prefix of addresses. */
static bool covered(const struct filter_rule *rule, const struct filter_rule *deny)
{
	bool dst = !deny->dst.addr.family || prefix_equal(&deny->dst, &rule->dst) ||
		   (deny->dst.len != SELF_LEN && rule->dst.len != SELF_LEN && deny->dst.len > 0 &&
		    is_within(&rule->dst, &deny->dst));
	bool src = prefix_equal(&deny->src, &rule->src) ||
		   (deny->src.addr.family && is_within(&rule->src, &deny->src));

	return dst && src && (deny->proto == FILTER_PROTO_ANY || deny->proto == rule->proto) &&
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
		      const struct policy_node *from, const struct policy_node *to,
		      struct policy_rules *rules)
{
	rules->count = 0;
	for (size_t i = 0; i < count; i++) {
		int err = add_use(rules, policy, &uses[i], from, to);

		if (err < 0)
			return err;
	}
	put_in_order(rules);
	drop_denied(rules);
	return 0;
}

static int place(const struct filter_rule *list, size_t count, const struct policy_node *to,
		 bool lan, struct policy_rules *rules)
{
	rules->count = 0;
	for (size_t i = 0; i < count; i++) {
		struct filter_rule rule = list[i];
		const struct ip_addr *self =
			rule.dst.addr.family == AF_INET6 ? &to->address6 : &to->address4;
		int err = 0;

		if (lan && !rule.src.addr.family)
			continue;
		if (rule.dst.len == SELF_LEN)
			rule.dst = prefix_from_addr(self, 128);
		if (list[i].dst.len != SELF_LEN || self->family)
			err = add_rule(rules, &rule);
		if (err < 0)
			return err;
	}
	return 0;
}

int policy_rules_place(const struct filter_rule *list, size_t count, const struct policy_node *to,
		       struct policy_rules *rules)
{
	return place(list, count, to, false, rules);
}

int policy_rules_place_lan(const struct filter_rule *list, size_t count,
			   const struct policy_node *to, struct policy_rules *rules)
{
	return place(list, count, to, true, rules);
}

int policy_rules_lan(const struct policy_rules *all, struct policy_rules *lan)
{
	static const struct policy_node nobody = { .name = "" };

	return place(all->rules, all->count, &nobody, true, lan);
}

/* --- which routes matter --- */

static bool leads_to(const struct filter_rule *rule, const struct prefix *route)
{
	if (rule->deny || !rule->dst.addr.family || rule->dst.len == SELF_LEN)
		return false;
	if (route->len == 0 || rule->dst.len == 0)
		return prefix_equal(&rule->dst, route);
	return prefix_overlaps(&rule->dst, route);
}

static bool comes_from(const struct filter_rule *rule, const struct prefix *route)
{
	return !rule->deny && rule->src.addr.family && route->len > 0 &&
	       prefix_overlaps(&rule->src, route);
}

uint32_t policy_list_routes_used(const struct policy_rules *in, const struct policy_rules *out,
				 const struct prefix *routes, size_t count)
{
	uint32_t used = 0;

	for (size_t i = 0; i < count && i < 32; i++) {
		bool uses = false;

		for (size_t j = 0; out && !uses && j < out->count; j++)
			uses = leads_to(&out->rules[j], &routes[i]);
		for (size_t j = 0; in && !uses && j < in->count; j++)
			uses = comes_from(&in->rules[j], &routes[i]);
		used |= (uint32_t)uses << i;
	}
	return used;
}

uint32_t policy_routes_used(const struct policy_rules *in, const struct policy_rules *out,
			    const struct policy_node *peer)
{
	return policy_list_routes_used(in, out, peer->routes, peer->route_count);
}

/* --- one pair --- */

/* How each rule has the node as a source: by which selectors. */
struct marks {
	bool *own;       /* by rule: the node itself is one */
	uint32_t *first; /* by rule: the first selector, in a list, that names who is behind it */
	struct mark {
		uint32_t selector;
		uint32_t next; /* place in the list plus one; 0: none */
	} * list;
	uint32_t count;
};

static int marks_init(struct marks *marks, const struct policy *policy)
{
	*marks = (struct marks){
		.own = calloc(policy->rule_count + 1, sizeof(*marks->own)),
		.first = calloc(policy->rule_count + 1, sizeof(*marks->first)),
		.list = malloc((policy->source_count + 1) * sizeof(*marks->list)),
	};
	return marks->own && marks->first && marks->list ? 0 : -ENOMEM;
}

static void marks_clear(struct marks *marks)
{
	free(marks->own);
	free(marks->first);
	free(marks->list);
}

static void mark_rules(const struct policy *policy, const struct policy_hits *from,
		       struct marks *marks)
{
	const struct postings *postings = &policy->as_source;

	for (size_t i = 0; i < from->count; i++) {
		uint32_t selector = from->list[i].selector;

		for (uint32_t j = postings->first[selector]; j < postings->first[selector + 1];
		     j++) {
			uint32_t rule = postings->list[j];
			uint32_t how = policy_source_how(policy, &policy->rules[rule], selector,
							 from->list[i].how);

			if (how & HIT_SELF)
				marks->own[rule] = true;
			if (!(how & HIT_ROUTE))
				continue;
			marks->list[marks->count++] = (struct mark){ selector, marks->first[rule] };
			marks->first[rule] = marks->count;
		}
	}
}

/* Makes the rules of one destination that names the node. */
static int apply(const struct policy *policy, const struct marks *marks, struct policy_use use,
		 const struct policy_node *from, const struct policy_node *to,
		 struct policy_rules *rules)
{
	uint32_t rule = policy->destinations[use.destination].rule;
	int err = 0;

	use.source = POLICY_OWN;
	if (marks->own[rule])
		err = add_use(rules, policy, &use, from, to);
	for (uint32_t at = marks->first[rule]; err == 0 && at; at = marks->list[at - 1].next) {
		use.source = marks->list[at - 1].selector;
		err = add_use(rules, policy, &use, from, to);
	}
	return err;
}

static int apply_all(const struct policy *policy, const struct marks *marks,
		     const struct policy_hits *hits, const struct policy_node *from,
		     const struct policy_node *to, struct policy_rules *rules)
{
	const struct postings *postings = &policy->as_destination;
	int err = 0;

	for (size_t i = 0; i < hits->count; i++) {
		uint32_t who = hits->list[i].selector;

		for (uint32_t j = postings->first[who]; err == 0 && j < postings->first[who + 1];
		     j++)
			err = apply(policy, marks,
				    (struct policy_use){ .destination = postings->list[j],
							 .how = hits->list[i].how },
				    from, to, rules);
	}
	return err;
}

int policy_compile(const struct policy *policy, const struct policy_node *from,
		   const struct policy_node *to, struct policy_rules *rules)
{
	struct policy_hits hits = { .count = 0 };
	struct policy_rules made = { .count = 0 };
	struct marks marks;
	int err = marks_init(&marks, policy);

	rules->count = 0;
	if (err == 0)
		err = policy_match(policy, from, &hits);
	if (err == 0) {
		mark_rules(policy, &hits, &marks);
		err = policy_match(policy, to, &hits);
	}
	if (err == 0)
		err = apply_all(policy, &marks, &hits, from, to, &made);
	if (err == 0) {
		put_in_order(&made);
		drop_denied(&made);
		err = policy_rules_place(made.rules, made.count, to, rules);
	}
	policy_rules_clear(&made);
	marks_clear(&marks);
	free(hits.list);
	return err;
}
