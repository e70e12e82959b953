#ifndef WARREN_PROTO_REPLAY_H
#define WARREN_PROTO_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

/* The sliding window of RFC 6479: one word is always being cleared, the others are the window. */
#define REPLAY_BITS   8192
#define REPLAY_WINDOW (REPLAY_BITS - 64)

/* From this counter on a key is used up: 2^64 - 2^13 - 1. */
#define REPLAY_COUNTER_LIMIT (UINT64_MAX - REPLAY_BITS)

struct replay {
	uint64_t next; /* greatest counter accepted + 1 */
	uint64_t bits[REPLAY_BITS / 64];
};

void replay_init(struct replay *replay);
/*
 * True when counter is new and not too old, and marks it. To be called only with the counter of a
 * packet that was authenticated. Not thread-safe: the owner locks.
 */
bool replay_accept(struct replay *replay, uint64_t counter);

#endif
