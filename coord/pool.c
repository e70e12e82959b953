#include "coord/pool.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "proto/netmap.h"

/* Numbers from 1 to last: neither the network's own address nor the broadcast one. */
static uint32_t last_number(const struct pool *pool)
{
	unsigned int bits = 32u - pool->prefix4.len;

	return bits == 32 ? UINT32_MAX - 1 : (uint32_t)((1ull << bits) - 2);
}

int pool_init(struct pool *pool, const struct prefix *prefix4, const struct prefix *prefix6)
{
	if (prefix4->addr.family != AF_INET || prefix4->len > 30 ||
	    prefix6->addr.family != AF_INET6 || prefix6->len > 96)
		return -EINVAL;
	*pool = (struct pool){ .prefix4 = *prefix4, .prefix6 = *prefix6 };
	pool->taken = map_new(sizeof(uint32_t), NETMAP_PEERS_MAX);
	return pool->taken ? 0 : -ENOMEM;
}

void pool_clear(struct pool *pool)
{
	map_free(pool->taken);
	pool->taken = NULL;
}

static uint32_t number_of(const struct pool *pool, const struct ip_addr *address4)
{
	return load_be32(address4->bytes) - load_be32(pool->prefix4.addr.bytes);
}

static int take_number(struct pool *pool, uint32_t number)
{
	return map_insert(pool->taken, &number, pool);
}

int pool_take(struct pool *pool, const struct ip_addr *address4)
{
	uint32_t number;

	if (!prefix_contains(&pool->prefix4, address4))
		return -EINVAL;
	number = number_of(pool, address4);
	if (number > pool->cursor)
		pool->cursor = number;
	return take_number(pool, number);
}

static struct ip_addr address6_of(const struct pool *pool, uint32_t number)
{
	struct ip_addr addr = pool->prefix6.addr;

	/* The pool is at most a /96, so the last four bytes are free. */
	store_be32(addr.bytes + 12, number);
	return addr;
}

int pool_allocate(struct pool *pool, struct ip_addr *address4, struct ip_addr *address6)
{
	uint32_t last = last_number(pool);
	uint32_t number = pool->cursor;
	int err;

	if (map_count(pool->taken) >= last)
		return -ENOSPC;
	do {
		number = number >= last ? 1 : number + 1;
	} while (map_find(pool->taken, &number));
	err = take_number(pool, number);
	if (err < 0)
		return err;
	pool->cursor = number;
	*address4 = addr_from_v4(load_be32(pool->prefix4.addr.bytes) + number);
	*address6 = address6_of(pool, number);
	return 0;
}

void pool_release(struct pool *pool, const struct ip_addr *address4)
{
	uint32_t number = number_of(pool, address4);

	map_remove(pool->taken, &number);
}

void pool_unallocate(struct pool *pool, const struct ip_addr *address4)
{
	uint32_t number = number_of(pool, address4);

	pool_release(pool, address4);
	if (pool->cursor == number)
		pool->cursor = number - 1;
}
