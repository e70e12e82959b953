#include "proto/policy_explain.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "proto/filter_tuple.h"
#include "proto/policy_model.h"

/* What of the selector names the node, or 0. */
static uint32_t hit_of(const struct policy_hits *hits, uint32_t selector)
{
	size_t low = 0;
	size_t high = hits->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (hits->list[middle].selector == selector)
			return hits->list[middle].how;
		if (hits->list[middle].selector < selector)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

static bool carries(const struct policy_node *node, const struct ip_addr *addr)
{
	for (size_t i = 0; i < node->route_count; i++)
		if (node->routes[i].len > 0 && prefix_contains(&node->routes[i], addr))
			return true;
	return false;
}

static bool is_exit(const struct policy_node *node, uint8_t family)
{
	for (size_t i = 0; i < node->route_count; i++)
		if (node->routes[i].len == 0 && node->routes[i].addr.family == family)
			return true;
	return false;
}

static bool is_own(const struct policy_node *node, const struct ip_addr *addr)
{
	return addr_equal(addr, &node->address4) || addr_equal(addr, &node->address6);
}

/* src: of somebody behind the node; NULL: the node itself starts it. */
static bool is_source(const struct policy *policy, const struct policy_rule *rule,
		      const struct policy_side *from, const struct ip_addr *src)
{
	for (size_t i = 0; i < rule->source_count; i++) {
		uint32_t number = policy->sources[rule->source + i];
		const struct selector *selector = &policy->selectors[number];
		uint32_t how = policy_source_how(policy, rule, number, hit_of(from->hits, number));

		if (!src && how & HIT_SELF)
			return true;
		if (src && how & HIT_ROUTE && carries(from->node, src) &&
		    (selector->kind == SELECT_ANY || prefix_contains(&selector->prefix, src)))
			return true;
	}
	return false;
}

static bool is_port(const struct port_list *ports, const struct filter_tuple *tuple)
{
	bool numbered = filter_proto_has_ports(tuple->proto);

	for (size_t i = 0; i < ports->count; i++) {
		const struct port_range *range = &ports->ranges[i];

		if ((range->proto == FILTER_PROTO_ANY || range->proto == tuple->proto) &&
		    (!numbered ||
		     (range->low <= tuple->dst_port && tuple->dst_port <= range->high)))
			return true;
	}
	return false;
}

/* What is behind an exit, and its DNS: asking for that is allowed with anything out there. */
static bool is_internet(const struct policy_node *to, const struct port_list *ports, bool deny,
			const struct filter_tuple *tuple)
{
	bool dns = tuple->proto == IPPROTO_UDP || tuple->proto == IPPROTO_TCP;

	if (filter_is_internet(&tuple->dst) && is_exit(to, tuple->dst.family) &&
	    is_port(ports, tuple))
		return true;
	return dns && tuple->dst_port == 53 && is_own(to, &tuple->dst) &&
	       (!deny || is_port(ports, tuple));
}

/* Does the destination, which names the node somehow, speak of this flow? */
static bool is_destination(const struct policy *policy, const struct destination *destination,
			   uint32_t how, const struct policy_node *to,
			   const struct filter_tuple *tuple)
{
	const struct selector *who = &policy->selectors[destination->who];
	const struct port_list *ports = &policy->ports[destination->ports];
	bool deny = policy->rules[destination->rule].deny;
	bool own = is_own(to, &tuple->dst);

	if (who->kind == SELECT_INTERNET)
		return is_internet(to, ports, deny, tuple);
	if (!how || !is_port(ports, tuple))
		return false;
	if (who->kind == SELECT_ANY)
		return own || deny;
	if (who->kind != SELECT_PREFIX)
		return own;
	return prefix_contains(&who->prefix, &tuple->dst) &&
	       (own || carries(to, &tuple->dst) || (deny && is_exit(to, tuple->dst.family)));
}

/* Blanks become one. */
static void quote(char out[static POLICY_RULE_TEXT_SIZE], const char *text, size_t len)
{
	size_t used = 0;
	bool blank = false;

	for (size_t i = 0; i < len && used < POLICY_RULE_TEXT_SIZE - 5; i++) {
		if (isspace((unsigned char)text[i])) {
			blank = true;
			continue;
		}
		if (blank && used > 0)
			out[used++] = ' ';
		blank = false;
		out[used++] = text[i];
		if (i + 1 < len && used >= POLICY_RULE_TEXT_SIZE - 5) {
			/* Not in the middle of a character. */
			while (used > 0 && ((unsigned char)out[used - 1] & 0xc0) == 0x80)
				used--;
			if (used > 0 && (unsigned char)out[used - 1] >= 0x80)
				used--;
			memcpy(out + used, "...", 3);
			used += 3;
		}
	}
	out[used] = '\0';
}

/* The first rule that denies, else the first that allows: the smaller of both wins its kind. */
static void consider(const struct policy *policy, uint32_t rule, size_t *denies, size_t *allows)
{
	size_t *first = policy->rules[rule].deny ? denies : allows;

	if (rule < *first)
		*first = rule;
}

static void describe(const struct policy *policy, size_t number, struct policy_verdict *verdict)
{
	const struct policy_rule *rule = &policy->rules[number];

	verdict->allowed = !rule->deny;
	verdict->deny = rule->deny;
	verdict->rule = number;
	verdict->line = rule->line;
	quote(verdict->text, policy->text + rule->at, rule->len);
}

void policy_decide(const struct policy *policy, const struct policy_side *from,
		   const struct policy_side *to, const struct filter_tuple *tuple,
		   struct policy_verdict *verdict)
{
	const struct postings *postings = &policy->as_destination;
	bool behind = tuple->src.family && !is_own(from->node, &tuple->src);
	size_t allows = policy->rule_count;
	size_t denies = policy->rule_count;

	*verdict = (struct policy_verdict){ .allowed = false };
	if (tuple->src.family && tuple->src.family != tuple->dst.family)
		return; /* no such packet can be */
	for (size_t i = 0; i < to->hits->count; i++) {
		const struct policy_hit *hit = &to->hits->list[i];

		for (uint32_t j = postings->first[hit->selector];
		     j < postings->first[hit->selector + 1]; j++) {
			const struct destination *destination =
				&policy->destinations[postings->list[j]];

			if (is_destination(policy, destination, hit->how, to->node, tuple) &&
			    is_source(policy, &policy->rules[destination->rule], from,
				      behind ? &tuple->src : NULL))
				consider(policy, destination->rule, &denies, &allows);
		}
	}
	if (denies < policy->rule_count)
		describe(policy, denies, verdict);
	else if (allows < policy->rule_count)
		describe(policy, allows, verdict);
}

int policy_explain(const struct policy *policy, const struct policy_node *from,
		   const struct policy_node *to, const struct filter_tuple *tuple,
		   struct policy_verdict *verdict)
{
	struct policy_hits from_hits = { .count = 0 };
	struct policy_hits to_hits = { .count = 0 };
	int err = policy_match(policy, from, &from_hits);

	if (err == 0)
		err = policy_match(policy, to, &to_hits);
	if (err == 0)
		policy_decide(policy, &(struct policy_side){ from, &from_hits },
			      &(struct policy_side){ to, &to_hits }, tuple, verdict);
	free(from_hits.list);
	free(to_hits.list);
	return err;
}
