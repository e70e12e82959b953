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

bool ice_session_is_proven(const struct ice_session *s, const struct endpoint *remote)
{
	for (size_t i = 0; i < s->pair_count; i++) {
		if (s->pairs[i].state == ICE_PAIR_VALID &&
		    endpoint_equal(&s->pairs[i].remote, remote))
			return true;
	}
	return false;
}

bool ice_session_is_chosen(const struct ice_session *s, const struct endpoint *remote)
{
	for (size_t i = 0; i < s->pair_count; i++) {
		if (s->pairs[i].use_candidate && endpoint_equal(&s->pairs[i].remote, remote))
			return true;
	}
	return false;
}

void ice_session_remove_remote(struct ice_session *s, size_t index)
{
	const struct endpoint remote = s->remotes[index].addr;

	s->remote_count--;
	memmove(&s->remotes[index], &s->remotes[index + 1],
		(s->remote_count - index) * sizeof(s->remotes[0]));
	for (size_t i = s->pair_count; i-- > 0;) {
		if (endpoint_equal(&s->pairs[i].remote, &remote))
			ice_session_remove(s, &s->pairs[i]);
	}
}

bool ice_session_hear(struct ice_session *s, const uint8_t *transaction,
		      const struct endpoint *remote)
{
	size_t known = s->heard_count < ICE_CHECKS_HEARD ? s->heard_count : ICE_CHECKS_HEARD;
	struct ice_heard *heard;

	for (size_t i = 0; i < known; i++) {
		if (memcmp(s->heard[i].transaction, transaction, STUN_TRANSACTION_SIZE) == 0)
			return endpoint_equal(&s->heard[i].remote, remote);
	}
	heard = &s->heard[s->heard_count++ % ICE_CHECKS_HEARD];
	memcpy(heard->transaction, transaction, STUN_TRANSACTION_SIZE);
	heard->remote = *remote;
	return true;
}

/* The classes that give way first have the larger number. */
static unsigned int tier(const struct ice_pair *pair)
{
	return pair->hope == ICE_HOPE_SLIM ? 2 : pair->hope == ICE_HOPE_LINK;
}

/* Which of two pairs is rather to be kept. */
static bool is_worth_more(const struct ice_pair *a, const struct ice_pair *b, bool controlling)
{
	if (tier(a) != tier(b))
		return tier(a) < tier(b);
	/* What only a check told of says itself how important it is. */
	if ((a->remote_type == CANDIDATE_PRFLX) != (b->remote_type == CANDIDATE_PRFLX))
		return b->remote_type == CANDIDATE_PRFLX;
	return ice_pair_priority(a, controlling) > ice_pair_priority(b, controlling);
}

/* The least useful pair that may go to make room, or NULL. */
static struct ice_pair *find_lowest(struct ice_session *s, bool controlling)
{
	struct ice_pair *lowest = NULL;

	for (size_t i = 0; i < s->pair_count; i++) {
		struct ice_pair *pair = &s->pairs[i];

		if (pair->state == ICE_PAIR_VALID || pair->triggered)
			continue;
		if (!lowest || is_worth_more(lowest, pair, controlling))
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
		if (!lowest || !is_worth_more(like, lowest, controlling))
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
	uint64_t turn_a = ice_pair_turn_ns(a), turn_b = ice_pair_turn_ns(b);

	if (a->triggered != b->triggered)
		return a->triggered;
	if (turn_a != turn_b)
		return turn_a < turn_b;
	if (a->hope != b->hope)
		return a->hope < b->hope;
	return ice_pair_priority(a, controlling) > ice_pair_priority(b, controlling);
}

uint64_t ice_session_next_ns(const struct ice_session *s)
{
	uint64_t next = CLOCK_NEVER;

	for (size_t i = 0; i < s->pair_count; i++) {
		if (s->pairs[i].due_ns < next)
			next = s->pairs[i].due_ns;
	}
	return next;
}

struct ice_pair *ice_session_next_due(const struct ice_session *s, bool controlling,
				      uint64_t now_ns)
{
	struct ice_pair *first = NULL;

	for (size_t i = 0; i < s->pair_count; i++) {
		struct ice_pair *pair = &s->pairs[i];

		if (pair->due_ns <= now_ns && (!first || goes_first(pair, first, controlling)))
			first = pair;
	}
	return first;
}
