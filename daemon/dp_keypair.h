#ifndef WARREN_DAEMON_DP_KEYPAIR_H
#define WARREN_DAEMON_DP_KEYPAIR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/dataplane.h"
#include "daemon/dp_rcu.h"
#include "proto/replay.h"

/* WireGuard paper, 6.1; section and names of the reference implementation. */
#define REKEY_AFTER_MESSAGES (1ULL << 60)
#define REKEY_AFTER_TIME_S   120
#define REJECT_AFTER_TIME_S  180
/* REJECT_AFTER_TIME - KEEPALIVE_TIMEOUT - REKEY_TIMEOUT: late, but the last moment to renew. */
#define REKEY_ON_RECEIVE_S 165

/* Lanes that a keypair receives on where lanes are; all of them count with the same session. */
#define DP_LANES_MAX DP_WORKERS_MAX

/*
 * One of the sessions that a keypair is spread over: keys, counter and window of its own. Lane 0 is
 * the WireGuard session. Which thread seals and which opens are seldom the same, so what they write
 * lies apart.
 */
struct dp_lane {
	uint8_t send_key[32];
	uint8_t recv_key[32];
	_Alignas(64) atomic_uint_least64_t send_counter;
	_Alignas(64) pthread_mutex_t replay_lock; /* protects replay; taken once a run */
	struct replay replay;
};

/* Lanes above 0 are made by whoever first seals on one or opens an authentic packet of one. */
struct dp_lanes {
	_Atomic(struct dp_lane *) lane[DP_LANES_MAX];
};

struct dp_keypair {
	struct dp_peer *peer;
	struct dp_keypair *next; /* of the peer's, for the control thread */
	_Atomic(struct dp_lanes *) lanes;
	uint32_t local_index;
	uint32_t remote_index;
	uint64_t created_ns;
	bool initiator;
	atomic_bool confirmed; /* a packet was authentic */
	struct rcu_head rcu;
	struct dp_lane first;
};

/* Not old, and its first lane not used up. */
bool dp_keypair_usable(const struct dp_keypair *keypair, uint64_t now_ns);
/* Our duty to renew it, seen when sending on one of its lanes. */
bool dp_keypair_wants_rekey(const struct dp_keypair *keypair, const struct dp_lane *lane,
			    uint64_t now_ns);
/* Lane 0 to DP_LANES_MAX - 1, made when it is not there; NULL when out of memory. */
struct dp_lane *dp_keypair_lane(struct dp_keypair *keypair, unsigned int number);
/* The same; NULL when nobody used it. */
struct dp_lane *dp_keypair_find_lane(struct dp_keypair *keypair, unsigned int number);
/* Wipes and frees after a grace period; nobody may find it any more. Accepts NULL. */
void dp_keypair_retire(struct dp_keypair *keypair);

/* Takes count counters in a row. False, and none taken, when too few are left. */
bool dp_lane_reserve(struct dp_lane *lane, size_t count, uint64_t *first);

#endif
