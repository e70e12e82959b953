#ifndef WARREN_COORD_POOL_H
#define WARREN_COORD_POOL_H

#include <stdint.h>

#include "base/addr.h"

struct map;

/*
 * Overlay addresses. Every node gets a number in the v4 pool, and the same number in the v6 pool,
 * so that the two can never run into each other. An address that was given back is not used again
 * until all others were.
 */
struct pool {
	struct prefix prefix4;
	struct prefix prefix6;
	struct map *taken; /* by number */
	uint32_t cursor;
};

/* 0, -EINVAL: a v4 pool with fewer than 2 usable addresses or a v6 pool beyond /96, -ENOMEM. */
int pool_init(struct pool *pool, const struct prefix *prefix4, const struct prefix *prefix6);
void pool_clear(struct pool *pool);
/* Marks the address of a node that is there already. 0, -EINVAL: not ours, -EEXIST, -ENOMEM. */
int pool_take(struct pool *pool, const struct ip_addr *address4);
/* 0, -ENOSPC, -ENOMEM. */
int pool_allocate(struct pool *pool, struct ip_addr *address4, struct ip_addr *address6);
/* Takes back what pool_allocate gave last and nobody ever had: it is the next one again. */
void pool_unallocate(struct pool *pool, const struct ip_addr *address4);
void pool_release(struct pool *pool, const struct ip_addr *address4);

#endif
