#include "proto/relay_forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proto/relay_bucket.h"

#define BUCKETS   65536 /* a power of two; as many as there may be sessions */
#define LINKS_MIN 16

/* One direction of a pair of bound channels. */
struct link {
	struct relay_source *to;
	uint16_t number;     /* the receiver's channel for the sender */
	uint64_t expires_ns; /* atomic */
	struct rcu_head rcu;
};

/* By channel number from RELAY_CHANNEL_MIN. */
struct links {
	size_t count;
	struct rcu_head rcu;
	struct link *slot[];
};

struct relay_source {
	struct relay_place *place; /* published; NULL: absent, or on a stream */
	struct links *links;       /* published; NULL until the first */
	struct rcu_head rcu;
	/* Written for every run, so not beside what other senders' threads read. */
	_Alignas(64) struct relay_bucket bytes;
	struct relay_bucket packets;
};

struct relay_forward {
	struct relay_rate rate;
	bool shared;
	uint64_t hash_key[2];
	struct relay_place *buckets[BUCKETS];
};

struct relay_forward *relay_forward_new(const struct relay_rate *rate, const struct rng *rng,
					bool shared)
{
	struct relay_forward *forward = calloc(1, sizeof(*forward));

	if (!forward)
		return NULL;
	forward->rate = *rate;
	forward->shared = shared;
	rng_fill(rng, forward->hash_key, sizeof(forward->hash_key));
	return forward;
}

void relay_forward_free(struct relay_forward *forward)
{
	if (!forward)
		return;
	if (forward->shared)
		rcu_barrier();
	free(forward);
}

/* ---- letting go ---- */

static void release_place(struct rcu_head *head)
{
	free(rcu_released(head, struct relay_place));
}

static void release_link(struct rcu_head *head)
{
	free(rcu_released(head, struct link));
}

static void release_links(struct rcu_head *head)
{
	free(rcu_released(head, struct links));
}

static void release_source(struct rcu_head *head)
{
	free(rcu_released(head, struct relay_source));
}

static void let_go(const struct relay_forward *forward, struct rcu_head *head,
		   void (*release)(struct rcu_head *head))
{
	if (forward->shared)
		rcu_defer(head, release);
	else
		release(head);
}

/* ---- places ---- */

/* Keyed, so that nobody who may register aims at one bucket. */
static size_t hash(const struct relay_forward *forward, const struct endpoint *ep)
{
	uint64_t a;
	uint64_t b;
	unsigned __int128 product;

	memcpy(&a, ep->addr.bytes, 8);
	memcpy(&b, ep->addr.bytes + 8, 8);
	product = (unsigned __int128)(a ^ forward->hash_key[0]) *
		  (b ^ ((uint64_t)ep->port << 48) ^ forward->hash_key[1]);
	a = (uint64_t)product ^ (uint64_t)(product >> 64);
	return (size_t)(a ^ a >> 32) & (BUCKETS - 1);
}

/* As relay_sessions_find_address: the interface of a link-local address does not count. */
static bool same_remote(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && addr_equal(&a->addr, &b->addr);
}

const struct relay_place *relay_forward_find(const struct relay_forward *forward,
					     const struct endpoint *from)
{
	struct relay_place *place = rcu_load(forward->buckets[hash(forward, from)]);

	while (place && !same_remote(&place->address.remote, from))
		place = rcu_load(place->next);
	return place;
}

void relay_forward_clear_place(struct relay_forward *forward, struct relay_source *source)
{
	struct relay_place *place = source->place;
	struct relay_place **at;

	if (!place)
		return;
	rcu_publish(source->place, (struct relay_place *)NULL);
	at = &forward->buckets[hash(forward, &place->address.remote)];
	while (*at != place)
		at = &(*at)->next;
	/* Readers that stand on it still find the rest of the chain. */
	rcu_publish(*at, place->next);
	let_go(forward, &place->rcu, release_place);
}

int relay_forward_set_place(struct relay_forward *forward, struct relay_source *source,
			    const struct relay_address *address)
{
	struct relay_place **bucket;
	struct relay_place *place;

	relay_forward_clear_place(forward, source);
	if (address->stream)
		return 0;
	place = calloc(1, sizeof(*place));
	if (!place)
		return -ENOMEM;
	place->source = source;
	place->address = *address;
	bucket = &forward->buckets[hash(forward, &address->remote)];
	place->next = *bucket;
	rcu_publish(*bucket, place);
	rcu_publish(source->place, place);
	return 0;
}

/* ---- links ---- */

static struct link **slot_of(struct relay_source *source, uint16_t number)
{
	size_t slot = (size_t)number - RELAY_CHANNEL_MIN;

	if (number < RELAY_CHANNEL_MIN || !source->links || slot >= source->links->count)
		return NULL;
	return &source->links->slot[slot];
}

static int make_room(struct relay_forward *forward, struct relay_source *source, uint16_t number)
{
	size_t slot = (size_t)number - RELAY_CHANNEL_MIN;
	struct links *old = source->links;
	size_t count = old ? old->count : LINKS_MIN;
	struct links *links;

	if (old && slot < old->count)
		return 0;
	while (count <= slot)
		count *= 2;
	links = calloc(1, sizeof(*links) + count * sizeof(links->slot[0]));
	if (!links)
		return -ENOMEM;
	links->count = count;
	if (old)
		memcpy(links->slot, old->slot, old->count * sizeof(links->slot[0]));
	rcu_publish(source->links, links);
	if (old)
		let_go(forward, &old->rcu, release_links);
	return 0;
}

static void drop(struct relay_forward *forward, struct relay_source *source, uint16_t number)
{
	struct link **at = slot_of(source, number);
	struct link *link = at ? *at : NULL;

	if (!link)
		return;
	rcu_publish(*at, (struct link *)NULL);
	let_go(forward, &link->rcu, release_link);
}

void relay_forward_unlink(struct relay_forward *forward, struct relay_source *source,
			  uint16_t number)
{
	struct link **at = slot_of(source, number);
	struct link *link = at ? *at : NULL;

	if (!link)
		return;
	drop(forward, link->to, link->number);
	drop(forward, source, number);
}

static struct link *link_new(struct relay_source *to, uint16_t number, uint64_t expires_ns)
{
	struct link *link = calloc(1, sizeof(*link));

	if (link)
		*link = (struct link){ .to = to, .number = number, .expires_ns = expires_ns };
	return link;
}

int relay_forward_link(struct relay_forward *forward, struct relay_source *a, uint16_t a_number,
		       struct relay_source *b, uint16_t b_number, uint64_t expires_ns)
{
	struct link **at = slot_of(a, a_number);
	struct link *there;
	struct link *back;

	if (at && *at && (*at)->to == b && (*at)->number == b_number) {
		__atomic_store_n(&(*at)->expires_ns, expires_ns, __ATOMIC_RELAXED);
		__atomic_store_n(&(*slot_of(b, b_number))->expires_ns, expires_ns,
				 __ATOMIC_RELAXED);
		return 0;
	}
	relay_forward_unlink(forward, a, a_number);
	relay_forward_unlink(forward, b, b_number);
	if (make_room(forward, a, a_number) < 0 || make_room(forward, b, b_number) < 0)
		return -ENOMEM;
	there = link_new(b, b_number, expires_ns);
	back = link_new(a, a_number, expires_ns);
	if (!there || !back) {
		free(there);
		free(back);
		return -ENOMEM;
	}
	rcu_publish(*slot_of(a, a_number), there);
	rcu_publish(*slot_of(b, b_number), back);
	return 0;
}

/* ---- sources ---- */

struct relay_source *relay_source_new(void)
{
	struct relay_source *source = aligned_alloc(64, sizeof(*source));

	if (source)
		memset(source, 0, sizeof(*source));
	return source;
}

void relay_forward_remove(struct relay_forward *forward, struct relay_source *source)
{
	struct links *links;

	if (!source)
		return;
	relay_forward_clear_place(forward, source);
	links = source->links;
	for (size_t i = 0; links && i < links->count; i++)
		relay_forward_unlink(forward, source, (uint16_t)(RELAY_CHANNEL_MIN + i));
	if (links)
		let_go(forward, &links->rcu, release_links);
	let_go(forward, &source->rcu, release_source);
}

/* ---- forwarding ---- */

size_t relay_forward_allow(const struct relay_forward *forward, struct relay_source *source,
			   size_t count, size_t len, uint64_t now_ns)
{
	const struct relay_rate *rate = &forward->rate;
	uint64_t byte_cost_ns = len * rate->byte_cost_ps / 1000;

	count = relay_bucket_take_some(&source->packets, count, rate->packet_cost_ns,
				       rate->burst_ns, now_ns);
	return relay_bucket_take_some(&source->bytes, count, byte_cost_ns, rate->burst_ns, now_ns);
}

static const struct link *find_link(struct relay_source *source, uint16_t number, uint64_t now_ns)
{
	struct links *links = rcu_load(source->links);
	size_t slot = (size_t)number - RELAY_CHANNEL_MIN;
	const struct link *link;

	if (number < RELAY_CHANNEL_MIN || !links || slot >= links->count)
		return NULL;
	link = rcu_load(links->slot[slot]);
	if (!link || __atomic_load_n(&link->expires_ns, __ATOMIC_RELAXED) <= now_ns)
		return NULL;
	return link;
}

/* How many packets from data on begin with just this header; the last may be of another length. */
static size_t equal_packets(const uint8_t *data, size_t len, size_t segment)
{
	uint32_t header = load_be32(data);
	size_t count = 1;

	while ((count + 1) * segment <= len && load_be32(data + count * segment) == header)
		count++;
	return count;
}

/* Takes count packets off the datagram. */
static void take(uint8_t **data, size_t *len, size_t bytes, struct relay_run *run)
{
	run->data = *data;
	run->len = bytes;
	*data += bytes;
	*len -= bytes;
}

/* One run whose first packet is well-formed. False when nothing of it may go on. */
static bool next_run(const struct relay_forward *forward, const struct relay_place *from,
		     uint8_t **data, size_t *len, size_t payload_len, uint64_t now_ns,
		     struct relay_run *run, struct relay_counts *counts)
{
	const struct link *link = find_link(from->source, load_be16(*data), now_ns);
	size_t size = payload_len + RELAY_CHANNEL_HEADER;
	size_t first = *len < run->segment ? *len : run->segment;
	size_t count = 1;
	size_t allowed;

	run->to = link ? rcu_load(link->to->place) : NULL;
	/* Other sockets than the first are the owner's. */
	if (run->to && run->to->address.socket)
		run->to = NULL;
	/* Padding has to go, so then packets are not back to back. */
	if (run->to && size == run->segment)
		count = equal_packets(*data, *len, run->segment);
	take(data, len, size == run->segment ? count * size : first, run);
	if (!run->to) {
		run->segment = run->len;
		return true;
	}
	allowed = relay_forward_allow(forward, from->source, count, payload_len, now_ns);
	counts->dropped_rate += count - allowed;
	counts->packets += allowed;
	counts->bytes += allowed * payload_len;
	run->segment = size;
	run->len = allowed * size;
	for (size_t i = 0; i < allowed; i++)
		store_be16(run->data + i * size, link->number);
	return allowed > 0;
}

bool relay_forward_next(const struct relay_forward *forward, const struct relay_place *from,
			uint8_t **data, size_t *len, size_t segment, uint64_t now_ns,
			struct relay_run *run, struct relay_counts *counts)
{
	while (*len) {
		size_t first = *len < segment ? *len : segment;
		const uint8_t *payload;
		size_t payload_len;
		uint16_t number;

		run->segment = segment;
		if (first > RELAY_MESSAGE_MAX ||
		    relay_channel_parse(*data, first, &number, &payload, &payload_len) < 0) {
			counts->dropped_malformed++;
			take(data, len, first, run);
		} else if (!from) {
			counts->dropped_stranger++;
			take(data, len, first, run);
		} else if (next_run(forward, from, data, len, payload_len, now_ns, run, counts)) {
			return true;
		}
	}
	return false;
}
