#include "coord/login.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/encoding.h"
#include "coord/admin_verbs.h"
#include "coord/http_cookie.h"
#include "coord/network.h"
#include "crypto/hash.h"
#include "io/ws.h"

#define ID_SIZE           32
#define COOKIE_ATTRIBUTES "; Path=/; Secure; HttpOnly; SameSite=Strict"

static void hash_id(uint8_t hash[static 32], const uint8_t id[static ID_SIZE])
{
	static const char domain[] = "warren login 1";

	hash_blake2s(hash, domain, sizeof(domain), id, ID_SIZE);
}

int login_open(struct network *network, const struct admin_caller *caller, const uint8_t *token_id,
	       uint64_t now_s, struct ws_http_response *response)
{
	struct store_login login = { .admin = caller->may_change,
				     .expires_s = now_s + LOGIN_LIFE_S };
	char text[BASE64_SIZE(ID_SIZE)];
	uint8_t id[ID_SIZE];
	int err;

	rng_fill(&network->rng, id, sizeof(id));
	hash_id(login.id_hash, id);
	snprintf(login.who, sizeof(login.who), "%s", caller->who);
	if (token_id)
		memcpy(login.token, token_id, sizeof(login.token));
	encoding_base64url(text, sizeof(text), id, sizeof(id));
	err = store_login_add(network->store, &login);
	if (err == 0)
		err = ws_http_set_header(response, "set-cookie",
					 LOGIN_COOKIE "=%s; Max-Age=%d" COOKIE_ATTRIBUTES, text,
					 LOGIN_LIFE_S);
	sodium_memzero(id, sizeof(id));
	sodium_memzero(text, sizeof(text));
	return err;
}

/* Of the request's cookie. 0 or -ENOENT. */
static int read_hash(const struct ws_http_request *request, uint8_t hash[static 32])
{
	char text[BASE64_SIZE(ID_SIZE)];
	uint8_t id[ID_SIZE];
	size_t len = 0;

	if (!http_cookie_get(request->cookie, LOGIN_COOKIE, text, sizeof(text)) ||
	    encoding_base64url_parse(id, sizeof(id), &len, text) < 0 || len != sizeof(id))
		return -ENOENT;
	hash_id(hash, id);
	sodium_memzero(id, sizeof(id));
	return 0;
}

int login_find(struct network *network, const struct ws_http_request *request, uint64_t now_s,
	       struct store_login *login)
{
	static const uint8_t none[STORE_API_TOKEN_ID_SIZE];
	struct store_api_token token;
	struct store_login found;
	uint8_t hash[32];
	int err = read_hash(request, hash);

	if (err == 0)
		err = store_login_find(network->store, hash, &found);
	if (err < 0)
		return err;
	if (now_s >= found.expires_s)
		return -ENOENT;
	/* It lives no longer than the token that it rests on. */
	if (memcmp(found.token, none, sizeof(none)) != 0) {
		err = store_api_token_find(network->store, found.token, &token);
		if (err < 0)
			return err;
		if (token.revoked || (token.expires_s && now_s >= token.expires_s))
			return -ENOENT;
	}
	*login = found;
	return 0;
}

int login_close(struct network *network, const struct ws_http_request *request,
		struct ws_http_response *response)
{
	uint8_t hash[32];

	ws_http_set_header(response, "set-cookie", LOGIN_COOKIE "=; Max-Age=0" COOKIE_ATTRIBUTES);
	return read_hash(request, hash) == 0 ? store_login_delete(network->store, hash) : 0;
}
