#ifndef WARREN_DAEMON_DP_PEER_H
#define WARREN_DAEMON_DP_PEER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/dataplane.h"
#include "daemon/dp_rcu.h"
#include "io/udp.h"
#include "proto/allowedips.h"
#include "proto/vnet.h"

struct dp_keypair;
struct dp_path_mtu;

/* A path made ready for sending; published, replaced as a whole. */
struct dp_hop {
	struct dp_path path;
	struct udp_route route;
	atomic_bool gso_told; /* the owner knows of route.gso_error */
	atomic_uint mtu;      /* of inner packets; UINT32_MAX: not known, or no matter */
	atomic_bool fragment; /* nothing has shown that they get there in one piece */
	atomic_bool watched;  /* the control thread knows that large packets are sent */
	struct rcu_head rcu;
};

/* Rules behind a pointer of our own, because "no filter" and "nothing allowed" differ. */
struct dp_rules {
	struct filter_rules *rules;
	struct filter_rules *lan; /* of the networks behind us; NULL: they may start nothing */
	struct rcu_head rcu;
};

/* What the peer may send from besides what is routed to it; published, replaced as a whole. */
struct dp_sources {
	struct rcu_head rcu;
	bool live; /* flows that it has stay with it */
	size_t count;
	struct prefix list[];
};

/* A packet as it was read from the TUN, waiting for a session. */
struct dp_staged {
	struct dp_staged *next;
	size_t weight; /* packets on the wire */
	struct vnet_hdr hdr;
	size_t len;
	uint8_t packet[];
};

struct dp_peer {
	struct dataplane *dp;
	void *owner;
	uint64_t id;
	struct allowedips_owner prefixes; /* what the route table points to */
	struct dp_keypair *keypairs;      /* all of them; control thread only */
	struct dp_peer *next_leaving;
	struct dp_path_mtu *probing; /* control thread only; NULL: nothing to probe */

	struct dp_keypair *current; /* these four under RCU */
	struct dp_hop *hop;
	struct dp_rules *rules;
	struct dp_sources *sources; /* NULL: none */

	pthread_mutex_t staged_lock; /* protects the queue; staging is written under it */
	struct dp_staged *staged_first;
	struct dp_staged **staged_end;
	size_t staged_weight;
	atomic_bool staging; /* packets wait or are being flushed: others queue up behind them */
	atomic_bool asked;   /* need_session was posted since the last flush */

	atomic_uint lanes; /* sent on: 1, or more where the peer receives them */
	/* Lanes above 0 that it was heard on, by number: see dp_inbox.c. */
	atomic_uint_least64_t heard;
	atomic_uint messages; /* taken since, see dp_message.c */
	atomic_uint_least64_t messages_since_ns;
	atomic_uint notify;                 /* DP_NOTICE_* somebody wants to be told of */
	atomic_uint_least64_t path_seen_ns; /* when path_seen was last posted */
	atomic_uint_least64_t tx_bytes;
	atomic_uint_least64_t rx_bytes;
	atomic_uint_least64_t last_tx_ns;
	atomic_uint_least64_t last_tx_data_ns;
	atomic_uint_least64_t last_rx_ns;
	atomic_uint_least64_t last_rx_data_ns;
	atomic_uint_least64_t unanswered_since_ns;
	atomic_uint_least64_t unacked_since_ns;
	atomic_uint_least64_t silent_since_ns; /* as unanswered_since, of the hop alone */
	atomic_uint_least64_t rx_expected; /* packets that were sealed for us, as far as we know */
	atomic_uint_least64_t rx_arrived;
	atomic_uint_least64_t rx_dropped_filter;
	atomic_uint_least64_t rx_dropped_source;
	atomic_uint_least64_t tx_dropped;
	atomic_uint_least64_t tx_dropped_filter;
	atomic_uint_least64_t congestion_marked;
	atomic_uint_least64_t congestion_dropped;
	struct rcu_head rcu;
};

static inline void dp_count(atomic_uint_least64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* Queues a copy at the end and drops the oldest beyond DP_STAGED_MAX. False when out of memory. */
bool dp_peer_stage(struct dp_peer *peer, const struct vnet_hdr *hdr, const uint8_t *packet,
		   size_t len, size_t weight);
/*
 * Takes the whole queue, linked by next, to be freed by the caller. NULL: nothing waits, and from
 * now on nobody has to queue up.
 */
struct dp_staged *dp_peer_take_staged(struct dp_peer *peer);

#endif
