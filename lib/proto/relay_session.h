#ifndef WARREN_PROTO_RELAY_SESSION_H
#define WARREN_PROTO_RELAY_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "base/timerheap.h"
#include "proto/relay_bucket.h"
#include "proto/relay_forward.h"
#include "proto/relay_server.h"

/* A channel number of one client and the node that it means. */
struct relay_channel {
	struct relay_channel *next;
	uint8_t peer[STUN_KEY_SIZE];
	uint16_t number;
	uint64_t expires_ns;
};

/* A registered node. It outlives its address: packets for it are dropped until it is back. */
struct relay_session {
	struct timer_node timer; /* first: expiry */
	uint8_t node_key[STUN_KEY_SIZE];
	struct relay_address address;
	bool present;
	uint64_t expiry_s; /* of the newest credentials that were shown for it */
	uint32_t instance; /* the client's run; 0: it does not say */
	uint64_t heard_ns; /* its last request */
	uint32_t pass;     /* number of the one that its next Refresh from elsewhere may show */
	struct relay_source *source; /* what forwarders see of it */
	struct relay_bucket notices; /* indications that a peer is absent */
	struct relay_bucket probes;
	struct relay_channel *channels;
	size_t channel_count;
	struct map *by_peer;              /* made with the first channel */
	struct relay_channel **by_number; /* from RELAY_CHANNEL_MIN, number_count of them */
	size_t number_count;
};

/*
 * All sessions, by node key and by address. Their addresses, and channels that both ends have
 * bound, are published for forwarders as they change.
 */
struct relay_sessions {
	struct relay_forward *forward;
	struct map *by_key;
	struct map *by_address;
	struct timer_heap expiry;
};

/* forward is taken over, also when this fails. 0 or -ENOMEM. */
int relay_sessions_init(struct relay_sessions *sessions, size_t max, struct relay_forward *forward);
void relay_sessions_clear(struct relay_sessions *sessions);
struct relay_session *relay_sessions_find(const struct relay_sessions *sessions,
					  const uint8_t node_key[static STUN_KEY_SIZE]);
struct relay_session *relay_sessions_find_address(const struct relay_sessions *sessions,
						  const struct relay_address *address);
/* A new one without an address. NULL when the table or memory is full. */
struct relay_session *relay_sessions_add(struct relay_sessions *sessions,
					 const uint8_t node_key[static STUN_KEY_SIZE]);
void relay_sessions_remove(struct relay_sessions *sessions, struct relay_session *session);
/* Where the session is from now on; whoever was there before is absent. 0 or -ENOMEM. */
int relay_sessions_move(struct relay_sessions *sessions, struct relay_session *session,
			const struct relay_address *address);
void relay_sessions_set_absent(struct relay_sessions *sessions, struct relay_session *session);
void relay_sessions_set_expiry(struct relay_sessions *sessions, struct relay_session *session,
			       uint64_t expires_ns);
void relay_sessions_expire(struct relay_sessions *sessions, uint64_t now_ns);

/* NULL unless bound and alive. */
struct relay_channel *relay_session_channel(const struct relay_session *session, uint16_t number,
					    uint64_t now_ns);
struct relay_channel *relay_session_channel_to(const struct relay_session *session,
					       const uint8_t peer[static STUN_KEY_SIZE],
					       uint64_t now_ns);
/*
 * Binds or refreshes. 0; -EINVAL when the number means another peer, or lately did, or the peer
 * has another number; -ENOSPC; -ENOMEM.
 */
int relay_sessions_bind(struct relay_sessions *sessions, struct relay_session *session,
			uint16_t number, const uint8_t peer[static STUN_KEY_SIZE], uint64_t now_ns);

#endif
