#ifndef WARREN_PROTO_SIGNAL_H
#define WARREN_PROTO_SIGNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/cert.h"

struct rng;

/*
 * A signal: a message from one node to another that no server can read or forge (crypto_box between
 * their box keys). Wire: a 24-byte nonce and the box. Inside: version, kind, network, from, to,
 * session, counter, time and the payload.
 */

#define SIGNAL_SEALED_MAX  16384 /* bytes */
#define SIGNAL_OVERHEAD    (24 + 16 + 2 + CERT_NETWORK_ID_SIZE + 32 + 32 + 8 + 8 + 8)
#define SIGNAL_PAYLOAD_MAX (SIGNAL_SEALED_MAX - SIGNAL_OVERHEAD)
#define SIGNAL_FRESH_S     300 /* how old the first signal of a session may be */
#define SIGNAL_SESSIONS    8   /* sessions remembered for each peer */

enum signal_kind {
	SIGNAL_OFFER = 1, /* begins a session */
	SIGNAL_ANSWER = 2,
	SIGNAL_CANDIDATES = 3,
	SIGNAL_END = 4,
	SIGNAL_PROBE = 5, /* to be answered by the way it came, with the same payload */
	SIGNAL_PROBE_ANSWER = 6,
	SIGNAL_RELAYED = 7,    /* where the sender is at a TURN server: relayed_notice.h */
	SIGNAL_RELAY_ONLY = 8, /* one byte: 1, I am to be sent to by relay alone; 0, as you like */
	SIGNAL_DOCUMENT = 9,   /* a signed document that the receiver is behind with */
};

struct signal {
	uint8_t kind;
	uint8_t network_id[CERT_NETWORK_ID_SIZE];
	uint8_t from[32]; /* device keys */
	uint8_t to[32];
	uint64_t session; /* random, chosen by whoever offers, used by both */
	uint64_t counter; /* of the sender in this session, from 1 */
	uint64_t time_s;  /* the sender's wall clock, corrected by the coordinator's */
	const uint8_t *payload;
	size_t payload_len;
};

/*
 * Seals to out (at least SIGNAL_OVERHEAD + payload_len). 0, -EMSGSIZE: a
 * payload above the maximum, -ENOSPC, -EINVAL: a bad key.
 */
int signal_seal(uint8_t *out, size_t max, size_t *len, const struct signal *signal,
		const uint8_t box_secret[static 32], const uint8_t peer_box_key[static 32],
		const struct rng *rng);

/*
 * Opens; plain (at least SIGNAL_SEALED_MAX bytes) takes what payload will point into. The caller
 * looked up the sender's box key by the node key that the carrier named, and compares from, to and
 * network_id through `expect` (its from, to and network_id must be set). 0, -EBADMSG: not authentic
 * or malformed, -EPERM: for others.
 */
int signal_open(struct signal *signal, uint8_t plain[static SIGNAL_SEALED_MAX], const uint8_t *data,
		size_t len, const uint8_t box_secret[static 32],
		const uint8_t peer_box_key[static 32], const struct signal *expect);

/* What one peer sent before; zero-initialise. Embedded in the peer. */
struct signal_replay {
	struct signal_replay_session {
		uint64_t session;
		uint64_t highest; /* counter */
		uint64_t window;  /* bit n: highest - n was seen */
	} sessions[SIGNAL_SESSIONS];
	unsigned int next;
	uint64_t newest_s; /* the latest time in any opened signal */
};

/*
 * Was this signal not seen before? A session that is not remembered is accepted when its time is
 * not older than anything seen from the peer, or within SIGNAL_FRESH_S of now_s: a peer whose clock
 * was wrong and is right again is not locked out.
 */
bool signal_replay_check(struct signal_replay *replay, const struct signal *signal, uint64_t now_s);

#endif
