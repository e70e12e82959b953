#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "coord/oidc_config.h"
#include "coord/oidc_document.h"
#include "coord/oidc_token.h"

#define ISSUER "https://id.example.com"

static void try_provider(const char *text, size_t len)
{
	struct oidc_provider provider;
	char error[256];

	if (oidc_provider_parse(&provider, text, len, ISSUER, error, sizeof(error)) < 0)
		return;
	if (!oidc_url_is_https(provider.token_endpoint) || !oidc_url_is_https(provider.jwks_uri))
		abort();
}

static void try_grants(const char *text, size_t len)
{
	struct oidc_device_grant grant;
	struct oidc_token_answer answer = { .id_token = NULL };

	if (oidc_device_grant_parse(&grant, text, len) == 0 && !oidc_url_is_safe(grant.url))
		abort();
	if (oidc_token_answer_parse(&answer, 200, text, len) == 0 && !answer.id_token)
		abort();
	free(answer.id_token);
	free(answer.access_token);
	answer = (struct oidc_token_answer){ .id_token = NULL };
	if (oidc_token_answer_parse(&answer, 400, text, len) == 0 && answer.id_token)
		abort();
}

static void try_config(const char *text, size_t len)
{
	json_t *object = json_loadb(text, len, 0, NULL);
	struct oidc_config config;
	char error[256];

	if (oidc_config_parse(&config, object, error, sizeof(error)) == 0) {
		json_t *written = oidc_config_json(&config, true);

		if (oidc_config_parse(&config, written, error, sizeof(error)) < 0)
			abort();
		json_decref(written);
		oidc_config_allows(&config, "a@b");
		oidc_config_group(&config, "a");
	}
	json_decref(object);
}

/* A key set, and a token that nobody signed, in two lines. */
static void try_token(const char *text, size_t len)
{
	const struct oidc_expected expected = { ISSUER, "warren", "n", "email", "groups", 1000000 };
	const char *end = memchr(text, '\n', len);
	size_t first = end ? (size_t)(end - text) : len;
	struct oidc_keys *keys;
	json_t *claims;
	char error[256];
	char *token;

	if (oidc_keys_parse(&keys, text, first) < 0)
		return;
	token = end ? strndup(end + 1, len - first - 1) : strdup("");
	/* With keys and signature of one author it may hold. */
	if (oidc_token_verify(&claims, token, keys, &expected, error, sizeof(error)) == 0)
		json_decref(claims);
	free(token);
	oidc_keys_free(keys);
}

static void try_claims(const char *text, size_t len)
{
	const struct oidc_expected expected = { ISSUER, "warren", NULL, "email", "groups", 0 };
	json_t *claims = json_loadb(text, len, 0, NULL);
	struct oidc_claims taken;
	char error[256];

	if (claims && oidc_claims_take(&taken, claims, &expected, error, sizeof(error)) == 0) {
		if (cert_owner_check(taken.user) < 0)
			abort();
		oidc_claims_clear(&taken);
	}
	json_decref(claims);
	claims = json_pack("{s:s}", "sub", "1");
	oidc_claims_add_userinfo(claims, text, len, error, sizeof(error));
	json_decref(claims);
}

static void try_form(const char *text, size_t len)
{
	char out[64];

	if (oidc_form_get(text, len, "code", out, sizeof(out)) == 0 && strlen(out) >= sizeof(out))
		abort();
}

/* What an OpenID provider or a browser sends; the first byte says which. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(const char *text, size_t len) = {
		try_provider, try_grants, try_config, try_token, try_claims, try_form,
	};
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	memcpy(text, data + 1, size - 1);
	tries[data[0] % (sizeof(tries) / sizeof(tries[0]))](text, size - 1);
	free(text);
	return 0;
}
