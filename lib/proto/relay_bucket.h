#ifndef WARREN_PROTO_RELAY_BUCKET_H
#define WARREN_PROTO_RELAY_BUCKET_H

#include <stdbool.h>
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

#endif
