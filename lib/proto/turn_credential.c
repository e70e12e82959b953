#include "proto/turn_credential.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/encoding.h"
#include "crypto/hash.h"

#define EXPIRY_DIGITS_MAX 19

void turn_credential_password(char password[static TURN_PASSWORD_SIZE], const uint8_t *secret,
			      size_t secret_len, const char *username)
{
	uint8_t mac[HASH_SHA1_SIZE];

	hash_hmac_sha1(mac, secret, secret_len, username, strlen(username));
	encoding_base64(password, TURN_PASSWORD_SIZE, mac, sizeof(mac));
	sodium_memzero(mac, sizeof(mac));
}

void turn_credential_make(char username[static TURN_USERNAME_SIZE],
			  char password[static TURN_PASSWORD_SIZE], const uint8_t *secret,
			  size_t secret_len, const uint8_t node_key[static STUN_KEY_SIZE],
			  uint64_t expiry_s)
{
	char name[BASE64_SIZE(STUN_KEY_SIZE)];

	encoding_base64url(name, sizeof(name), node_key, STUN_KEY_SIZE);
	snprintf(username, TURN_USERNAME_SIZE, "%" PRIu64 ":%s", expiry_s, name);
	turn_credential_password(password, secret, secret_len, username);
}

int turn_credential_parse(const char *username, uint64_t *expiry_s,
			  uint8_t node_key[static STUN_KEY_SIZE])
{
	const char *colon = strchr(username, ':');
	uint8_t key[STUN_KEY_SIZE];
	uint64_t expiry = 0;
	size_t len;

	if (!colon || colon == username || colon - username > EXPIRY_DIGITS_MAX)
		return -EINVAL;
	for (const char *digit = username; digit < colon; digit++) {
		if (*digit < '0' || *digit > '9')
			return -EINVAL;
		expiry = expiry * 10 + (uint64_t)(*digit - '0');
	}
	if (encoding_base64url_parse(key, sizeof(key), &len, colon + 1) < 0 || len != sizeof(key))
		return -EINVAL;
	*expiry_s = expiry;
	memcpy(node_key, key, sizeof(key));
	return 0;
}

bool turn_credential_check(const char *username, const char *password, const uint8_t *secret,
			   size_t secret_len)
{
	char right[TURN_PASSWORD_SIZE];
	bool same;

	turn_credential_password(right, secret, secret_len, username);
	same = strlen(password) == sizeof(right) - 1 &&
	       sodium_memcmp(right, password, sizeof(right) - 1) == 0;
	sodium_memzero(right, sizeof(right));
	return same;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int turn_secret_trim(const uint8_t **secret, size_t *len, const uint8_t *text, size_t text_len,
		     size_t min)
{
	while (text_len && is_space(text[0])) {
		text++;
		text_len--;
	}
	while (text_len && is_space(text[text_len - 1]))
		text_len--;
	if (text_len < min || text_len > TURN_SECRET_MAX)
		return -EINVAL;
	*secret = text;
	*len = text_len;
	return 0;
}
