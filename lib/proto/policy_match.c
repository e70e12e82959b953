/* Which selectors name a node; and what is made of a policy once, so that this is quick. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/policy_model.h"

#define USER_SIZE (CERT_OWNER_MAX + 6)

static int compare_memberships(const void *a, const void *b)
{
	const struct membership *x = a;
	const struct membership *y = b;

	return strcmp(x->member, y->member);
}

/* Groups that no rule and no test names do not matter. */
static int collect_memberships(struct policy *policy)
{
	size_t total = 0;

	for (size_t i = 0; i < policy->group_count; i++)
		total += policy->groups[i].member_count;
	policy->memberships = malloc((total + 1) * sizeof(*policy->memberships));
	if (!policy->memberships)
		return -ENOMEM;
	for (size_t i = 0; i < policy->group_count; i++) {
		const struct policy_group *group = &policy->groups[i];
		uint32_t number = policy_number_find(policy, SELECT_GROUP, group->name, NULL);

		for (size_t j = 0; number && j < group->member_count; j++)
			policy->memberships[policy->membership_count++] =
				(struct membership){ group->members[j], number - 1 };
	}
	qsort(policy->memberships, policy->membership_count, sizeof(*policy->memberships),
	      compare_memberships);
	return 0;
}

static int collect_prefixes(struct policy *policy)
{
	policy->prefixes = malloc((policy->selector_count + 1) * sizeof(*policy->prefixes));
	if (!policy->prefixes)
		return -ENOMEM;
	for (size_t i = 0; i < policy->selector_count; i++) {
		const struct selector *selector = &policy->selectors[i];

		if (selector->kind != SELECT_PREFIX)
			continue;
		policy->prefixes[policy->prefix_count++] = (uint32_t)i;
		policy->lengths[selector->prefix.addr.family == AF_INET6][selector->prefix.len] =
			true;
	}
	return 0;
}

static int postings_new(struct postings *postings, size_t selectors, size_t entries)
{
	postings->first = calloc(selectors + 2, sizeof(*postings->first));
	postings->list = malloc((entries + 1) * sizeof(*postings->list));
	return postings->first && postings->list ? 0 : -ENOMEM;
}

/* From counts at [s + 2] to the place at [s + 1] where the next of s goes. */
static void sum_up(struct postings *postings, size_t selectors)
{
	for (size_t i = 2; i < selectors + 2; i++)
		postings->first[i] += postings->first[i - 1];
}

static void post_sources(struct policy *policy)
{
	struct postings *postings = &policy->as_source;

	for (size_t i = 0; i < policy->source_count; i++)
		postings->first[policy->sources[i] + 2]++;
	sum_up(postings, policy->selector_count);
	for (size_t r = 0; r < policy->rule_count; r++) {
		const struct policy_rule *rule = &policy->rules[r];

		for (size_t i = 0; i < rule->source_count; i++) {
			uint32_t selector = policy->sources[rule->source + i];

			postings->list[postings->first[selector + 1]++] = (uint32_t)r;
		}
	}
}

static void post_destinations(struct policy *policy)
{
	struct postings *postings = &policy->as_destination;

	for (size_t i = 0; i < policy->destination_count; i++)
		postings->first[policy->destinations[i].who + 2]++;
	sum_up(postings, policy->selector_count);
	for (size_t i = 0; i < policy->destination_count; i++)
		postings->list[postings->first[policy->destinations[i].who + 1]++] = (uint32_t)i;
}

int policy_finish(struct policy *policy)
{
	int err = collect_memberships(policy);

	if (err == 0)
		err = collect_prefixes(policy);
	if (err == 0)
		err = postings_new(&policy->as_source, policy->selector_count,
				   policy->source_count);
	if (err == 0)
		err = postings_new(&policy->as_destination, policy->selector_count,
				   policy->destination_count);
	if (err < 0)
		return err;
	post_sources(policy);
	post_destinations(policy);
	return 0;
}

/* --- the selectors of a node --- */

static int add_hit(struct policy_hits *hits, uint32_t selector, uint32_t how)
{
	if (hits->count == hits->cap) {
		size_t cap = hits->cap ? hits->cap * 2 : 32;
		struct policy_hit *grown = realloc(hits->list, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		hits->list = grown;
		hits->cap = cap;
	}
	hits->list[hits->count++] = (struct policy_hit){ selector, how };
	return 0;
}

static int hit_named(const struct policy *policy, struct policy_hits *hits, enum selector_kind kind,
		     const char *name)
{
	uint32_t number = policy_number_find(policy, kind, name, NULL);

	return number ? add_hit(hits, number - 1, HIT_NODE) : 0;
}

/* The groups of the file that list this member. */
static int hit_memberships(const struct policy *policy, struct policy_hits *hits,
			   const char *member)
{
	size_t low = 0;
	size_t high = policy->membership_count;
	int err = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(policy->memberships[middle].member, member) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; err == 0 && low < policy->membership_count &&
	       strcmp(policy->memberships[low].member, member) == 0;
	     low++)
		err = add_hit(hits, policy->memberships[low].group, HIT_NODE);
	return err;
}

static int hit_owner(const struct policy *policy, struct policy_hits *hits, const char *owner)
{
	char member[USER_SIZE] = "user:";
	int err;

	if (!owner || !owner[0] || strlen(owner) > CERT_OWNER_MAX)
		return 0;
	strcpy(member + 5, owner);
	err = hit_named(policy, hits, SELECT_USER, owner);
	return err < 0 ? err : hit_memberships(policy, hits, member);
}

static int hit_labels(const struct policy *policy, struct policy_hits *hits,
		      const struct policy_node *node)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < node->group_count; i++)
		err = hit_named(policy, hits, SELECT_GROUP, node->groups[i]);
	for (size_t i = 0; err == 0 && i < node->tag_count; i++)
		err = hit_named(policy, hits, SELECT_TAG, node->tags[i]);
	return err;
}

static int hit_address(const struct policy *policy, struct policy_hits *hits,
		       const struct ip_addr *addr, uint32_t how)
{
	const bool *lengths = policy->lengths[addr->family == AF_INET6];
	size_t bits = addr_len(addr) * 8;
	int err = 0;

	for (size_t len = 0; bits && len <= bits && err == 0; len++) {
		struct prefix prefix;
		uint32_t number;

		if (!lengths[len])
			continue;
		prefix = prefix_from_addr(addr, (unsigned int)len);
		number = policy_number_find(policy, SELECT_PREFIX, NULL, &prefix);
		if (number)
			err = add_hit(hits, number - 1, how);
	}
	return err;
}

/* How a prefix names what the node carries: HIT_ROUTE, HIT_EXIT. */
static uint32_t route_how(const struct prefix *prefix, const struct policy_node *node)
{
	uint32_t how = 0;

	for (size_t i = 0; i < node->route_count; i++)
		if (prefix_overlaps(prefix, &node->routes[i]))
			how |= node->routes[i].len == 0 ? HIT_EXIT : HIT_ROUTE;
	return how;
}

static int hit_prefixes(const struct policy *policy, struct policy_hits *hits,
			const struct policy_node *node)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < policy->prefix_count; i++) {
		const struct prefix *prefix = &policy->selectors[policy->prefixes[i]].prefix;
		uint32_t how = route_how(prefix, node);

		if (how)
			err = add_hit(hits, policy->prefixes[i], how);
	}
	return err;
}

/*
 * What the node carries for others; that of an exit is the internet, of which a prefix is a part
 * where something is denied, and only there.
 */
static int hit_routes(const struct policy *policy, struct policy_hits *hits,
		      const struct policy_node *node)
{
	uint32_t any = policy_number_find(policy, SELECT_ANY, NULL, NULL);
	uint32_t internet = policy_number_find(policy, SELECT_INTERNET, NULL, NULL);
	bool carries = false;
	bool exit = false;
	int err = 0;

	for (size_t i = 0; i < node->route_count; i++) {
		carries |= node->routes[i].len > 0;
		exit |= node->routes[i].len == 0;
	}
	if (exit && internet)
		err = add_hit(hits, internet - 1, HIT_EXIT);
	if (err == 0 && carries && any)
		err = add_hit(hits, any - 1, HIT_ROUTE);
	return err == 0 && (carries || exit) ? hit_prefixes(policy, hits, node) : err;
}

uint32_t policy_source_how(const struct policy *policy, const struct policy_rule *rule,
			   uint32_t selector, uint32_t how)
{
	if (policy->selectors[selector].kind == SELECT_ANY && !rule->deny)
		return how & HIT_SELF;
	return how & (HIT_SELF | HIT_ROUTE);
}

static int compare_hits(const void *a, const void *b)
{
	const struct policy_hit *x = a;
	const struct policy_hit *y = b;

	return x->selector < y->selector ? -1 : x->selector > y->selector;
}

/* In order, each selector once. */
static void put_in_order(struct policy_hits *hits)
{
	size_t kept = 0;

	if (hits->count == 0)
		return;
	qsort(hits->list, hits->count, sizeof(hits->list[0]), compare_hits);
	for (size_t i = 1; i < hits->count; i++) {
		if (hits->list[i].selector == hits->list[kept].selector)
			hits->list[kept].how |= hits->list[i].how;
		else
			hits->list[++kept] = hits->list[i];
	}
	hits->count = kept + 1;
}

int policy_match(const struct policy *policy, const struct policy_node *node,
		 struct policy_hits *hits)
{
	int err;

	hits->count = 0;
	err = hit_named(policy, hits, SELECT_ANY, NULL);
	if (err == 0 && node->name[0])
		err = hit_named(policy, hits, SELECT_NAME, node->name);
	if (err == 0 && node->name[0])
		err = hit_memberships(policy, hits, node->name);
	if (err == 0)
		err = hit_owner(policy, hits, node->owner);
	if (err == 0)
		err = hit_labels(policy, hits, node);
	if (err == 0)
		err = hit_address(policy, hits, &node->address4, HIT_V4);
	if (err == 0)
		err = hit_address(policy, hits, &node->address6, HIT_V6);
	if (err == 0)
		err = hit_routes(policy, hits, node);
	put_in_order(hits);
	return err;
}
