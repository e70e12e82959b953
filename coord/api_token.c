#include "coord/api_token.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "coord/network.h"
#include "crypto/hash.h"

#define ID_HEX_LEN (HEX_SIZE(STORE_API_TOKEN_ID_SIZE) - 1)

static void hash_secret(uint8_t hash[static 32], const uint8_t secret[static API_TOKEN_SECRET_SIZE])
{
	static const char domain[] = "warren api token 1";

	/* 256 random bits: no password hashing is needed. */
	hash_blake2s(hash, domain, sizeof(domain), secret, API_TOKEN_SECRET_SIZE);
}

int api_token_make(struct network *network, struct store_api_token *token, uint64_t now_s,
		   char text[static API_TOKEN_TEXT_SIZE])
{
	uint8_t secret[API_TOKEN_SECRET_SIZE];
	char id_text[HEX_SIZE(STORE_API_TOKEN_ID_SIZE)];
	char secret_text[BASE64_SIZE(API_TOKEN_SECRET_SIZE)];
	int err;

	rng_fill(&network->rng, token->id, sizeof(token->id));
	rng_fill(&network->rng, secret, sizeof(secret));
	hash_secret(token->secret_hash, secret);
	token->created_s = now_s;
	token->revoked = false;
	err = store_api_token_add(network->store, token);
	if (err == 0) {
		encoding_hex(id_text, sizeof(id_text), token->id, sizeof(token->id));
		encoding_base64url(secret_text, sizeof(secret_text), secret, sizeof(secret));
		snprintf(text, API_TOKEN_TEXT_SIZE, API_TOKEN_PREFIX "%s-%s", id_text, secret_text);
		sodium_memzero(secret_text, sizeof(secret_text));
	}
	sodium_memzero(secret, sizeof(secret));
	return err;
}

static int parse(const char *text, uint8_t id[static STORE_API_TOKEN_ID_SIZE],
		 uint8_t hash[static 32])
{
	uint8_t secret[API_TOKEN_SECRET_SIZE];
	char id_text[ID_HEX_LEN + 1];
	size_t len = 0;
	int err = -EINVAL;

	if (strncmp(text, API_TOKEN_PREFIX, strlen(API_TOKEN_PREFIX)) != 0)
		return -EINVAL;
	text += strlen(API_TOKEN_PREFIX);
	if (strnlen(text, ID_HEX_LEN + 1) <= ID_HEX_LEN || text[ID_HEX_LEN] != '-')
		return -EINVAL;
	memcpy(id_text, text, ID_HEX_LEN);
	id_text[ID_HEX_LEN] = '\0';
	if (encoding_hex_parse(id, STORE_API_TOKEN_ID_SIZE, id_text) == 0 &&
	    encoding_base64url_parse(secret, sizeof(secret), &len, text + ID_HEX_LEN + 1) == 0 &&
	    len == sizeof(secret)) {
		hash_secret(hash, secret);
		err = 0;
	}
	sodium_memzero(secret, sizeof(secret));
	return err;
}

int api_token_check(struct store *store, const char *text, uint64_t now_s,
		    struct store_api_token *token)
{
	uint8_t id[STORE_API_TOKEN_ID_SIZE];
	struct store_api_token found;
	uint8_t hash[32];
	int err;

	if (parse(text, id, hash) < 0)
		return -EACCES;
	err = store_api_token_find(store, id, &found);
	if (err < 0)
		return err == -ENOENT ? -EACCES : err;
	if (sodium_memcmp(hash, found.secret_hash, sizeof(hash)) != 0 || found.revoked ||
	    (found.expires_s && now_s >= found.expires_s))
		return -EACCES;
	*token = found;
	return 0;
}
