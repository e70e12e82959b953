#ifndef WARREN_DAEMON_DEVICE_STATE_H
#define WARREN_DAEMON_DEVICE_STATE_H

#include <sys/queue.h>

#include "crypto/rng.h"
#include "daemon/device.h"
#include "daemon/peer.h"
#include "io/loop.h"
#include "proto/cookie.h"
#include "proto/handshake.h"
#include "proto/tai64n.h"
#include "proto/timers.h"

/* What device.c, peer.c, peer_session.c and incoming.c share; nobody else includes this. */

struct incoming;
struct map;

struct device {
	struct loop *loop;
	struct dataplane *dp;
	const struct device_ops *ops;
	void *arg;
	struct rng rng;
	uint64_t (*wall_ns)(void);
	struct wg_identity identity;
	struct cookie_checker checker;
	struct tai64n_source timestamps;
	struct map *by_key;
	struct map *by_index; /* receiver indices of handshakes, to peers */
	TAILQ_HEAD(, peer) peers;
	struct incoming *incoming;
	struct device_drops drops;
};

struct peer {
	TAILQ_ENTRY(peer) entry;
	struct device *device;
	struct dp_peer *dp;
	void *owner;
	struct dp_path path; /* read through peer_path: the data plane may move it */
	uint16_t keepalive_s;

	struct handshake handshake;
	struct cookie_maker cookies;
	/* Registered in by_index; an initiation's belongs to us until its keypair takes it. */
	uint32_t initiation_index;
	bool has_initiation_index;
	uint64_t initiation_sent_ns;
	uint32_t response_index;
	bool has_response_index;

	/* Sent with; still received with; responded, not yet confirmed by the peer. */
	struct dp_keypair *current;
	struct dp_keypair *previous;
	struct dp_keypair *next;
	uint64_t current_created_ns;
	uint64_t next_created_ns;
	bool current_initiator;

	struct timers timers;
	struct loop_timer timer;
	unsigned int notices; /* asked of the data plane and not yet given */
	uint64_t last_handshake_ns;
	uint64_t last_handshake_wall_ns;
};

/* peer.c */
int peer_new(struct peer **peer, struct device *device, const uint8_t pub[static 32]);
void peer_free(struct peer *peer);
/* An authentic packet came from there. */
void peer_saw(struct peer *peer, const struct dp_path *from);
/* The same for data; where paths follow packets the data plane has moved it already. */
void peer_data_seen(struct peer *peer, const struct dp_path *from);
/* The data plane has a packet for a peer without session. */
void peer_wants_session(struct peer *peer);

/* peer_session.c */
/* The timer's callback: does what is due, then sets the timer anew. */
void peer_run(void *arg, uint64_t now_ns);
void peer_timer_arm(struct peer *peer);
/* Wipes and frees the keypairs of all slots and what a handshake left. */
void peer_sessions_end(struct peer *peer);
/* Our key changed: what was agreed with the old one is received with, but not sent with. */
void peer_key_changed(struct peer *peer);
void peer_activity(struct peer *peer, unsigned int notices);
void peer_confirmed(struct peer *peer, struct dp_keypair *keypair);
/* in was opened and names this peer; the message came from there. */
void peer_accept_initiation(struct peer *peer, struct wg_incoming *in,
			    const struct wg_initiation *msg, const struct dp_path *from,
			    uint64_t now_ns);
void peer_accept_response(struct peer *peer, const struct wg_response *msg,
			  const struct dp_path *from, uint64_t now_ns);

/* Whether what came that way may be answered by it; else only by the peer's path. */
bool device_may_answer(struct device *device, struct peer *peer, const struct dp_path *from);

#endif
