#include "proto/filter_rules.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "proto/filter_tuple.h"

#define PORT_MAX 65535

/*
 * Rules are sorted by source, prefix length, prefix, protocol and port, and ranges that touch are
 * merged, so a lookup is a binary search for each prefix length in use, of which there are few:
 * nearly always there is no source but the peer itself.
 */
struct span {
	struct prefix src;
	uint8_t family; /* of dst */
	uint8_t len;
	size_t first; /* in rules */
	size_t count;
};

struct filter_rules {
	uint64_t id;
	struct filter_rules *denied; /* what denying rules say, as a set of its own; may be NULL */
	bool denies;                 /* this is such a set */
	bool any_source;             /* nobody said what the peer's own addresses are */
	struct ip_addr own[2];
	size_t span_count;
	struct span *spans;
	size_t count;
	struct filter_rule rules[];
};

static atomic_uint_fast64_t last_id;

static int compare_prefix(const struct prefix *a, const struct prefix *b)
{
	if (a->addr.family != b->addr.family)
		return a->addr.family < b->addr.family ? -1 : 1;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->addr.bytes, b->addr.bytes, sizeof(a->addr.bytes));
}

static int compare_rule(const void *left, const void *right)
{
	const struct filter_rule *a = left;
	const struct filter_rule *b = right;
	int order = compare_prefix(&a->src, &b->src);

	if (!order)
		order = compare_prefix(&a->dst, &b->dst);
	if (order)
		return order;
	if (a->proto != b->proto)
		return a->proto < b->proto ? -1 : 1;
	if (a->port_low != b->port_low)
		return a->port_low < b->port_low ? -1 : 1;
	return 0;
}

/* Joins b to a when they are about the same and overlap or touch. Both in sorted order. */
static bool merge(struct filter_rule *a, const struct filter_rule *b)
{
	if (compare_prefix(&a->src, &b->src) || compare_prefix(&a->dst, &b->dst) ||
	    a->proto != b->proto)
		return false;
	if ((unsigned int)b->port_low > (unsigned int)a->port_high + 1)
		return false;
	if (b->port_high > a->port_high)
		a->port_high = b->port_high;
	return true;
}

/* Host bits and the prefix of "any" do not take part in matching: bring them to one form. */
static struct prefix canonical_prefix(const struct prefix *prefix)
{
	struct prefix none;

	memset(&none, 0, sizeof(none));
	return prefix->addr.family ? prefix_from_addr(&prefix->addr, prefix->len) : none;
}

static struct filter_rule canonical(const struct filter_rule *rule)
{
	struct filter_rule copy = *rule;

	copy.src = canonical_prefix(&rule->src);
	copy.dst = canonical_prefix(&rule->dst);
	return copy;
}

static void sort_and_merge(struct filter_rules *set)
{
	size_t kept = 0;
	size_t i;

	if (!set->count)
		return;
	qsort(set->rules, set->count, sizeof(set->rules[0]), compare_rule);
	for (i = 1; i < set->count; i++) {
		if (!merge(&set->rules[kept], &set->rules[i]))
			set->rules[++kept] = set->rules[i];
	}
	set->count = kept + 1;
}

static bool in_span(const struct span *span, const struct filter_rule *rule)
{
	return span->family == rule->dst.addr.family && span->len == rule->dst.len &&
	       compare_prefix(&span->src, &rule->src) == 0;
}

/* Mostly there is one. */
static struct span *shrink(struct span *spans, size_t count)
{
	struct span *less = realloc(spans, (count + 1) * sizeof(*spans));

	return less ? less : spans;
}

static int index_spans(struct filter_rules *set)
{
	set->spans = malloc((set->count + 1) * sizeof(*set->spans));
	if (!set->spans)
		return -1;
	for (size_t i = 0; i < set->count; i++) {
		const struct filter_rule *rule = &set->rules[i];

		if (set->span_count && in_span(&set->spans[set->span_count - 1], rule))
			set->spans[set->span_count - 1].count++;
		else
			set->spans[set->span_count++] =
				(struct span){ rule->src, rule->dst.addr.family, rule->dst.len, i,
					       1 };
	}
	set->spans = shrink(set->spans, set->span_count);
	return 0;
}

/* The set of either the allowing or the denying rules among these. */
static struct filter_rules *set_new(const struct filter_rule *rules, size_t count,
				    const struct ip_addr *own, bool denies)
{
	struct filter_rules *set = calloc(1, sizeof(*set) + count * sizeof(set->rules[0]));
	size_t i;

	if (!set)
		return NULL;
	set->denies = denies;
	set->any_source = !own;
	if (own)
		memcpy(set->own, own, sizeof(set->own));
	for (i = 0; i < count; i++) {
		/* An impossible range says nothing. */
		if (rules[i].deny == denies && rules[i].port_low <= rules[i].port_high)
			set->rules[set->count++] = canonical(&rules[i]);
	}
	sort_and_merge(set);
	if (index_spans(set) == 0)
		return set;
	filter_rules_free(set);
	return NULL;
}

static bool any_denies(const struct filter_rule *rules, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (rules[i].deny)
			return true;
	}
	return false;
}

struct filter_rules *filter_rules_new(const struct filter_rule *rules, size_t count,
				      const struct ip_addr *own)
{
	struct filter_rules *set;

	if (count > FILTER_RULES_MAX)
		return NULL;
	set = set_new(rules, count, own, false);
	if (!set)
		return NULL;
	if (any_denies(rules, count)) {
		set->denied = set_new(rules, count, own, true);
		if (!set->denied) {
			filter_rules_free(set);
			return NULL;
		}
	}
	set->id = atomic_fetch_add(&last_id, 1) + 1;
	return set;
}

void filter_rules_free(struct filter_rules *rules)
{
	if (!rules)
		return;
	filter_rules_free(rules->denied);
	free(rules->spans);
	free(rules);
}

uint64_t filter_rules_id(const struct filter_rules *rules)
{
	return rules ? rules->id : 0;
}

/* The last rule of the span that sorts at or before what is wanted, or NULL. */
static const struct filter_rule *find_before(const struct filter_rules *set,
					     const struct span *span,
					     const struct filter_rule *wanted)
{
	size_t low = span->first;
	size_t high = span->first + span->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare_rule(&set->rules[mid], wanted) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low > span->first ? &set->rules[low - 1] : NULL;
}

static bool covers(const struct filter_rule *rule, const struct filter_rule *wanted, bool ports)
{
	if (!rule || compare_prefix(&rule->src, &wanted->src) ||
	    compare_prefix(&rule->dst, &wanted->dst) || rule->proto != wanted->proto)
		return false;
	if (!ports)
		return rule->deny || (rule->port_low == 0 && rule->port_high == PORT_MAX);
	return wanted->port_low <= rule->port_high;
}

static bool span_matches(const struct filter_rules *set, const struct span *span,
			 const struct filter_tuple *tuple)
{
	bool ports = !tuple->fragment && filter_proto_has_ports(tuple->proto);
	struct filter_rule wanted;

	memset(&wanted, 0, sizeof(wanted));
	wanted.src = span->src;
	if (span->family)
		wanted.dst = prefix_from_addr(&tuple->dst, span->len);
	/* Without ports: the rule for all of them, or any rule that denies one. */
	wanted.port_low = ports ? tuple->dst_port : set->denies ? PORT_MAX : 0;
	wanted.proto = tuple->proto;
	if (covers(find_before(set, span, &wanted), &wanted, ports))
		return true;
	wanted.proto = FILTER_PROTO_ANY;
	return covers(find_before(set, span, &wanted), &wanted, ports);
}

bool filter_is_internet(const struct ip_addr *addr)
{
	static const uint8_t teredo[4] = { 0x20, 0x01 }, sixtofour[2] = { 0x20, 0x02 };

	if (addr->family != AF_INET6)
		return addr_is_global(addr);
	/* 2000::/3 but for forms that name an address of v4, which may be a private one. */
	return (addr->bytes[0] & 0xe0) == 0x20 && memcmp(addr->bytes, teredo, 4) != 0 &&
	       memcmp(addr->bytes, sixtofour, 2) != 0;
}

/* Is the span about this destination at all? */
static bool is_to(const struct span *span, const struct ip_addr *dst)
{
	if (!span->family)
		return true;
	return span->family == dst->family && (span->len > 0 || filter_is_internet(dst));
}

static bool set_matches(const struct filter_rules *set, const struct filter_tuple *tuple)
{
	bool own = set->any_source || addr_equal(&tuple->src, &set->own[0]) ||
		   addr_equal(&tuple->src, &set->own[1]);

	for (size_t i = 0; i < set->span_count; i++) {
		const struct span *span = &set->spans[i];
		bool from = span->src.addr.family ? (set->any_source || !own) &&
							    prefix_contains(&span->src, &tuple->src)
						  : own;

		if (from && is_to(span, &tuple->dst) && span_matches(set, span, tuple))
			return true;
	}
	return false;
}

bool filter_rules_match(const struct filter_rules *set, const struct filter_tuple *tuple)
{
	if (!set || !set_matches(set, tuple))
		return false;
	return !set->denied || !set_matches(set->denied, tuple);
}
