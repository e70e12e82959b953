#include "coord/oidc_token.h"

#include <cjose/cjose.h>
#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coord/oidc_document.h"
#include "proto/json_fields.h"

#define RSA_BITS_MIN  2048
#define RSA_BITS_MAX  8192
#define AUDIENCES_MAX 16

struct oidc_keys {
	json_t *set; /* an array of at most OIDC_KEYS_MAX objects */
};

/* The only ways to sign that count: asymmetric ones. */
static const struct {
	const char *name;
	cjose_jwk_kty_t type;
	int curve;
} algorithms[] = {
	{ "RS256", CJOSE_JWK_KTY_RSA, 0 },
	{ "PS256", CJOSE_JWK_KTY_RSA, 0 },
	{ "ES256", CJOSE_JWK_KTY_EC, CJOSE_JWK_EC_P_256 },
	{ "ES384", CJOSE_JWK_KTY_EC, CJOSE_JWK_EC_P_384 },
};
#define ALGORITHMS (sizeof(algorithms) / sizeof(algorithms[0]))

int oidc_keys_parse(struct oidc_keys **out, const char *text, size_t len)
{
	json_t *object = json_fields_load(text, len, OIDC_DOCUMENT_MAX, OIDC_DEPTH_MAX);
	json_t *set = json_object_get(object, "keys");
	struct oidc_keys *keys;

	if (!json_is_array(set) || json_array_size(set) > OIDC_KEYS_MAX) {
		json_decref(object);
		return -EBADMSG;
	}
	keys = calloc(1, sizeof(*keys));
	if (keys)
		keys->set = json_incref(set);
	json_decref(object);
	if (!keys)
		return -ENOMEM;
	*out = keys;
	return 0;
}

void oidc_keys_free(struct oidc_keys *keys)
{
	if (!keys)
		return;
	json_decref(keys->set);
	free(keys);
}

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* Absent, or just this. */
static bool is_or_absent(const json_t *object, const char *name, const char *want)
{
	const json_t *value = json_object_get(object, name);
	const char *text = json_string_value(value);

	return !value || (text && strcmp(text, want) == 0);
}

static bool is_candidate(const json_t *jwk, size_t algorithm, const char *kid)
{
	const char *type = algorithms[algorithm].type == CJOSE_JWK_KTY_RSA ? "RSA" : "EC";
	const char *kty = text_of(jwk, "kty");

	return kty && strcmp(kty, type) == 0 && is_or_absent(jwk, "use", "sig") &&
	       is_or_absent(jwk, "alg", algorithms[algorithm].name) &&
	       (!kid || (text_of(jwk, "kid") && strcmp(text_of(jwk, "kid"), kid) == 0));
}

/*
 * The one key that a token names. Without a name there has to be but one that it can mean, so that
 * nobody tries out keys.
 */
static const json_t *find_key(const struct oidc_keys *keys, size_t algorithm, const char *kid)
{
	const json_t *found = NULL;

	for (size_t i = 0; i < json_array_size(keys->set); i++) {
		const json_t *jwk = json_array_get(keys->set, i);

		if (!is_candidate(jwk, algorithm, kid))
			continue;
		if (found)
			return NULL;
		found = jwk;
	}
	return found;
}

static bool is_strong(const cjose_jwk_t *jwk, size_t algorithm)
{
	cjose_err err;
	size_t bits = cjose_jwk_get_keysize(jwk, &err);

	if (cjose_jwk_get_kty(jwk, &err) != algorithms[algorithm].type)
		return false;
	if (algorithms[algorithm].type == CJOSE_JWK_KTY_EC)
		return (int)cjose_jwk_EC_get_curve(jwk, &err) == algorithms[algorithm].curve;
	return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX;
}

/*
 * libcjose aborts the program on text that is no base64url, so it gets none: unpadded, and of a
 * length that whole bytes have.
 */
static bool is_base64url(const char *text, size_t len)
{
	if (len == 0 || len % 4 == 1)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '-' && text[i] != '_')
			return false;
	return true;
}

/* Three such parts between dots. */
static bool is_compact(const char *token)
{
	for (int part = 0; part < 3; part++) {
		size_t len = strcspn(token, ".");

		if (!is_base64url(token, len) || (token[len] == '.') != (part < 2))
			return false;
		token += len + 1;
	}
	return true;
}

/* Only the public members, whatever else a provider publishes by mistake. */
static json_t *public_part(const json_t *jwk)
{
	static const char *const names[] = { "kty", "kid", "crv" };
	static const char *const numbers[] = { "n", "e", "x", "y" };
	json_t *copy = json_object();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (text_of(jwk, names[i]))
			json_object_set(copy, names[i], json_object_get(jwk, names[i]));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		const char *text = text_of(jwk, numbers[i]);

		if (text && is_base64url(text, strlen(text)))
			json_object_set(copy, numbers[i], json_object_get(jwk, numbers[i]));
	}
	return copy;
}

/* 0, -EKEYREJECTED. */
static int check_signature(cjose_jws_t *jws, const json_t *key, size_t algorithm)
{
	json_t *plain = public_part(key);
	cjose_err err;
	cjose_jwk_t *jwk = cjose_jwk_import_json(plain, &err);
	bool good = jwk && is_strong(jwk, algorithm) && cjose_jws_verify(jws, jwk, &err);

	if (jwk)
		cjose_jwk_release(jwk);
	json_decref(plain);
	return good ? 0 : -EKEYREJECTED;
}

static int refuse(char *error, size_t size, const char *why)
{
	snprintf(error, size, "%s", why);
	return -EKEYREJECTED;
}

static int open_signed(cjose_jws_t *jws, const struct oidc_keys *keys, char *error, size_t size)
{
	cjose_header_t *header = cjose_jws_get_protected(jws);
	const char *name = text_of(header, "alg");
	const json_t *kid = json_object_get(header, "kid");
	const json_t *key;
	size_t i = 0;

	while (i < ALGORITHMS && (!name || strcmp(name, algorithms[i].name) != 0))
		i++;
	if (i == ALGORITHMS)
		return refuse(error, size,
			      "the ID token is not signed with RS256, PS256, ES256 or ES384");
	if (json_object_get(header, "crit") || (kid && !json_string_value(kid)))
		return refuse(error, size, "the ID token's header asks for what is not known here");
	key = find_key(keys, i, json_string_value(kid));
	if (!key) {
		refuse(error, size,
		       "the ID token is signed with a key that the provider does not "
		       "publish");
		return -ENOKEY;
	}
	if (check_signature(jws, key, i) < 0)
		return refuse(error, size, "the ID token's signature is wrong");
	return 0;
}

/* For us, and if for others too then issued to us. */
static bool audience_is(const json_t *claims, const char *client_id)
{
	const json_t *aud = json_object_get(claims, "aud");
	const char *single = json_string_value(aud);
	bool named = single && strcmp(single, client_id) == 0;
	const json_t *azp = json_object_get(claims, "azp");

	if (json_array_size(aud) > AUDIENCES_MAX)
		return false;
	for (size_t i = 0; i < json_array_size(aud); i++) {
		const char *entry = json_string_value(json_array_get(aud, i));

		named = named || (entry && strcmp(entry, client_id) == 0);
	}
	if (azp)
		return named && json_is_string(azp) &&
		       strcmp(json_string_value(azp), client_id) == 0;
	return named && json_array_size(aud) <= 1;
}

/* Seconds, of which some providers write fractions. */
static bool time_of(const json_t *claims, const char *name, double *out)
{
	const json_t *value = json_object_get(claims, name);

	if (!json_is_number(value) || json_number_value(value) < 0 ||
	    json_number_value(value) > 1e12)
		return false;
	*out = json_number_value(value);
	return true;
}

static const char *bad_times(const json_t *claims, uint64_t now_s)
{
	double now = (double)now_s;
	double exp;
	double iat;
	double nbf;

	if (!time_of(claims, "exp", &exp) || !time_of(claims, "iat", &iat))
		return "the ID token does not say how long it holds";
	if (now >= exp + OIDC_SKEW_S)
		return "the ID token has expired; compare this machine's clock with the provider's";
	if (iat > now + OIDC_SKEW_S || (json_object_get(claims, "nbf") &&
					(!time_of(claims, "nbf", &nbf) || nbf > now + OIDC_SKEW_S)))
		return "the ID token is from the future; compare this machine's clock with the "
		       "provider's";
	return NULL;
}

static const char *bad_claims(const json_t *claims, const struct oidc_expected *expected)
{
	const char *issuer = text_of(claims, "iss");
	const char *nonce = text_of(claims, "nonce");

	if (!issuer || strcmp(issuer, expected->issuer) != 0)
		return "the ID token is of another issuer";
	if (!audience_is(claims, expected->client_id))
		return "the ID token is for another client";
	if (expected->nonce && (!nonce || strlen(nonce) != strlen(expected->nonce) ||
				sodium_memcmp(nonce, expected->nonce, strlen(nonce)) != 0))
		return "the ID token is not of this sign-in";
	return bad_times(claims, expected->now_s);
}

static const char *take_user(const json_t *claims, const char *claim, struct oidc_claims *out)
{
	const char *subject = text_of(claims, "sub");
	const char *user = text_of(claims, claim);
	size_t i;

	if (!subject || !subject[0] || strlen(subject) > OIDC_SUBJECT_MAX)
		return "the ID token does not say who signed in";
	if (!user || !user[0] || strlen(user) > CERT_OWNER_MAX)
		return "the ID token lacks the claim that names the user; see --scope and "
		       "--user-claim";
	/* What is not shown to be the user's could be anybody's. */
	if (strcmp(claim, "email") == 0 && !json_is_true(json_object_get(claims, "email_verified")))
		return "the provider has not verified this mail address";
	for (i = 0; user[i]; i++)
		out->user[i] = (char)tolower((unsigned char)user[i]);
	out->user[i] = '\0';
	strcpy(out->subject, subject);
	return cert_owner_check(out->user) < 0 ? "the user's name has characters that none may have"
					       : NULL;
}

bool oidc_claims_suffice(const json_t *claims, const struct oidc_expected *expected)
{
	if (!json_object_get(claims, expected->user_claim) ||
	    (expected->group_claim[0] && !json_object_get(claims, expected->group_claim)))
		return false;
	return strcmp(expected->user_claim, "email") != 0 ||
	       json_object_get(claims, "email_verified");
}

int oidc_claims_add_userinfo(json_t *claims, const char *text, size_t len, char *error,
			     size_t error_size)
{
	json_t *info = json_fields_load(text, len, OIDC_DOCUMENT_MAX, OIDC_DEPTH_MAX);
	const char *theirs = text_of(info, "sub");
	const char *ours = text_of(claims, "sub");

	if (!theirs || !ours || strcmp(theirs, ours) != 0) {
		json_decref(info);
		return refuse(error, error_size,
			      "the provider tells of another user than the one "
			      "who signed in");
	}
	/* An address and whether it is verified belong together. */
	if (!json_object_get(claims, "email_verified") || !json_object_get(claims, "email")) {
		json_object_del(claims, "email");
		json_object_del(claims, "email_verified");
	}
	json_object_update_missing(claims, info);
	json_decref(info);
	return 0;
}

int oidc_claims_take(struct oidc_claims *out, const json_t *claims,
		     const struct oidc_expected *expected, char *error, size_t error_size)
{
	struct oidc_claims found = { .groups = NULL };
	const char *bad = take_user(claims, expected->user_claim, &found);
	json_t *groups;

	if (bad)
		return refuse(error, error_size, bad);
	groups = expected->group_claim[0] ? json_object_get(claims, expected->group_claim) : NULL;
	if (json_is_array(groups))
		found.groups = json_incref(groups);
	*out = found;
	return 0;
}

static int read_claims(json_t **out, const uint8_t *text, size_t len,
		       const struct oidc_expected *expected, char *error, size_t size)
{
	json_t *claims = json_fields_load((const char *)text, len, OIDC_TOKEN_MAX, OIDC_DEPTH_MAX);
	const char *bad = json_is_object(claims) ? bad_claims(claims, expected)
						 : "the ID token holds no claims";

	if (bad) {
		json_decref(claims);
		return refuse(error, size, bad);
	}
	*out = claims;
	return 0;
}

int oidc_token_verify(json_t **out, const char *token, const struct oidc_keys *keys,
		      const struct oidc_expected *expected, char *error, size_t error_size)
{
	size_t len = strlen(token);
	uint8_t *text = NULL;
	size_t text_len = 0;
	cjose_jws_t *jws;
	cjose_err err;
	int result;

	if (len > OIDC_TOKEN_MAX)
		return refuse(error, error_size, "the ID token is too long");
	jws = is_compact(token) ? cjose_jws_import(token, len, &err) : NULL;
	if (!jws)
		return refuse(error, error_size,
			      "the ID token is malformed, or signed in no way that counts");
	result = open_signed(jws, keys, error, error_size);
	if (result == 0 && !cjose_jws_get_plaintext(jws, &text, &text_len, &err))
		result = refuse(error, error_size, "the ID token holds no claims");
	if (result == 0)
		result = read_claims(out, text, text_len, expected, error, error_size);
	cjose_jws_release(jws);
	return result;
}

void oidc_claims_clear(struct oidc_claims *claims)
{
	json_decref(claims->groups);
	claims->groups = NULL;
}
