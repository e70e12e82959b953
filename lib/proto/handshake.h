#ifndef WARREN_PROTO_HANDSHAKE_H
#define WARREN_PROTO_HANDSHAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/noise.h"
#include "proto/tai64n.h"

struct rng;
struct wg_initiation;
struct wg_response;

/*
 * WireGuard's handshake, Noise_IKpsk2 (whitepaper section 5.4): messages are created and consumed
 * here, mac1 and mac2 are cookie.h's. Order and timing of what is sent belong to timers.h.
 *
 * What we initiate is kept until its response comes; what a peer initiates is answered in one
 * call and leaves nothing behind but its timestamp. So two sides that initiate at the same moment
 * both succeed.
 */

/* Our static keys. A device without a private key (all zero, as wg(8) sets it) cannot handshake. */
struct wg_identity {
	uint8_t priv[32];
	uint8_t pub[32];
	bool present;
};

/* Clamps and derives; priv all zero makes an absent identity. */
void wg_identity_set(struct wg_identity *identity, const uint8_t priv[static 32]);

/* The handshake state of one peer. Embedded; wiped by handshake_clear. */
struct handshake {
	uint8_t remote_static[32];
	uint8_t static_static[32]; /* DH of both static keys */
	uint8_t psk[32];
	bool possible; /* static_static is there and not zero */

	/* Our initiation that waits for its response. */
	bool initiated;
	uint32_t local_index;
	uint8_t ephemeral_priv[32];
	struct noise_state noise;

	/* Of the peer's initiations. */
	uint8_t latest_timestamp[TAI64N_SIZE];
	bool consumed; /* consumed_ns is valid */
	uint64_t consumed_ns;
};

/* At least this long between two initiations of one peer that are answered. */
#define HANDSHAKE_INITIATIONS_MIN_NS 20000000ULL

void handshake_init(struct handshake *hs, const struct wg_identity *identity,
		    const uint8_t remote_static[static 32]);
/* After a change of our key. Drops what was initiated. */
void handshake_set_identity(struct handshake *hs, const struct wg_identity *identity);
/* psk all zero means none. */
void handshake_set_psk(struct handshake *hs, const uint8_t psk[static 32]);
/* Wipes our initiation, so that a response to it is refused. */
void handshake_forget_initiation(struct handshake *hs);
/* Wipes everything. */
void handshake_clear(struct handshake *hs);

/* The outcome: keys of a session, to be wiped by the caller. */
struct wg_session {
	uint8_t send_key[32];
	uint8_t recv_key[32];
	uint32_t local_index;
	uint32_t remote_index;
	bool initiator;
};

/*
 * Fills everything of msg but the macs, with a fresh ephemeral key; replaces an initiation that
 * was under way. 0, or -ENOKEY when our or the peer's key does not allow a handshake.
 */
int handshake_create_initiation(struct handshake *hs, const struct wg_identity *identity,
				const struct rng *rng, const uint8_t timestamp[static TAI64N_SIZE],
				uint32_t local_index, struct wg_initiation *msg);

/* An initiation whose sender is known but whose timestamp is not yet checked. */
struct wg_incoming {
	struct noise_state noise;
	uint8_t remote_static[32];
	uint8_t remote_ephemeral[32];
	uint32_t remote_index;
};

/* 0, -EBADMSG, or -ENOKEY without identity. mac1 must have been checked. Wipe with clear. */
int wg_incoming_open(struct wg_incoming *in, const struct wg_identity *identity,
		     const struct wg_initiation *msg);
void wg_incoming_clear(struct wg_incoming *in);

/*
 * Authenticates the rest for the peer that in->remote_static names, and remembers its timestamp.
 * 0, -EBADMSG, -EALREADY for a timestamp not above the last, -EBUSY when it comes too soon.
 */
int handshake_accept(struct handshake *hs, struct wg_incoming *in, const struct wg_initiation *msg,
		     uint64_t now_ns);
/* Answers what was accepted, macs left out. 0 or -EBADMSG (low-order keys). in is used up. */
int handshake_respond(const struct handshake *hs, struct wg_incoming *in, const struct rng *rng,
		      uint32_t local_index, struct wg_response *msg, struct wg_session *session);

/*
 * Consumes a response to our initiation. 0 with the session, after which the same response is
 * refused; -EPROTO when none is awaited under its index; -EBADMSG.
 */
int handshake_consume_response(struct handshake *hs, const struct wg_identity *identity,
			       const struct wg_response *msg, struct wg_session *session);

#endif
