#ifndef WARREN_DAEMON_DEVICE_H
#define WARREN_DAEMON_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/rng.h"
#include "daemon/dataplane.h"

struct loop;
struct peer;

/*
 * The control side of one WireGuard device: the static key, the peers, their handshakes, keypairs
 * and timers, on top of the packet engine that it owns. Control thread only. Where packets for a
 * peer go is the owner's policy: with peer_seen unset the device follows the source of authentic
 * packets, as WireGuard does; with it set the owner calls peer_set_path.
 */
struct device;

#define DEVICE_PEERS_MAX 16384

/* All optional. A peer may be removed from within none of these. */
struct device_ops {
	/*
	 * A packet waits and there is no session: a handshake has begun over the path, if there is
	 * one. Set by an owner that brings paths later (peer_set_path, peer_resend_handshake); when
	 * unset, packets for a peer without path are answered with ICMP unreachable at once.
	 */
	void (*peer_wanted)(void *arg, struct peer *peer);
	/* A new session may be sent with; comes again at every rekey. */
	void (*session_up)(void *arg, struct peer *peer);
	/* An authentic packet, handshake or data, came from elsewhere than the peer's path. */
	void (*peer_seen)(void *arg, struct peer *peer, const struct dp_path *from);
	/*
	 * May an authentic handshake or echo be answered by the way it came? Unset: yes. Otherwise
	 * the answer takes the peer's path, or there is none.
	 */
	bool (*may_answer)(void *arg, struct peer *peer, const struct dp_path *from);
	/*
	 * Notices (enum dp_notice) of the data plane, after the device has acted on them: an owner
	 * may ask for some too, by dataplane_peer_notify on peer_dp.
	 */
	void (*activity)(void *arg, struct peer *peer, unsigned int notices);
	/* With dp.path_mtu: the largest inner packet on the peer's path. */
	void (*path_mtu)(void *arg, struct peer *peer, unsigned int mtu);
	/* An answered dataplane_peer_echo. */
	void (*echo)(void *arg, struct peer *peer, const struct dp_echo *echo);
	/* The documents that the peer holds, see dataplane.h. */
	void (*documents)(void *arg, struct peer *peer, const struct peer_message_held *held);
	/* Which of its routes lead nowhere, likewise. */
	void (*routes)(void *arg, struct peer *peer, uint32_t serial, uint32_t down);
	/* No answer for 90 s. The waiting packets were dropped. */
	void (*handshake_failed)(void *arg, struct peer *peer);
	/* To be stored before returning; comes back as device_config.timestamp after a restart. */
	void (*save_timestamp)(void *arg, const uint8_t stamp[static 12]);
	/* STUN and the like, and packets for stream paths: see dataplane.h. */
	void (*other_message)(void *arg, const uint8_t *data, size_t len,
			      const struct dp_path *from);
	void (*stream_output)(void *arg, uint32_t stream, const uint8_t *data, size_t len);
};

struct device_config {
	struct dp_config dp;
	const uint8_t *timestamp;  /* 12 bytes that save_timestamp got last, or NULL */
	struct rng rng;            /* fill NULL: the system's */
	uint64_t (*wall_ns)(void); /* NULL: clock_wall_ns */
};

/* 0, or what dataplane_new returns, or -ENOMEM. ops and arg are borrowed until device_free. */
int device_new(struct device **device, struct loop *loop, const struct device_config *config,
	       const struct device_ops *ops, void *arg);
/* Removes all peers and the interface, wipes the keys. Accepts NULL. */
void device_free(struct device *device);
struct dataplane *device_dataplane(const struct device *device);

/* All zero: no key. Sessions of the old key are not sent with any more; peers stay. */
void device_set_private_key(struct device *device, const uint8_t priv[static 32]);
/* False when there is none. */
bool device_private_key(const struct device *device, uint8_t priv[static 32]);
bool device_public_key(const struct device *device, uint8_t pub[static 32]);

/* 0, -EEXIST, -ENOSPC at DEVICE_PEERS_MAX, -ENOMEM, -EINVAL for our own key. */
int device_peer_add(struct device *device, const uint8_t pub[static 32], struct peer **peer);
struct peer *device_peer_find(const struct device *device, const uint8_t pub[static 32]);
/* Ends its sessions and frees it. */
void device_peer_remove(struct peer *peer);
/* In order of addition; prev NULL for the first. NULL at the end. */
struct peer *device_peer_next(const struct device *device, const struct peer *prev);
size_t device_peer_count(const struct device *device);

/* Counters of what was refused before any peer was known. */
struct device_drops {
	uint64_t bad_mac1;
	uint64_t unauthentic;
	uint64_t replayed;
	uint64_t rate_limited;
	uint64_t queue_full;
	uint64_t cookies_sent;
};

void device_drops(const struct device *device, struct device_drops *drops);

#endif
