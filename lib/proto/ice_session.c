#include "proto/ice_session.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encoding.h"

/* The alphabet of base64 is exactly ice-char; chars is a multiple of 4, so there is no padding. */
static void draw_text(char *out, size_t chars, const struct rng *rng)
{
	uint8_t bytes[ICE_PWD_LEN];
	char text[BASE64_SIZE(ICE_PWD_LEN)];

	rng_fill(rng, bytes, chars / 4 * 3);
	encoding_base64(text, sizeof(text), bytes, chars / 4 * 3);
	memcpy(out, text, chars);
	out[chars] = '\0';
	sodium_memzero(bytes, sizeof(bytes));
	sodium_memzero(text, sizeof(text));
}

void ice_session_init(struct ice_session *s, uint32_t generation, const struct rng *rng,
		      uint64_t now_ns)
{
	*s = (struct ice_session){ .generation = generation };
	draw_text(s->ufrag, ICE_UFRAG_LEN, rng);
	draw_text(s->pwd, ICE_PWD_LEN, rng);
	s->patience_ns = now_ns + ICE_PATIENCE_MS * NS_PER_MS;
}

void ice_session_renew_patience(struct ice_session *s, uint64_t now_ns)
{
	if (s->patience_ns == CLOCK_NEVER)
		s->patience_ns = now_ns + ICE_PATIENCE_MS * NS_PER_MS;
}

void ice_session_clear(struct ice_session *s)
{
	free(s->pairs);
	sodium_memzero(s, sizeof(*s));
}

struct ice_pair *ice_session_find(const struct ice_session *s, const struct endpoint *base,
				  const struct endpoint *remote)
{
	for (size_t i = 0; i < s->pair_count; i++) {
		if (endpoint_equal(&s->pairs[i].base, base) &&
		    endpoint_equal(&s->pairs[i].remote, remote))
			return &s->pairs[i];
	}
	return NULL;
}

struct ice_pair *ice_session_find_id(const struct ice_session *s, uint32_t id)
{
	for (size_t i = 0; i < s->pair_count; i++) {
		if (s->pairs[i].id == id)
			return &s->pairs[i];
	}
	return NULL;
}

/* The least useful pair that may go to make room, or NULL. */
static struct ice_pair *find_lowest(struct ice_session *s, bool controlling)
{
	struct ice_pair *lowest = NULL;

	for (size_t i = 0; i < s->pair_count; i++) {
		struct ice_pair *pair = &s->pairs[i];

		if (pair->state == ICE_PAIR_VALID)
			continue;
		if (!lowest ||
		    ice_pair_priority(pair, controlling) < ice_pair_priority(lowest, controlling))
			lowest = pair;
	}
	return lowest;
}

static bool grow(struct ice_session *s)
{
	size_t cap = s->pair_cap ? s->pair_cap * 2 : 8;
	struct ice_pair *pairs;

	if (cap > ICE_PAIRS_MAX)
		cap = ICE_PAIRS_MAX;
	pairs = realloc(s->pairs, cap * sizeof(*pairs));
	if (!pairs)
		return false;
	s->pairs = pairs;
	s->pair_cap = cap;
	return true;
}

struct ice_pair *ice_session_add(struct ice_session *s, const struct ice_pair *like,
				 bool controlling)
{
	struct ice_pair *lowest;

	if (s->pair_count == ICE_PAIRS_MAX) {
		lowest = find_lowest(s, controlling);
		if (!lowest ||
		    ice_pair_priority(lowest, controlling) >= ice_pair_priority(like, controlling))
			return NULL;
		ice_session_remove(s, lowest);
	}
	if (s->pair_count == s->pair_cap && !grow(s))
		return NULL;
	s->pairs[s->pair_count] = *like;
	return &s->pairs[s->pair_count++];
}

void ice_session_remove(struct ice_session *s, struct ice_pair *pair)
{
	struct ice_pair *last = &s->pairs[--s->pair_count];

	if (pair != last)
		*pair = *last;
}

struct ice_pair *ice_session_best_valid(const struct ice_session *s, bool controlling)
{
	struct ice_pair *best = NULL;

	for (size_t i = 0; i < s->pair_count; i++) {
		struct ice_pair *pair = &s->pairs[i];

		if (pair->state == ICE_PAIR_VALID &&
		    (!best ||
		     ice_pair_priority(pair, controlling) > ice_pair_priority(best, controlling)))
			best = pair;
	}
	return best;
}

static bool goes_first(const struct ice_pair *a, const struct ice_pair *b, bool controlling)
{
	if (a->triggered != b->triggered)
		return a->triggered;
	if (a->due_ns != b->due_ns)
		return a->due_ns < b->due_ns;
	return ice_pair_priority(a, controlling) > ice_pair_priority(b, controlling);
}

struct ice_pair *ice_session_next_due(const struct ice_session *s, bool controlling)
{
	struct ice_pair *first = NULL;

	for (size_t i = 0; i < s->pair_count; i++) {
		struct ice_pair *pair = &s->pairs[i];

		if (pair->due_ns != CLOCK_NEVER && (!first || goes_first(pair, first, controlling)))
			first = pair;
	}
	return first;
}
