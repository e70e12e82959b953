#ifndef WARREN_COORD_OIDC_TOKEN_H
#define WARREN_COORD_OIDC_TOKEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/cert.h"

/*
 * ID tokens: OpenID Connect Core 1.0 sections 2 and 3.1.3.7, RFC 7515. The signature is libcjose's
 * work; here is what may sign, and what has to be in it.
 */

#define OIDC_KEYS_MAX    64  /* of a provider */
#define OIDC_SUBJECT_MAX 255 /* bytes: Core section 2 */
#define OIDC_GROUPS_MAX  128 /* of a user; further ones are not looked at */
#define OIDC_SKEW_S      60  /* between our clock and the provider's */

/* The provider's keys. */
struct oidc_keys;

/* Reads a JWK set (RFC 7517). 0, -EBADMSG, -ENOMEM. */
int oidc_keys_parse(struct oidc_keys **keys, const char *text, size_t len);
/* Accepts NULL. */
void oidc_keys_free(struct oidc_keys *keys);

struct oidc_expected {
	const char *issuer;
	const char *client_id;
	const char *nonce; /* NULL: of a flow that has none */
	const char *user_claim;
	const char *group_claim; /* may be empty */
	uint64_t now_s;
};

struct oidc_claims {
	char subject[OIDC_SUBJECT_MAX + 1];
	char user[CERT_OWNER_MAX + 1]; /* in lower case; cert_owner_check holds */
	json_t *groups;                /* an array, or NULL */
};

/*
 * What a token says, once it holds: *claims is a new reference. 0; -ENOKEY: signed with a key that
 * is not among these; -EKEYREJECTED: refused, with a line in error.
 */
int oidc_token_verify(json_t **claims, const char *token, const struct oidc_keys *keys,
		      const struct oidc_expected *expected, char *error, size_t error_size);
/* Do these claims say all that is asked, or is the rest at the userinfo endpoint? */
bool oidc_claims_suffice(const json_t *claims, const struct oidc_expected *expected);
/*
 * Adds what the userinfo endpoint answered (Core section 5.3). 0, or -EKEYREJECTED with a line in
 * error: it is malformed, or of somebody else.
 */
int oidc_claims_add_userinfo(json_t *claims, const char *text, size_t len, char *error,
			     size_t error_size);
/* Who signed in. 0 (clear afterwards), or -EKEYREJECTED with a line in error. */
int oidc_claims_take(struct oidc_claims *out, const json_t *claims,
		     const struct oidc_expected *expected, char *error, size_t error_size);
void oidc_claims_clear(struct oidc_claims *claims);

#endif
