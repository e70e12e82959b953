#ifndef WARREN_PROTO_REPLAY_H
#define WARREN_PROTO_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

/* The sliding window of RFC 6479: one word is always being cleared, the others are the window. */
#define REPLAY_BITS   8192
#define REPLAY_WINDOW (REPLAY_BITS - 64)

/* From this counter on a key is used up: 2^64 - 2^13 - 1. */
#define REPLAY_COUNTER_LIMIT (UINT64_MAX - REPLAY_BITS)

/* A session that says little needs no more than its first word; most of many do. */
struct replay {
	uint64_t next;  /* greatest counter accepted + 1 */
	uint64_t first; /* counters below 64, as long as there is no other */
	uint64_t *bits; /* the whole window, from then on */
};

void replay_init(struct replay *replay);
/* Frees the window. */
void replay_clear(struct replay *replay);
/*
 * True when counter is new and not too old, and marks it. To be called only with the counter of a
 * packet that was authenticated. False also when there is no memory for the window. Not
 * thread-safe: the owner locks.
 */
bool replay_accept(struct replay *replay, uint64_t counter);

#endif
