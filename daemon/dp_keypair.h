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

struct dp_keypair {
	struct dp_peer *peer;
	struct dp_keypair *next; /* of the peer's, for the control thread */
	uint32_t local_index;
	uint32_t remote_index;
	uint64_t created_ns;
	bool initiator;
	uint8_t send_key[32];
	uint8_t recv_key[32];
	struct rcu_head rcu;
	_Alignas(64) atomic_uint_least64_t send_counter;
	atomic_bool confirmed;                    /* a packet was authentic */
	_Alignas(64) pthread_mutex_t replay_lock; /* protects replay; taken once a run */
	struct replay replay;
};

/* Not old and not used up. */
bool dp_keypair_usable(const struct dp_keypair *keypair, uint64_t now_ns);
/* Our duty to renew it, seen when sending. */
bool dp_keypair_wants_rekey(const struct dp_keypair *keypair, uint64_t now_ns);
/* Takes count counters in a row. False, and none taken, when too few are left. */
bool dp_keypair_reserve(struct dp_keypair *keypair, size_t count, uint64_t *first);
/* Wipes and frees after a grace period; nobody may find it any more. Accepts NULL. */
void dp_keypair_retire(struct dp_keypair *keypair);

#endif
