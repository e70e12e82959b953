#include "io/ws_strangers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"

#define KEY_SIZE  9
#define V6_PREFIX 8    /* bytes: who has one address of a /64 has all of it */
#define LOOKS_MAX 1024 /* silent ones, however many, cost no more than this */

enum { ALL, SAME };

/* Oldest first. */
struct queue {
	struct ws_stranger *oldest;
	struct ws_stranger *newest;
	size_t count;
};

struct ws_stranger_address {
	uint8_t key[KEY_SIZE];
	struct queue queue;
};

struct ws_strangers {
	size_t max;
	size_t per_address;
	struct queue all;
	struct map *addresses;
};

struct ws_strangers *ws_strangers_new(size_t max, size_t per_address)
{
	struct ws_strangers *strangers = calloc(1, sizeof(*strangers));

	if (!strangers)
		return NULL;
	strangers->max = max;
	strangers->per_address = per_address ? per_address : max;
	strangers->addresses = map_new(KEY_SIZE, max);
	if (!strangers->addresses) {
		free(strangers);
		return NULL;
	}
	return strangers;
}

void ws_strangers_free(struct ws_strangers *strangers)
{
	if (!strangers)
		return;
	map_free(strangers->addresses);
	free(strangers);
}

static void make_key(uint8_t key[static KEY_SIZE], const struct ip_addr *addr)
{
	memset(key, 0, KEY_SIZE);
	key[0] = addr->family;
	memcpy(key + 1, addr->bytes, addr_len(addr) > V6_PREFIX ? V6_PREFIX : addr_len(addr));
}

static void append(struct queue *queue, struct ws_stranger *stranger, int which)
{
	stranger->older[which] = queue->newest;
	stranger->newer[which] = NULL;
	if (queue->newest)
		queue->newest->newer[which] = stranger;
	else
		queue->oldest = stranger;
	queue->newest = stranger;
	queue->count++;
}

static void take_out(struct queue *queue, struct ws_stranger *stranger, int which)
{
	struct ws_stranger *older = stranger->older[which];
	struct ws_stranger *newer = stranger->newer[which];

	if (older)
		older->newer[which] = newer;
	else
		queue->oldest = newer;
	if (newer)
		newer->older[which] = older;
	else
		queue->newest = older;
	queue->count--;
}

void ws_strangers_remove(struct ws_strangers *strangers, struct ws_stranger *stranger)
{
	struct ws_stranger_address *address = stranger->address;

	if (!address)
		return;
	take_out(&strangers->all, stranger, ALL);
	take_out(&address->queue, stranger, SAME);
	memset(stranger, 0, sizeof(*stranger));
	if (address->queue.count)
		return;
	map_remove(strangers->addresses, address->key);
	free(address);
}

static bool may_give_way(const struct ws_stranger *stranger, uint64_t now_ns)
{
	return stranger && now_ns >= stranger->since_ns + WS_STRANGER_GRACE_S * NS_PER_S;
}

static struct ws_stranger_address *address_for(struct ws_strangers *strangers,
					       const uint8_t key[static KEY_SIZE])
{
	struct ws_stranger_address *address = map_find(strangers->addresses, key);

	if (address)
		return address;
	address = calloc(1, sizeof(*address));
	if (!address)
		return NULL;
	memcpy(address->key, key, KEY_SIZE);
	if (map_insert(strangers->addresses, key, address) < 0) {
		free(address);
		return NULL;
	}
	return address;
}

int ws_strangers_add(struct ws_strangers *strangers, struct ws_stranger *stranger,
		     const struct ip_addr *addr, uint64_t now_ns, struct ws_stranger **out)
{
	struct ws_stranger_address *address;
	struct ws_stranger *oldest = NULL;
	uint8_t key[KEY_SIZE];

	make_key(key, addr);
	address = map_find(strangers->addresses, key);
	*out = NULL;
	/* Its own neighbours first. */
	if (address && address->queue.count >= strangers->per_address)
		oldest = address->queue.oldest;
	else if (strangers->all.count >= strangers->max)
		oldest = strangers->all.oldest;
	if (oldest && !may_give_way(oldest, now_ns))
		return -EBUSY;
	if (oldest) {
		*out = oldest;
		ws_strangers_remove(strangers, oldest);
	}
	address = address_for(strangers, key);
	if (!address)
		return -EBUSY;
	stranger->address = address;
	stranger->since_ns = now_ns;
	append(&strangers->all, stranger, ALL);
	append(&address->queue, stranger, SAME);
	return 0;
}

size_t ws_strangers_at_work(const struct ws_strangers *strangers, uint64_t now_ns, size_t max,
			    bool (*works)(const struct ws_stranger *stranger, uint64_t now_ns))
{
	const struct ws_stranger *stranger = strangers->all.newest;
	size_t count = 0;

	for (size_t i = 0; i < LOOKS_MAX && count < max && stranger; i++) {
		if (may_give_way(stranger, now_ns))
			break;
		count += works(stranger, now_ns);
		stranger = stranger->older[ALL];
	}
	return count;
}

size_t ws_strangers_count(const struct ws_strangers *strangers)
{
	return strangers->all.count;
}
