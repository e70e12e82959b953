#ifndef WARREN_PROTO_TURN_CREDENTIAL_H
#define WARREN_PROTO_TURN_CREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/stun.h"

/*
 * Ephemeral long-term credentials, the scheme that coturn calls use-auth-secret: whoever shares the
 * relay's secret hands them out, and the relay keeps no list of users. The user name is
 * `expiry:base64url(node key)` with the expiry in seconds since 1970, the password
 * base64(HMAC-SHA1(secret, user name)).
 */

#define TURN_USERNAME_SIZE 72 /* 20 digits, colon, 43 characters, NUL, rounded up */
#define TURN_PASSWORD_SIZE 29 /* 20 bytes as padded base64, with NUL */
#define TURN_SECRET_MAX    128
#define TURN_SECRET_MIN    16
#define TURN_REALM         "warren"

/* Both texts for node_key until expiry_s. secret_len is at most TURN_SECRET_MAX. */
void turn_credential_make(char username[static TURN_USERNAME_SIZE],
			  char password[static TURN_PASSWORD_SIZE], const uint8_t *secret,
			  size_t secret_len, const uint8_t node_key[static STUN_KEY_SIZE],
			  uint64_t expiry_s);
/* Only the password, for a user name that somebody claims. */
void turn_credential_password(char password[static TURN_PASSWORD_SIZE], const uint8_t *secret,
			      size_t secret_len, const char *username);
/* Splits a user name; 0 or -EINVAL unless it is exactly of that form. */
int turn_credential_parse(const char *username, uint64_t *expiry_s,
			  uint8_t node_key[static STUN_KEY_SIZE]);
/* In constant time. */
bool turn_credential_check(const char *username, const char *password, const uint8_t *secret,
			   size_t secret_len);
/*
 * A secret as it stands in a file: surrounding white space does not count. Points into text; 0 or
 * -EINVAL when it is shorter than min (TURN_SECRET_MIN for a relay of ours) or longer than
 * TURN_SECRET_MAX.
 */
int turn_secret_trim(const uint8_t **secret, size_t *len, const uint8_t *text, size_t text_len,
		     size_t min);

#endif
