#ifndef WARREN_PROTO_RELAY_BUCKET_H
#define WARREN_PROTO_RELAY_BUCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A token bucket in one number: the time at which it would be full again. full_ns is how long an
 * empty one takes to fill, which bounds the burst.
 */
struct relay_bucket {
	uint64_t full_at_ns;
};

/* Takes what refills in cost_ns. False, and nothing taken, when there is too little. */
static inline bool relay_bucket_take(struct relay_bucket *bucket, uint64_t cost_ns,
				     uint64_t full_ns, uint64_t now_ns)
{
	uint64_t from_ns = bucket->full_at_ns > now_ns ? bucket->full_at_ns : now_ns;

	if (from_ns - now_ns + cost_ns > full_ns)
		return false;
	bucket->full_at_ns = from_ns + cost_ns;
	return true;
}

/*
 * The same for count things of cost_ns each, from a bucket that several threads take from. Returns
 * how many there was enough for; those are taken.
 */
static inline size_t relay_bucket_take_some(struct relay_bucket *bucket, size_t count,
					    uint64_t cost_ns, uint64_t full_ns, uint64_t now_ns)
{
	uint64_t full_at_ns = __atomic_load_n(&bucket->full_at_ns, __ATOMIC_RELAXED);
	uint64_t from_ns;
	uint64_t room_ns;

	do {
		from_ns = full_at_ns > now_ns ? full_at_ns : now_ns;
		room_ns = full_ns > from_ns - now_ns ? full_ns - (from_ns - now_ns) : 0;
		if (cost_ns && count > room_ns / cost_ns)
			count = (size_t)(room_ns / cost_ns);
	} while (!__atomic_compare_exchange_n(&bucket->full_at_ns, &full_at_ns,
					      from_ns + count * cost_ns, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return count;
}

#endif
