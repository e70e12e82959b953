#include "proto/ratelimiter.h"

#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/map.h"

#define COST_NS   (NS_PER_S / RATELIMITER_PER_SECOND)
#define TOKENS_NS (COST_NS * RATELIMITER_BURST)

/* What is one sender: a v4 address, or the first 64 bits of a v6 one. */
struct source {
	uint8_t family;
	uint8_t bytes[8];
};

struct bucket {
	struct source source;
	uint64_t tokens_ns;
	uint64_t last_ns;
};

struct ratelimiter {
	struct map *buckets;
	uint64_t swept_ns;
};

struct ratelimiter *ratelimiter_new(void)
{
	struct ratelimiter *limiter = calloc(1, sizeof(*limiter));

	if (!limiter)
		return NULL;
	limiter->buckets = map_new(sizeof(struct source), RATELIMITER_ENTRIES_MAX);
	if (!limiter->buckets) {
		free(limiter);
		return NULL;
	}
	return limiter;
}

/* Frees buckets idle since before; UINT64_MAX for all. */
static void sweep(struct ratelimiter *limiter, uint64_t before_ns)
{
	struct bucket *bucket;
	size_t cursor = 0;

	while ((bucket = map_next(limiter->buckets, &cursor))) {
		if (bucket->last_ns >= before_ns)
			continue;
		map_remove(limiter->buckets, &bucket->source);
		free(bucket);
	}
}

void ratelimiter_free(struct ratelimiter *limiter)
{
	if (!limiter)
		return;
	sweep(limiter, UINT64_MAX);
	map_free(limiter->buckets);
	free(limiter);
}

static struct bucket *bucket_add(struct ratelimiter *limiter, const struct source *source,
				 uint64_t now_ns)
{
	struct bucket *bucket = calloc(1, sizeof(*bucket));

	if (!bucket)
		return NULL;
	*bucket = (struct bucket){ .source = *source, .tokens_ns = TOKENS_NS, .last_ns = now_ns };
	if (map_insert(limiter->buckets, source, bucket) < 0) {
		free(bucket);
		return NULL;
	}
	return bucket;
}

bool ratelimiter_allow(struct ratelimiter *limiter, const struct ip_addr *from, uint64_t now_ns)
{
	struct source source = { .family = from->family };
	struct bucket *bucket;

	if (now_ns - limiter->swept_ns >= RATELIMITER_IDLE_NS) {
		limiter->swept_ns = now_ns;
		if (now_ns > RATELIMITER_IDLE_NS)
			sweep(limiter, now_ns - RATELIMITER_IDLE_NS);
	}
	/* v4 addresses have zeros after their four bytes. */
	memcpy(source.bytes, from->bytes, sizeof(source.bytes));
	bucket = map_find(limiter->buckets, &source);
	if (!bucket)
		bucket = bucket_add(limiter, &source, now_ns);
	if (!bucket)
		return false;
	bucket->tokens_ns += now_ns - bucket->last_ns;
	if (bucket->tokens_ns > TOKENS_NS)
		bucket->tokens_ns = TOKENS_NS;
	bucket->last_ns = now_ns;
	if (bucket->tokens_ns < COST_NS)
		return false;
	bucket->tokens_ns -= COST_NS;
	return true;
}
