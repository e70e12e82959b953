#ifndef WARREN_PROTO_RELAY_AUTH_H
#define WARREN_PROTO_RELAY_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/relay_server.h"
#include "proto/turn_credential.h"

/*
 * The long-term credential mechanism (RFC 8489 section 9.2) with ephemeral credentials, without a
 * state for those who have not shown any: a nonce is its time and a MAC over time and address.
 */
struct relay_auth {
	struct {
		uint8_t bytes[TURN_SECRET_MAX];
		size_t len;
	} secrets[RELAY_SECRETS_MAX];
	size_t secret_count;
	uint8_t nonce_key[32];
	uint64_t wall_s;     /* seconds since 1970 … */
	uint64_t wall_at_ns; /* … at this now_ns */
};

#define RELAY_NONCE_SIZE 17 /* 12 bytes as base64url, with NUL */
#define RELAY_PASS_SIZE  18 /* the same behind a '~' */

/* Who sent a request, when relay_auth_check said 0. */
struct relay_identity {
	uint8_t node_key[STUN_KEY_SIZE];
	uint8_t key[STUN_LONG_KEY_SIZE]; /* for the answer's MESSAGE-INTEGRITY */
	uint64_t expiry_s;               /* of the credentials: newer ones have a later one */
	bool has_pass;                   /* its nonce was the pass of this number */
	uint32_t pass;
};

/* 0 or -EINVAL without a usable secret. */
int relay_auth_init(struct relay_auth *auth, const struct relay_server_config *config,
		    const struct rng *rng);
void relay_auth_clear(struct relay_auth *auth);
void relay_auth_nonce(const struct relay_auth *auth, char nonce[static RELAY_NONCE_SIZE],
		      const struct relay_address *from, uint64_t now_ns);
/*
 * A nonce that holds from any address, for one Refresh of this node: so that who has a new address
 * is there with its first message. It names a number, which whoever knows the node compares with
 * what is due and counts up.
 */
void relay_auth_pass(const struct relay_auth *auth, char pass[static RELAY_PASS_SIZE],
		     const uint8_t node_key[static STUN_KEY_SIZE], uint32_t number);
/* 0, or the error code to answer with; identity is set with 0 and 441 (expired). */
unsigned int relay_auth_check(const struct relay_auth *auth, const struct stun_message *msg,
			      const struct relay_address *from, uint64_t now_ns,
			      struct relay_identity *identity);

#endif
