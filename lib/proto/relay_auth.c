#include "proto/relay_auth.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "crypto/hash.h"

#define NONCE_BYTES     12 /* seconds, 8 bytes of MAC */
#define NONCE_MAC_BYTES 8

int relay_auth_init(struct relay_auth *auth, const struct relay_server_config *config,
		    const struct rng *rng)
{
	if (!config->secret_count || config->secret_count > RELAY_SECRETS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < config->secret_count; i++) {
		size_t len = config->secrets[i].len;

		if (len < TURN_SECRET_MIN || len > TURN_SECRET_MAX)
			return -EINVAL;
	}
	for (size_t i = 0; i < config->secret_count; i++) {
		auth->secrets[i].len = config->secrets[i].len;
		memcpy(auth->secrets[i].bytes, config->secrets[i].bytes, config->secrets[i].len);
	}
	auth->secret_count = config->secret_count;
	rng_fill(rng, auth->nonce_key, sizeof(auth->nonce_key));
	return 0;
}

void relay_auth_clear(struct relay_auth *auth)
{
	sodium_memzero(auth, sizeof(*auth));
}

static void nonce_at(const struct relay_auth *auth, uint8_t nonce[static NONCE_BYTES],
		     const struct relay_address *from, uint32_t at_s)
{
	uint8_t input[4 + 1 + 16 + 2 + 4];
	uint8_t mac[HASH_MAC_SIZE];

	store_be32(input, at_s);
	input[4] = from->remote.addr.family;
	memcpy(input + 5, from->remote.addr.bytes, 16);
	store_be16(input + 21, from->remote.port);
	store_be32(input + 23, from->stream);
	hash_mac16(mac, auth->nonce_key, sizeof(auth->nonce_key), input, sizeof(input));
	store_be32(nonce, at_s);
	memcpy(nonce + 4, mac, NONCE_MAC_BYTES);
}

void relay_auth_nonce(const struct relay_auth *auth, char nonce[static RELAY_NONCE_SIZE],
		      const struct relay_address *from, uint64_t now_ns)
{
	uint8_t bytes[NONCE_BYTES];

	nonce_at(auth, bytes, from, (uint32_t)(now_ns / NS_PER_S));
	encoding_base64url(nonce, RELAY_NONCE_SIZE, bytes, sizeof(bytes));
}

static void pass_of(const struct relay_auth *auth, uint8_t pass[static NONCE_BYTES],
		    const uint8_t node_key[static STUN_KEY_SIZE], uint32_t number)
{
	uint8_t input[4 + STUN_KEY_SIZE];
	uint8_t mac[HASH_MAC_SIZE];

	/* Of another length than what a nonce is made of, so neither passes for the other. */
	store_be32(input, number);
	memcpy(input + 4, node_key, STUN_KEY_SIZE);
	hash_mac16(mac, auth->nonce_key, sizeof(auth->nonce_key), input, sizeof(input));
	store_be32(pass, number);
	memcpy(pass + 4, mac, NONCE_MAC_BYTES);
}

void relay_auth_pass(const struct relay_auth *auth, char pass[static RELAY_PASS_SIZE],
		     const uint8_t node_key[static STUN_KEY_SIZE], uint32_t number)
{
	uint8_t bytes[NONCE_BYTES];

	pass_of(auth, bytes, node_key, number);
	pass[0] = '~';
	encoding_base64url(pass + 1, RELAY_NONCE_SIZE, bytes, sizeof(bytes));
}

/* A Refresh with a pass; whose it is has been shown already. */
static bool pass_valid(const struct relay_auth *auth, const struct stun_message *msg,
		       struct relay_identity *who)
{
	char text[RELAY_PASS_SIZE];
	uint8_t claimed[NONCE_BYTES];
	uint8_t right[NONCE_BYTES];
	size_t len;

	if (msg->method != STUN_REFRESH ||
	    stun_get_text(msg, STUN_ATTR_NONCE, text, sizeof(text)) < 0 || text[0] != '~' ||
	    encoding_base64url_parse(claimed, sizeof(claimed), &len, text + 1) < 0 ||
	    len != sizeof(claimed))
		return false;
	who->pass = load_be32(claimed);
	pass_of(auth, right, who->node_key, who->pass);
	who->has_pass = sodium_memcmp(claimed, right, sizeof(right)) == 0;
	return who->has_pass;
}

static bool nonce_valid(const struct relay_auth *auth, const struct stun_message *msg,
			const struct relay_address *from, uint64_t now_ns)
{
	uint32_t now_s = (uint32_t)(now_ns / NS_PER_S);
	char text[RELAY_NONCE_SIZE];
	uint8_t claimed[NONCE_BYTES];
	uint8_t right[NONCE_BYTES];
	size_t len;
	uint32_t at_s;

	if (stun_get_text(msg, STUN_ATTR_NONCE, text, sizeof(text)) < 0 ||
	    encoding_base64url_parse(claimed, sizeof(claimed), &len, text) < 0 ||
	    len != sizeof(claimed))
		return false;
	at_s = load_be32(claimed);
	if (at_s > now_s || now_s - at_s > RELAY_NONCE_LIFETIME_S)
		return false;
	nonce_at(auth, right, from, at_s);
	return sodium_memcmp(claimed, right, sizeof(right)) == 0;
}

static bool integrity_right(const struct relay_auth *auth, const struct stun_message *msg,
			    const char *username, uint8_t key[static STUN_LONG_KEY_SIZE])
{
	char password[TURN_PASSWORD_SIZE];
	bool right = false;

	for (size_t i = 0; i < auth->secret_count && !right; i++) {
		turn_credential_password(password, auth->secrets[i].bytes, auth->secrets[i].len,
					 username);
		right = stun_long_term_key(key, username, TURN_REALM, password) == 0 &&
			stun_check_integrity(msg, key, STUN_LONG_KEY_SIZE);
	}
	sodium_memzero(password, sizeof(password));
	return right;
}

unsigned int relay_auth_check(const struct relay_auth *auth, const struct stun_message *msg,
			      const struct relay_address *from, uint64_t now_ns,
			      struct relay_identity *identity)
{
	uint64_t wall_s = auth->wall_s + (now_ns - auth->wall_at_ns) / NS_PER_S;
	char username[TURN_USERNAME_SIZE];
	char realm[sizeof(TURN_REALM)];
	struct relay_identity who = { 0 };
	uint64_t expiry_s;
	bool fresh;

	/* RFC 8489 section 9.2.4, in its order. */
	if (!msg->integrity_at)
		return STUN_ERR_UNAUTHENTICATED;
	if (!stun_has(msg, STUN_ATTR_USERNAME) || !stun_has(msg, STUN_ATTR_REALM) ||
	    !stun_has(msg, STUN_ATTR_NONCE))
		return STUN_ERR_BAD_REQUEST;
	fresh = nonce_valid(auth, msg, from, now_ns);
	if (!fresh && msg->method != STUN_REFRESH)
		return STUN_ERR_STALE_NONCE;
	if (stun_get_text(msg, STUN_ATTR_USERNAME, username, sizeof(username)) < 0 ||
	    stun_get_text(msg, STUN_ATTR_REALM, realm, sizeof(realm)) < 0 ||
	    strcmp(realm, TURN_REALM) != 0 ||
	    turn_credential_parse(username, &expiry_s, who.node_key) < 0)
		return fresh ? STUN_ERR_UNAUTHENTICATED : STUN_ERR_STALE_NONCE;
	if (!fresh && !pass_valid(auth, msg, &who))
		return STUN_ERR_STALE_NONCE;
	if (!integrity_right(auth, msg, username, who.key))
		return STUN_ERR_UNAUTHENTICATED;
	who.expiry_s = expiry_s;
	*identity = who;
	/* Told apart from a wrong password: the remedy is a newer one from the coordinator. */
	return expiry_s > wall_s ? 0 : STUN_ERR_WRONG_CREDENTIALS;
}
