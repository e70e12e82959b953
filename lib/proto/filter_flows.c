#include "proto/filter_flows.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proto/filter.h"

/* Two workers meet in one shard by chance only; a flow's two directions share one. */
#define SHARDS        64
#define SHARD_FLOWS   (FILTER_FLOWS_MAX / SHARDS)
#define SHARD_BUCKETS SHARD_FLOWS

_Static_assert(SHARD_FLOWS < FLOW_NONE, "indices fit 16 bits");
_Static_assert((SHARD_BUCKETS & (SHARD_BUCKETS - 1)) == 0, "buckets are chosen by a mask");

struct flow_shard {
	pthread_mutex_t lock; /* protects everything below */
	uint16_t free;        /* flows given back, chained */
	uint16_t unused;      /* flows from here on were never touched */
	struct flow_list lists[FLOW_KINDS];
	uint16_t buckets[SHARD_BUCKETS];
	struct flow flows[SHARD_FLOWS];
} __attribute__((aligned(64)));

struct filter_flows {
	uint8_t secret[crypto_shorthash_KEYBYTES];
	struct flow_shard shards[SHARDS];
};

_Static_assert(crypto_shorthash_KEYBYTES == 16, "filter_flows_new takes 16 bytes");

static const uint64_t timeouts_ns[FLOW_KINDS] = {
	[FLOW_ICMP] = FILTER_ICMP_S * NS_PER_S,
	[FLOW_FRAGMENT] = FILTER_FRAGMENT_S * NS_PER_S,
	[FLOW_UDP] = FILTER_UDP_S * NS_PER_S,
	[FLOW_TCP_OPENING] = FILTER_TCP_OPENING_S * NS_PER_S,
	[FLOW_TCP_CLOSING] = FILTER_TCP_CLOSING_S * NS_PER_S,
	[FLOW_TCP_OPEN] = FILTER_TCP_OPEN_S * NS_PER_S,
};

static void shard_init(struct flow_shard *shard)
{
	size_t i;

	pthread_mutex_init(&shard->lock, NULL);
	shard->free = FLOW_NONE;
	for (i = 0; i < FLOW_KINDS; i++)
		shard->lists[i] = (struct flow_list){ FLOW_NONE, FLOW_NONE };
	memset(shard->buckets, 0xff, sizeof(shard->buckets));
}

struct filter_flows *filter_flows_new(const uint8_t secret[static 16])
{
	struct filter_flows *flows = NULL;
	size_t i;

	if (posix_memalign((void **)&flows, 64, sizeof(*flows)))
		return NULL;
	/* The flows themselves are left alone: memory is taken as they come into use. */
	memcpy(flows->secret, secret, sizeof(flows->secret));
	for (i = 0; i < SHARDS; i++) {
		memset(&flows->shards[i], 0, offsetof(struct flow_shard, flows));
		shard_init(&flows->shards[i]);
	}
	return flows;
}

void filter_flows_free(struct filter_flows *flows)
{
	size_t i;

	if (!flows)
		return;
	for (i = 0; i < SHARDS; i++)
		pthread_mutex_destroy(&flows->shards[i].lock);
	sodium_memzero(flows->secret, sizeof(flows->secret));
	free(flows);
}

static uint64_t hash_key(const struct filter_flows *flows, const struct flow_key *key)
{
	uint8_t digest[crypto_shorthash_BYTES];
	uint64_t hash;

	crypto_shorthash(digest, (const uint8_t *)key, sizeof(*key), flows->secret);
	memcpy(&hash, digest, sizeof(hash));
	return hash;
}

void flow_lock(struct filter_flows *flows, struct flow_lookup *lookup)
{
	uint64_t hash = hash_key(flows, &lookup->key);

	lookup->flows = flows;
	lookup->hash = (uint32_t)hash;
	lookup->shard = &flows->shards[(hash >> 32) % SHARDS];
	pthread_mutex_lock(&lookup->shard->lock);
}

void flow_unlock(struct flow_lookup *lookup)
{
	pthread_mutex_unlock(&lookup->shard->lock);
}

static uint16_t index_of(const struct flow_shard *shard, const struct flow *flow)
{
	return (uint16_t)(flow - shard->flows);
}

static void list_append(struct flow_shard *shard, struct flow *flow)
{
	struct flow_list *list = &shard->lists[flow->kind];
	uint16_t index = index_of(shard, flow);

	flow->older = list->newest;
	flow->newer = FLOW_NONE;
	if (list->newest == FLOW_NONE)
		list->oldest = index;
	else
		shard->flows[list->newest].newer = index;
	list->newest = index;
}

static void list_remove(struct flow_shard *shard, const struct flow *flow)
{
	struct flow_list *list = &shard->lists[flow->kind];

	if (flow->older == FLOW_NONE)
		list->oldest = flow->newer;
	else
		shard->flows[flow->older].newer = flow->newer;
	if (flow->newer == FLOW_NONE)
		list->newest = flow->older;
	else
		shard->flows[flow->newer].older = flow->older;
}

/* Where the chain's link to this flow is kept. */
static uint16_t *find_link(struct flow_shard *shard, const struct flow_key *key, uint32_t hash)
{
	uint16_t *link = &shard->buckets[hash & (SHARD_BUCKETS - 1)];

	while (*link != FLOW_NONE && memcmp(&shard->flows[*link].key, key, sizeof(*key)) != 0)
		link = &shard->flows[*link].chain;
	return link;
}

static void flow_remove(struct flow_shard *shard, uint16_t *link)
{
	uint16_t index = *link;
	struct flow *flow = &shard->flows[index];

	list_remove(shard, flow);
	*link = flow->chain;
	flow->chain = shard->free;
	shard->free = index;
}

static uint64_t deadline_ns(const struct flow *flow)
{
	return flow->used_ns + timeouts_ns[flow->kind];
}

struct flow *flow_find(struct flow_lookup *lookup, uint64_t now_ns)
{
	struct flow_shard *shard = lookup->shard;
	uint16_t *link = find_link(shard, &lookup->key, lookup->hash);

	if (*link == FLOW_NONE)
		return NULL;
	if (now_ns >= deadline_ns(&shard->flows[*link])) {
		flow_remove(shard, link);
		return NULL;
	}
	return &shard->flows[*link];
}

/* Makes room for one: within a kind the oldest flow ends first, so only the heads compete. */
static void evict(const struct filter_flows *flows, struct flow_shard *shard)
{
	const struct flow *victim = NULL;
	size_t i;

	for (i = 0; i < FLOW_KINDS; i++) {
		uint16_t index = shard->lists[i].oldest;

		if (index != FLOW_NONE &&
		    (!victim || deadline_ns(&shard->flows[index]) < deadline_ns(victim)))
			victim = &shard->flows[index];
	}
	flow_remove(shard, find_link(shard, &victim->key, (uint32_t)hash_key(flows, &victim->key)));
}

static uint16_t take_index(struct flow_lookup *lookup)
{
	struct flow_shard *shard = lookup->shard;
	uint16_t index;

	if (shard->free == FLOW_NONE && shard->unused < SHARD_FLOWS)
		return shard->unused++;
	if (shard->free == FLOW_NONE)
		evict(lookup->flows, shard);
	index = shard->free;
	shard->free = shard->flows[index].chain;
	return index;
}

struct flow *flow_insert(struct flow_lookup *lookup, enum flow_kind kind, uint64_t now_ns)
{
	struct flow_shard *shard = lookup->shard;
	uint16_t *bucket = &shard->buckets[lookup->hash & (SHARD_BUCKETS - 1)];
	uint16_t index = take_index(lookup);
	struct flow *flow = &shard->flows[index];

	memset(flow, 0, sizeof(*flow));
	memcpy(&flow->key, &lookup->key, sizeof(flow->key));
	flow->kind = (uint8_t)kind;
	flow->used_ns = now_ns;
	flow->chain = *bucket;
	*bucket = index;
	list_append(shard, flow);
	return flow;
}

void flow_touch(struct flow_lookup *lookup, struct flow *flow, enum flow_kind kind, uint64_t now_ns)
{
	/* Workers read their clocks at slightly different moments. */
	if (now_ns > flow->used_ns)
		flow->used_ns = now_ns;
	if (flow->kind == kind && flow->newer == FLOW_NONE)
		return;
	list_remove(lookup->shard, flow);
	flow->kind = (uint8_t)kind;
	list_append(lookup->shard, flow);
}
