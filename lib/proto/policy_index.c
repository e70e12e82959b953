#include "proto/policy_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/policy_model.h"
#include "proto/policy_table.h"

#define NONE UINT32_MAX

/* Nodes with the same hits; those that carry routes have a class for each. */
struct class
{
	struct policy_hit *hits;
	size_t hit_count;
	struct policy_member **members;
	size_t member_count;
	struct prefix *routes;
	size_t route_count;
	struct policy_reach *row; /* kept while row_age is the index's age */
	size_t row_count;
	uint64_t row_age;
};

/* A class that a selector names. */
struct class_hit {
	uint32_t class;
	uint32_t how;
};

struct class_list {
	struct class_hit *list;
	size_t count;
};

/* What of a use matters; see make_key. */
struct use_key {
	uint64_t what;
	uint64_t source;
};

struct policy_grant {
	uint32_t number;
	bool nothing;        /* all of it is denied */
	bool lan;            /* some of it is about who is behind the node that starts */
	struct use_key *key; /* the uses it was made from */
	size_t key_count;
	struct policy_rules rules;
};

/* What one class has to do with the class whose row is made; collected in a chain. */
struct bucket {
	uint32_t first; /* in steps; NONE: nothing */
	uint32_t last;
	uint32_t own; /* the last destination that the node itself may reach; NONE: none */
	uint32_t count;
};

struct step {
	struct policy_use use;
	uint32_t next;
};

/* Working space for one row. */
struct scratch {
	struct bucket *buckets; /* one for each class, empty between rows */
	size_t bucket_cap;
	uint32_t *touched; /* classes with a bucket that is not */
	size_t touched_count;
	struct step *steps;
	size_t step_count;
	size_t step_cap;
	struct policy_use *uses;
	struct use_key *key;
	size_t cap;      /* of uses and key */
	uint32_t *rules; /* as many as there are sources */
	struct policy_reach *row;
	uint32_t *places; /* of a class in row */
	size_t row_count;
};

struct policy_index {
	const struct policy *policy;
	struct class *classes;
	size_t class_count;
	struct policy_table class_table;
	struct class_list *named; /* for each selector */
	struct policy_grant **grants;
	size_t grant_count;
	struct policy_table grant_table;
	struct policy_hits hits;
	struct scratch scratch;
	size_t row_total; /* reaches that classes keep */
	uint64_t age;     /* changes when classes come */
};

#define ROWS_KEPT_MAX (1u << 20)                                 /* reaches */
#define SOURCES_MAX   (POLICY_REFERENCES_MAX + FILTER_RULES_MAX) /* that name one pair */

/* Grows an array of that many elements before one is added. */
static int make_room(void **array, size_t count, size_t size)
{
	void *grown;

	if (count & (count - 1) || (count > 0 && count < 4))
		return 0;
	grown = realloc(*array, (count ? count * 2 : 4) * size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	return 0;
}

/* --- the index --- */

int policy_index_new(struct policy_index **out, const struct policy *policy)
{
	struct policy_index *index = calloc(1, sizeof(*index));

	if (!index)
		return -ENOMEM;
	index->policy = policy;
	index->age = 1;
	index->named = calloc(policy->selector_count + 1, sizeof(*index->named));
	if (!index->named) {
		policy_index_free(index);
		return -ENOMEM;
	}
	*out = index;
	return 0;
}

static void grant_free(struct policy_grant *grant)
{
	if (!grant)
		return;
	policy_rules_clear(&grant->rules);
	free(grant->key);
	free(grant);
}

static void scratch_clear(struct scratch *s)
{
	free(s->buckets);
	free(s->touched);
	free(s->steps);
	free(s->uses);
	free(s->rules);
	free(s->key);
	free(s->row);
	free(s->places);
}

void policy_index_free(struct policy_index *index)
{
	if (!index)
		return;
	for (size_t i = 0; i < index->class_count; i++) {
		struct class *class = &index->classes[i];

		free(class->hits);
		free(class->members);
		free(class->routes);
		free(class->row);
	}
	for (size_t i = 0; index->named && i < index->policy->selector_count; i++)
		free(index->named[i].list);
	for (size_t i = 0; i < index->grant_count; i++)
		grant_free(index->grants[i]);
	free(index->classes);
	free(index->class_table.slots);
	free(index->named);
	free(index->grants);
	free(index->grant_table.slots);
	free(index->hits.list);
	scratch_clear(&index->scratch);
	free(index);
}

/* --- classes --- */

static bool same_routes(const struct class *class, const struct policy_node *node)
{
	if (class->route_count != node->route_count)
		return false;
	for (size_t i = 0; i < node->route_count; i++)
		if (!prefix_equal(&class->routes[i], &node->routes[i]))
			return false;
	return true;
}

static uint64_t hash_hits(const struct policy_hits *hits, const struct policy_node *node)
{
	uint64_t hash = node->route_count;

	for (size_t i = 0; i < hits->count; i++)
		hash = policy_mix(hash,
				  ((uint64_t)hits->list[i].selector << 8) | hits->list[i].how);
	return hash;
}

static uint32_t find_class(const struct policy_index *index, const struct policy_node *node,
			   uint64_t hash)
{
	const struct policy_table *table = &index->class_table;
	size_t bytes = index->hits.count * sizeof(struct policy_hit);

	for (size_t at = hash & (table->size - 1); table->size && table->slots[at].number;
	     at = (at + 1) & (table->size - 1)) {
		uint32_t number = table->slots[at].number - 1;
		const struct class *class = &index->classes[number];

		if (table->slots[at].hash == hash && class->hit_count == index->hits.count &&
		    (!bytes || memcmp(class->hits, index->hits.list, bytes) == 0) &&
		    same_routes(class, node))
			return number;
	}
	return NONE;
}

static int fill_class(struct class *class, const struct policy_hits *hits,
		      const struct policy_node *node)
{
	class->hits = malloc(hits->count * sizeof(*class->hits) + 1);
	class->routes = malloc(node->route_count * sizeof(*class->routes) + 1);
	if (!class->hits || !class->routes)
		return -ENOMEM;
	if (hits->count)
		memcpy(class->hits, hits->list, hits->count * sizeof(*class->hits));
	if (node->route_count)
		memcpy(class->routes, node->routes, node->route_count * sizeof(*class->routes));
	class->hit_count = hits->count;
	class->route_count = node->route_count;
	return 0;
}

/* Room for one more class in everything that has an entry for each. */
static int make_class_room(struct policy_index *index)
{
	struct scratch *s = &index->scratch;
	size_t count = index->class_count;
	int err = make_room((void **)&index->classes, count, sizeof(*index->classes));

	if (err == 0)
		err = make_room((void **)&s->buckets, count, sizeof(*s->buckets));
	if (err == 0)
		err = make_room((void **)&s->touched, count, sizeof(*s->touched));
	if (err == 0)
		err = make_room((void **)&s->row, count, sizeof(*s->row));
	if (err == 0)
		err = make_room((void **)&s->places, count, sizeof(*s->places));
	for (size_t i = 0; err == 0 && i < index->hits.count; i++) {
		struct class_list *named = &index->named[index->hits.list[i].selector];

		err = make_room((void **)&named->list, named->count, sizeof(*named->list));
	}
	return err < 0 ? err : policy_table_grow(&index->class_table);
}

static int add_class(struct policy_index *index, const struct policy_node *node, uint64_t hash,
		     uint32_t *out)
{
	struct class class = { .hits = NULL };
	uint32_t number = (uint32_t)index->class_count;
	int err = make_class_room(index);

	if (err == 0)
		err = fill_class(&class, &index->hits, node);
	if (err < 0) {
		free(class.hits);
		free(class.routes);
		return err;
	}
	index->classes[index->class_count++] = class;
	index->scratch.buckets[number] = (struct bucket){ NONE, NONE, NONE, 0 };
	index->scratch.places[number] = NONE;
	policy_table_add(&index->class_table, hash, number);
	for (size_t i = 0; i < index->hits.count; i++) {
		struct class_list *named = &index->named[index->hits.list[i].selector];

		named->list[named->count++] = (struct class_hit){ number, index->hits.list[i].how };
	}
	index->age++;
	*out = number;
	return 0;
}

int policy_index_put(struct policy_index *index, struct policy_member *member,
		     const struct policy_node *node)
{
	int err = policy_match(index->policy, node, &index->hits);
	struct class *class;
	uint32_t number;
	uint64_t hash;

	hash = hash_hits(&index->hits, node);
	number = err < 0 ? NONE : find_class(index, node, hash);
	if (err == 0 && number == NONE)
		err = add_class(index, node, hash, &number);
	if (err == 0 && member->index == index && member->class == number)
		return 0;
	policy_index_remove(index, member);
	if (err < 0)
		return err;
	class = &index->classes[number];
	err = make_room((void **)&class->members, class->member_count, sizeof(*class->members));
	if (err < 0)
		return err;
	member->index = index;
	member->class = number;
	member->slot = (uint32_t) class->member_count;
	class->members[class->member_count++] = member;
	return 0;
}

void policy_index_remove(struct policy_index *index, struct policy_member *member)
{
	struct class *class;

	if (member->index != index)
		return;
	class = &index->classes[member->class];
	class->members[member->slot] = class->members[--class->member_count];
	class->members[member->slot]->slot = member->slot;
	member->index = NULL;
}

struct policy_member *const *policy_index_members(const struct policy_index *index, uint32_t class,
						  size_t *count)
{
	*count = index->classes[class].member_count;
	return index->classes[class].members;
}

size_t policy_index_classes(const struct policy_index *index)
{
	return index->class_count;
}

/* --- grants --- */

uint32_t policy_grant_number(const struct policy_grant *grant)
{
	return grant->number;
}

size_t policy_index_grants(const struct policy_index *index)
{
	return index->grant_count;
}

int policy_grant_rules(const struct policy_grant *grant, const struct policy_node *to,
		       struct policy_rules *rules)
{
	return policy_rules_place(grant->rules.rules, grant->rules.count, to, rules);
}

bool policy_grant_has_lan(const struct policy_grant *grant)
{
	return grant->lan;
}

int policy_grant_lan(const struct policy_grant *grant, const struct policy_node *to,
		     struct policy_rules *rules)
{
	return policy_rules_place_lan(grant->rules.rules, grant->rules.count, to, rules);
}

uint32_t policy_grant_routes_used(const struct policy_grant *in, const struct policy_grant *out,
				  const struct policy_node *peer)
{
	return policy_list_routes_used(in ? &in->rules : NULL, out ? &out->rules : NULL,
				       peer->routes, peer->route_count);
}

/*
 * What of a use matters: its ports, whether it denies, and how it names the receiver; when that is
 * by a route, all of it. And the source, which is mostly the node itself.
 */
static struct use_key make_key(const struct policy *policy, const struct policy_use *use,
			       uint32_t from, uint32_t to)
{
	const struct destination *destination = &policy->destinations[use->destination];
	bool any = policy->selectors[destination->who].kind == SELECT_ANY;
	bool deny = policy->rules[destination->rule].deny;
	uint32_t self = use->how & HIT_NODE ? HIT_V4 | HIT_V6 : use->how & HIT_SELF;
	struct use_key key = { .source = 0 };

	if (!any && use->how & (HIT_ROUTE | HIT_EXIT))
		key.what = 1u << 7 | (uint64_t)use->destination << 8 | (uint64_t)to << 40;
	else
		key.what = (uint64_t)destination->ports << 8 | (uint64_t)deny << 4 |
			   (any && deny ? 0 : self);
	if (use->source != POLICY_OWN)
		key.source = 1ull << 63 | (uint64_t)use->source << 32 | from;
	return key;
}

static int compare_keys(const void *a, const void *b)
{
	const struct use_key *x = a;
	const struct use_key *y = b;

	if (x->what != y->what)
		return x->what < y->what ? -1 : 1;
	return x->source < y->source ? -1 : x->source > y->source;
}

static struct policy_grant *find_grant(const struct policy_index *index, const struct use_key *key,
				       size_t count, uint64_t hash)
{
	const struct policy_table *table = &index->grant_table;

	for (size_t at = hash & (table->size - 1); table->size && table->slots[at].number;
	     at = (at + 1) & (table->size - 1)) {
		struct policy_grant *grant = index->grants[table->slots[at].number - 1];

		if (table->slots[at].hash == hash && grant->key_count == count &&
		    memcmp(grant->key, key, count * sizeof(*key)) == 0)
			return grant;
	}
	return NULL;
}

static struct policy_node class_view(const struct class *class)
{
	return (struct policy_node){ .name = "",
				     .routes = class->routes,
				     .route_count = class->route_count };
}

/* The two classes that a grant is for. */
struct direction {
	uint32_t from;
	uint32_t to;
};

static int add_grant(struct policy_index *index, const struct direction *way, size_t count,
		     uint64_t hash, size_t key_count, struct policy_grant **out)
{
	struct policy_node from = class_view(&index->classes[way->from]);
	struct policy_node to = class_view(&index->classes[way->to]);
	struct policy_grant *grant = calloc(1, sizeof(*grant));
	int err = make_room((void **)&index->grants, index->grant_count,
			    sizeof(struct policy_grant *));

	if (err == 0)
		err = policy_table_grow(&index->grant_table);
	if (err == 0 && grant)
		grant->key = malloc(key_count * sizeof(*grant->key) + 1);
	if (err == 0 && (!grant || !grant->key))
		err = -ENOMEM;
	if (err == 0)
		err = policy_rules_make(index->policy, index->scratch.uses, count, &from, &to,
					&grant->rules);
	if (err < 0) {
		grant_free(grant);
		return err;
	}
	memcpy(grant->key, index->scratch.key, key_count * sizeof(*grant->key));
	grant->key_count = key_count;
	grant->nothing = grant->rules.count == 0;
	for (size_t i = 0; i < grant->rules.count; i++)
		grant->lan |= grant->rules.rules[i].src.addr.family != 0;
	grant->number = (uint32_t)index->grant_count;
	policy_table_add(&index->grant_table, hash, grant->number);
	index->grants[index->grant_count++] = grant;
	*out = grant;
	return 0;
}

static int need_uses(struct scratch *s, size_t count)
{
	struct policy_use *uses;
	struct use_key *key;

	if (count <= s->cap)
		return 0;
	count *= 2;
	uses = realloc(s->uses, count * sizeof(*uses));
	if (uses)
		s->uses = uses;
	key = realloc(s->key, count * sizeof(*key));
	if (key)
		s->key = key;
	if (!uses || !key)
		return -ENOMEM;
	s->cap = count;
	return 0;
}

/* The grant for these uses of a pair; NULL when all is denied. */
static int get_grant(struct policy_index *index, const struct direction *way,
		     const struct bucket *bucket, const struct policy_grant **out)
{
	struct scratch *s = &index->scratch;
	struct policy_grant *grant;
	size_t count = 0, kept = 0;
	uint64_t hash = 0;
	int err = need_uses(s, bucket->count);

	if (err < 0)
		return err;
	for (uint32_t at = bucket->first; at != NONE; at = s->steps[at].next) {
		s->uses[count] = s->steps[at].use;
		s->key[count++] = make_key(index->policy, &s->steps[at].use, way->from, way->to);
	}
	if (count > 1)
		qsort(s->key, count, sizeof(*s->key), compare_keys);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || compare_keys(&s->key[i], &s->key[kept - 1]) != 0)
			s->key[kept++] = s->key[i];
	for (size_t i = 0; i < kept; i++)
		hash = policy_mix(policy_mix(hash, s->key[i].what), s->key[i].source);
	grant = find_grant(index, s->key, kept, hash);
	if (!grant)
		err = add_grant(index, way, count, hash, kept, &grant);
	if (err == 0)
		*out = grant->nothing ? NULL : grant;
	return err;
}

/* --- rows --- */

static int need_steps(struct scratch *s)
{
	struct step *grown;

	if (s->step_count < s->step_cap)
		return 0;
	s->step_cap = s->step_cap ? s->step_cap * 2 : 4096;
	grown = realloc(s->steps, s->step_cap * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->steps = grown;
	return 0;
}

static int append(struct scratch *s, uint32_t class, struct policy_use use)
{
	struct bucket *bucket = &s->buckets[class];
	uint32_t at = (uint32_t)s->step_count;
	bool own = use.source == POLICY_OWN;
	int err;

	/* Named by two sources of one rule. */
	if (own && bucket->own == use.destination)
		return 0;
	/* Each is at least one rule. */
	if (!own && bucket->count >= SOURCES_MAX)
		return -ENOSPC;
	err = need_steps(s);
	if (err < 0)
		return err;
	if (own)
		bucket->own = use.destination;
	bucket->count++;
	s->steps[s->step_count++] = (struct step){ use, NONE };
	if (bucket->first == NONE) {
		s->touched[s->touched_count++] = class;
		bucket->first = at;
	} else {
		s->steps[bucket->last].next = at;
	}
	bucket->last = at;
	return 0;
}

/* Empties the buckets, giving each to take with its class; goes on emptying after an error. */
static int drain(struct policy_index *index, uint32_t subject, bool inbound)
{
	struct scratch *s = &index->scratch;
	int err = 0;

	for (size_t i = 0; i < s->touched_count; i++) {
		uint32_t other = s->touched[i];
		struct bucket *bucket = &s->buckets[other];
		const struct policy_grant *grant = NULL;
		struct direction way = { inbound ? other : subject, inbound ? subject : other };
		struct policy_reach *reach;

		if (err == 0)
			err = get_grant(index, &way, bucket, &grant);
		*bucket = (struct bucket){ NONE, NONE, NONE, 0 };
		if (err < 0 || !grant)
			continue;
		if (s->places[other] == NONE) {
			s->places[other] = (uint32_t)s->row_count;
			s->row[s->row_count++] = (struct policy_reach){ .class = other };
		}
		reach = &s->row[s->places[other]];
		if (inbound)
			reach->in = grant;
		else
			reach->out = grant;
	}
	s->touched_count = 0;
	s->step_count = 0;
	return err;
}

static int need_rules(struct policy_index *index)
{
	struct scratch *s = &index->scratch;

	if (!s->rules)
		s->rules = malloc((index->policy->source_count + 1) * sizeof(*s->rules));
	return s->rules ? 0 : -ENOMEM;
}

static int append_sources(struct policy_index *index, struct policy_use use)
{
	const struct policy *policy = index->policy;
	const struct policy_rule *rule = &policy->rules[policy->destinations[use.destination].rule];
	int err = 0;

	for (uint32_t i = 0; i < rule->source_count; i++) {
		uint32_t selector = policy->sources[rule->source + i];
		const struct class_list *named = &index->named[selector];
		uint32_t counts = policy_source_how(policy, rule, selector, HIT_SELF | HIT_ROUTE);

		for (size_t j = 0; err == 0 && j < named->count; j++) {
			uint32_t how = named->list[j].how & counts;

			use.source = POLICY_OWN;
			if (how & HIT_SELF)
				err = append(&index->scratch, named->list[j].class, use);
			use.source = selector;
			if (err == 0 && how & HIT_ROUTE)
				err = append(&index->scratch, named->list[j].class, use);
		}
	}
	return err;
}

/* What others may start towards this class. */
static int collect_inbound(struct policy_index *index, const struct class *class)
{
	const struct postings *postings = &index->policy->as_destination;
	int err = 0;

	for (size_t i = 0; i < class->hit_count; i++) {
		const struct policy_hit *hit = &class->hits[i];

		for (uint32_t j = postings->first[hit->selector];
		     err == 0 && j < postings->first[hit->selector + 1]; j++)
			err = append_sources(index, (struct policy_use){ postings->list[j],
									 hit->how, POLICY_OWN });
	}
	return err;
}

static int compare_numbers(const void *a, const void *b)
{
	const uint32_t *x = a;
	const uint32_t *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The rules that have the class as a source, each once; in scratch.rules. */
static size_t collect_rules(struct policy_index *index, const struct class *class)
{
	const struct postings *postings = &index->policy->as_source;
	uint32_t *rules = index->scratch.rules;
	size_t count = 0;
	size_t kept = 0;

	for (size_t i = 0; i < class->hit_count; i++) {
		const struct policy_hit *hit = &class->hits[i];

		if (!(hit->how & HIT_SELF))
			continue;
		for (uint32_t j = postings->first[hit->selector];
		     j < postings->first[hit->selector + 1]; j++)
			rules[count++] = postings->list[j];
	}
	qsort(rules, count, sizeof(*rules), compare_numbers);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || rules[i] != rules[kept - 1])
			rules[kept++] = rules[i];
	return kept;
}

/* Whom a rule's destinations name, from this source of it. */
static int append_destinations(struct policy_index *index, const struct policy_rule *rule,
			       uint32_t source)
{
	const struct policy *policy = index->policy;
	int err = 0;

	for (uint32_t i = 0; i < rule->destination_count; i++) {
		uint32_t number = rule->destination + i;
		const struct class_list *named = &index->named[policy->destinations[number].who];

		for (size_t j = 0; err == 0 && j < named->count; j++)
			err = append(&index->scratch, named->list[j].class,
				     (struct policy_use){ number, named->list[j].how, source });
	}
	return err;
}

/* What those behind the class may start, by the selectors that name them. */
static int collect_lan(struct policy_index *index, const struct class *class)
{
	const struct policy *policy = index->policy;
	const struct postings *postings = &policy->as_source;
	int err = 0;

	for (size_t i = 0; i < class->hit_count; i++) {
		const struct policy_hit *hit = &class->hits[i];

		if (!(hit->how & HIT_ROUTE))
			continue;
		for (uint32_t j = postings->first[hit->selector];
		     err == 0 && j < postings->first[hit->selector + 1]; j++) {
			const struct policy_rule *rule = &policy->rules[postings->list[j]];

			if (policy_source_how(policy, rule, hit->selector, HIT_ROUTE))
				err = append_destinations(index, rule, hit->selector);
		}
	}
	return err;
}

/* What this class may start towards others. */
static int collect_outbound(struct policy_index *index, const struct class *class)
{
	size_t count = collect_rules(index, class);
	int err = 0;

	for (size_t i = 0; err == 0 && i < count; i++)
		err = append_destinations(index, &index->policy->rules[index->scratch.rules[i]],
					  POLICY_OWN);
	return err < 0 ? err : collect_lan(index, class);
}

static int make_row(struct policy_index *index, uint32_t number)
{
	struct scratch *s = &index->scratch;
	const struct class *class = &index->classes[number];
	int err = need_rules(index);
	int drained;

	s->row_count = 0;
	if (err == 0)
		err = collect_inbound(index, class);
	drained = drain(index, number, true);
	if (err == 0 && drained == 0)
		err = collect_outbound(index, class);
	if (err == 0)
		err = drained;
	drained = drain(index, number, false);
	for (size_t i = 0; i < s->row_count; i++)
		s->places[s->row[i].class] = NONE;
	return err < 0 ? err : drained;
}

/* Rows of classes with several members are wanted again. Without memory they are made again. */
static void keep_row(struct policy_index *index, struct class *class)
{
	const struct scratch *s = &index->scratch;
	struct policy_reach *row;

	index->row_total -= class->row ? class->row_count : 0;
	free(class->row);
	class->row = NULL;
	if (class->member_count < 2 || index->row_total + s->row_count > ROWS_KEPT_MAX)
		return;
	row = malloc(s->row_count * sizeof(*row) + 1);
	if (!row)
		return;
	if (s->row_count)
		memcpy(row, s->row, s->row_count * sizeof(*row));
	class->row = row;
	class->row_count = s->row_count;
	class->row_age = index->age;
	index->row_total += s->row_count;
}

int policy_index_row(struct policy_index *index, const struct policy_member *member,
		     const struct policy_reach **row, size_t *count)
{
	struct class *class = &index->classes[member->class];
	int err;

	if (class->row && class->row_age == index->age) {
		*row = class->row;
		*count = class->row_count;
		return 0;
	}
	err = make_row(index, member->class);
	if (err < 0)
		return err;
	keep_row(index, class);
	*row = index->scratch.row;
	*count = index->scratch.row_count;
	return 0;
}
