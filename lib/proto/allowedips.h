#ifndef WARREN_PROTO_ALLOWEDIPS_H
#define WARREN_PROTO_ALLOWEDIPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/*
 * Longest-prefix table from inner addresses to owners: a path-compressed binary trie for each
 * family, all nodes in one array. One thread changes the table; readers get whole copies
 * (allowedips_copy), which are never changed and may be looked up by any number of threads.
 */
struct allowedips;

/* Nodes of one table, about two for each prefix. */
#define ALLOWEDIPS_NODES_MAX (1U << 20)

/* Embedded in whoever owns prefixes (zero-initialised); lookups give it back. */
struct allowedips_owner {
	uint32_t first; /* this owner's prefixes in the table that is changed; copies ignore it */
};

/* NULL when out of memory. */
struct allowedips *allowedips_new(void);
/* Frees the table, not the owners. Accepts NULL. */
void allowedips_free(struct allowedips *table);
/* A snapshot for lookups only. NULL when out of memory. */
struct allowedips *allowedips_copy(const struct allowedips *table);

/*
 * Gives prefix to owner; takes it from whoever had it. 0, -EINVAL for a prefix without address,
 * -ENOSPC at ALLOWEDIPS_NODES_MAX, -ENOMEM; the table is unchanged on error.
 */
int allowedips_insert(struct allowedips *table, const struct prefix *prefix,
		      struct allowedips_owner *owner);
/* No-op unless owner has exactly this prefix. */
void allowedips_remove(struct allowedips *table, const struct prefix *prefix,
		       struct allowedips_owner *owner);
/* Removes all prefixes of owner. */
void allowedips_remove_owner(struct allowedips *table, struct allowedips_owner *owner);

/* The owner of the longest prefix that contains the address (network order), or NULL. */
struct allowedips_owner *allowedips_lookup_v4(const struct allowedips *table,
					      const uint8_t addr[static 4]);
struct allowedips_owner *allowedips_lookup_v6(const struct allowedips *table,
					      const uint8_t addr[static 16]);
struct allowedips_owner *allowedips_lookup(const struct allowedips *table,
					   const struct ip_addr *addr);

/*
 * Walks owner's prefixes: start with *cursor = 0; false at the end. The prefix just returned may
 * be removed before the next step, but nothing else changed.
 */
bool allowedips_next(const struct allowedips *table, const struct allowedips_owner *owner,
		     size_t *cursor, struct prefix *prefix);
size_t allowedips_count(const struct allowedips *table);

#endif
