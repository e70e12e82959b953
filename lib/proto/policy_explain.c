#include "proto/policy_explain.h"

#include <ctype.h>
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

static bool is_source(const struct policy *policy, const struct policy_rule *rule,
		      const struct policy_hits *from)
{
	for (size_t i = 0; i < rule->source_count; i++)
		if (hit_of(from, policy->sources[rule->source + i]) & HIT_SELF)
			return true;
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

/* Is the flow's destination what the selector names: the node's own address, or one behind it? */
static bool is_address(const struct selector *who, uint32_t how, const struct policy_node *to,
		       const struct ip_addr *dst)
{
	bool own = addr_equal(dst, &to->address4) || addr_equal(dst, &to->address6);

	if (who->kind == SELECT_ANY)
		return true;
	if (who->kind != SELECT_PREFIX)
		return how && own;
	if (!how || !prefix_contains(&who->prefix, dst))
		return false;
	for (size_t i = 0; !own && i < to->route_count; i++)
		own = prefix_contains(&to->routes[i], dst);
	return own;
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

void policy_decide(const struct policy *policy, const struct policy_hits *from,
		   const struct policy_hits *hits, const struct policy_node *to,
		   const struct filter_tuple *tuple, struct policy_verdict *verdict)
{
	const struct postings *postings = &policy->as_destination;
	size_t allows = policy->rule_count;
	size_t denies = policy->rule_count;

	for (size_t i = 0; i < hits->count; i++) {
		uint32_t who = hits->list[i].selector;

		if (!is_address(&policy->selectors[who], hits->list[i].how, to, &tuple->dst))
			continue;
		for (uint32_t j = postings->first[who]; j < postings->first[who + 1]; j++) {
			const struct destination *destination =
				&policy->destinations[postings->list[j]];

			if (is_port(&policy->ports[destination->ports], tuple) &&
			    is_source(policy, &policy->rules[destination->rule], from))
				consider(policy, destination->rule, &denies, &allows);
		}
	}
	*verdict = (struct policy_verdict){ .allowed = false };
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
		policy_decide(policy, &from_hits, &to_hits, to, tuple, verdict);
	free(from_hits.list);
	free(to_hits.list);
	return err;
}
