#ifndef WARREN_IO_WS_STRANGERS_H
#define WARREN_IO_WS_STRANGERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/*
 * The connections of a server that nobody vouches for yet: from accept until the program knows who
 * it is. They are bounded in all and for each address (v6: each /64), so that silent ones, however
 * many, leave room for others. When there is no room, who has been one for long gives way to who
 * comes: a node needs a fraction of a second to say who it is, also one of hundreds behind the
 * attacker's own NAT.
 */
struct ws_strangers;

#define WS_STRANGER_GRACE_S 2 /* who has been one for less does not give way */

/* Embedded in its owner; zero is "none". */
struct ws_stranger {
	struct ws_stranger *older[2]; /* in all, and of its address */
	struct ws_stranger *newer[2];
	struct ws_stranger_address *address;
	uint64_t since_ns;
};

/* per_address 0: as many as there may be in all. NULL when out of memory. */
struct ws_strangers *ws_strangers_new(size_t max, size_t per_address);
/* All have been removed. Accepts NULL. */
void ws_strangers_free(struct ws_strangers *strangers);
/*
 * Adds one. 0; or -EBUSY: there is no room. *out is the one that gave way, already removed, for the
 * caller to end, or NULL.
 */
int ws_strangers_add(struct ws_strangers *strangers, struct ws_stranger *stranger,
		     const struct ip_addr *addr, uint64_t now_ns, struct ws_stranger **out);
/* No-op for one that is none. */
void ws_strangers_remove(struct ws_strangers *strangers, struct ws_stranger *stranger);
/*
 * How many are at work on saying who they are, of those who came too lately to give way; counts to
 * max. Whoever takes in more than it can serve meanwhile makes all of them late, and then they give
 * way to each other half done.
 */
size_t ws_strangers_at_work(const struct ws_strangers *strangers, uint64_t now_ns, size_t max,
			    bool (*works)(const struct ws_stranger *stranger, uint64_t now_ns));
size_t ws_strangers_count(const struct ws_strangers *strangers);

#endif
