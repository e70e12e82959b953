#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjose/cjose.h>
#include <cmocka.h>

#include "coord/oidc_token.h"

#define NOW 1000000

static cjose_jwk_t *rsa;
static cjose_jwk_t *p256;
static cjose_jwk_t *p384;
static cjose_jwk_t *octets;
static struct oidc_keys *keys;

static const struct oidc_expected expected = {
	.issuer = "https://id.example.com",
	.client_id = "warren",
	.nonce = "n-1",
	.user_claim = "email",
	.group_claim = "groups",
	.now_s = NOW,
};

static const char right[] = "{\"iss\":\"https://id.example.com\",\"aud\":\"warren\",\"sub\":\"1\","
			    "\"nonce\":\"n-1\",\"iat\":999990,\"exp\":1000100,"
			    "\"email\":\"Alice@Example.com\",\"email_verified\":true,"
			    "\"groups\":[\"staff\"]}";

static cjose_jwk_t *named(cjose_jwk_t *jwk, const char *kid)
{
	cjose_err err;

	assert_non_null(jwk);
	assert_true(cjose_jwk_set_kid(jwk, kid, strlen(kid), &err));
	return jwk;
}

static void make_keys(void)
{
	cjose_jwk_t *published[] = { rsa, p256, p384, octets };
	char text[8192] = "{\"keys\":[";
	cjose_err err;

	for (size_t i = 0; i < 4; i++) {
		/* Published with the secret of the symmetric one: it must not serve all the same.
		 */
		char *json = cjose_jwk_to_json(published[i], i == 3, &err);
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len, "%s%s", i ? "," : "", json);
		free(json);
	}
	strncat(text, "]}", 3);
	assert_int_equal(oidc_keys_parse(&keys, text, strlen(text)), 0);
}

static int setup(void **state)
{
	static const uint8_t exponent[] = { 1, 0, 1 };
	cjose_err err;

	(void)state;
	rsa = named(cjose_jwk_create_RSA_random(2048, exponent, 3, &err), "rsa");
	p256 = named(cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, &err), "p256");
	p384 = named(cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_384, &err), "p384");
	octets = named(cjose_jwk_create_oct_random(256, &err), "oct");
	make_keys();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	oidc_keys_free(keys);
	cjose_jwk_release(rsa);
	cjose_jwk_release(p256);
	cjose_jwk_release(p384);
	cjose_jwk_release(octets);
	return 0;
}

/* malloc'd */
static char *sign(cjose_jwk_t *jwk, const char *alg, const char *kid, const char *claims)
{
	cjose_err err;
	cjose_header_t *header = cjose_header_new(&err);
	const char *text;
	cjose_jws_t *jws;
	char *copy;

	cjose_header_set(header, "alg", alg, &err);
	if (kid)
		cjose_header_set(header, "kid", kid, &err);
	jws = cjose_jws_sign(jwk, header, (const uint8_t *)claims, strlen(claims), &err);
	assert_non_null(jws);
	assert_true(cjose_jws_export(jws, &text, &err));
	copy = strdup(text);
	cjose_jws_release(jws);
	cjose_header_release(header);
	return copy;
}

static int verify(const char *token, const struct oidc_expected *wanted, char error[static 256])
{
	json_t *claims = NULL;
	int err = oidc_token_verify(&claims, token, keys, wanted, error, 256);

	json_decref(claims);
	return err;
}

static int try(cjose_jwk_t *jwk, const char *alg, const char *kid, const char *claims)
{
	char *token = sign(jwk, alg, kid, claims);
	char error[256] = "";
	int err = verify(token, &expected, error);

	assert_true(err == 0 || error[0]);
	free(token);
	return err;
}

static void test_ways_to_sign(void **state)
{
	(void)state;
	assert_int_equal(try(rsa, "RS256", "rsa", right), 0);
	assert_int_equal(try(rsa, "PS256", "rsa", right), 0);
	assert_int_equal(try(p256, "ES256", "p256", right), 0);
	assert_int_equal(try(p384, "ES384", "p384", right), 0);
	/* Without a name, if only one key can be meant. */
	assert_int_equal(try(rsa, "RS256", NULL, right), 0);
	assert_int_equal(try(octets, "HS256", "oct", right), -EKEYREJECTED);
	assert_int_equal(try(rsa, "RS512", "rsa", right), -EKEYREJECTED);
	assert_int_equal(try(rsa, "RS256", "other", right), -ENOKEY);
	assert_int_equal(try(rsa, "RS256", "p256", right), -ENOKEY);
	assert_int_equal(try(p256, "ES256", NULL, right), -ENOKEY); /* two curves, either could */
	assert_int_equal(try(p384, "ES384", "p256", right), -EKEYREJECTED);
}

static void test_signature_of_another_key(void **state)
{
	static const uint8_t exponent[] = { 1, 0, 1 };
	cjose_err err;
	cjose_jwk_t *stranger = cjose_jwk_create_RSA_random(2048, exponent, 3, &err);

	(void)state;
	assert_int_equal(try(stranger, "RS256", "rsa", right), -EKEYREJECTED);
	cjose_jwk_release(stranger);
}

static void test_every_bit(void **state)
{
	char *token = sign(p256, "ES256", "p256", right);
	size_t len = strlen(token);
	char error[256];

	(void)state;
	for (size_t i = 0; i < len; i++) {
		char was = token[i];

		/* The last letter of a part has bits that mean nothing. */
		if (i + 1 == len || token[i] == '.' || token[i + 1] == '.')
			continue;
		token[i] = was == 'A' ? 'B' : 'A';
		assert_int_not_equal(verify(token, &expected, error), 0);
		token[i] = was;
	}
	assert_int_equal(verify(token, &expected, error), 0);
	free(token);
}

static void test_no_signature(void **state)
{
	static const char *const tokens[] = {
		"",
		".",
		"..",
		"a.b.c",
		"eyJhbGciOiJub25lIn0.e30.",
		"eyJhbGciOiJub25lIn0.e30",
		"eyJhbGciOiJub25lIn0..",
		/* On these libcjose would abort the program. */
		"eyJhbGciOiJSUzI1NiJ9.e30.A",
		"a.e30.AAAA",
		"eyJhbGciOiJSUzI1NiJ9.e.AAAA",
		"eyJhbGciOiJSUzI1NiJ9.e30.A&AA",
		"eyJhbGciOiJSUzI1NiJ9.e30.AAAA.AAAA",
	};
	char error[256];

	(void)state;
	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
		assert_int_equal(verify(tokens[i], &expected, error), -EKEYREJECTED);
}

/* The right claims with one replaced (or added), or taken away. */
static int with(const char *name, const char *value)
{
	json_t *claims = json_loads(right, 0, NULL);
	char *text;
	int err;

	if (value)
		json_object_set_new(claims, name, json_loads(value, JSON_DECODE_ANY, NULL));
	else
		json_object_del(claims, name);
	text = json_dumps(claims, 0);
	err = try(p256, "ES256", "p256", text);
	free(text);
	json_decref(claims);
	return err;
}

static void test_claims(void **state)
{
	(void)state;
	assert_int_equal(with("x", "1"), 0);
	assert_int_equal(with("iss", "\"https://id.example.com/\""), -EKEYREJECTED);
	assert_int_equal(with("iss", NULL), -EKEYREJECTED);
	assert_int_equal(with("aud", "\"other\""), -EKEYREJECTED);
	assert_int_equal(with("aud", "[\"warren\"]"), 0);
	assert_int_equal(with("aud", "[\"warren\",\"other\"]"), -EKEYREJECTED);
	assert_int_equal(with("aud", "[]"), -EKEYREJECTED);
	assert_int_equal(with("azp", "\"warren\""), 0);
	assert_int_equal(with("azp", "\"other\""), -EKEYREJECTED);
	assert_int_equal(with("azp", "7"), -EKEYREJECTED);
	assert_int_equal(with("nonce", "\"n-2\""), -EKEYREJECTED);
	assert_int_equal(with("nonce", NULL), -EKEYREJECTED);
}

static void test_times(void **state)
{
	(void)state;
	assert_int_equal(with("exp", "999941"), 0); /* within what clocks may differ */
	assert_int_equal(with("exp", "999940"), -EKEYREJECTED);
	assert_int_equal(with("exp", "1000100.5"), 0);
	assert_int_equal(with("exp", "-1"), -EKEYREJECTED);
	assert_int_equal(with("exp", "1e300"), -EKEYREJECTED);
	assert_int_equal(with("exp", "\"1000100\""), -EKEYREJECTED);
	assert_int_equal(with("iat", "1000060"), 0);
	assert_int_equal(with("iat", "1000061"), -EKEYREJECTED);
	assert_int_equal(with("iat", NULL), -EKEYREJECTED);
	assert_int_equal(with("nbf", "1000061"), -EKEYREJECTED);
	assert_int_equal(with("nbf", "\"x\""), -EKEYREJECTED);
}

static void test_audiences_with_azp(void **state)
{
	json_t *claims = json_loads(right, 0, NULL);
	char *text;

	(void)state;
	json_object_set_new(claims, "aud", json_pack("[s,s]", "other", "warren"));
	json_object_set_new(claims, "azp", json_string("warren"));
	text = json_dumps(claims, 0);
	assert_int_equal(try(p256, "ES256", "p256", text), 0);
	free(text);
	json_decref(claims);
}

static int take(const char *json, struct oidc_claims *out)
{
	json_t *claims = json_loads(json, 0, NULL);
	char error[256];
	int err = oidc_claims_take(out, claims, &expected, error, sizeof(error));

	json_decref(claims);
	return err;
}

static void test_users(void **state)
{
	static const char *const bad[] = {
		"{\"sub\":\"1\"}",
		"{\"sub\":\"1\",\"email\":\"a@b\"}",
		"{\"sub\":\"1\",\"email\":\"a@b\",\"email_verified\":false}",
		"{\"sub\":\"1\",\"email\":\"a@b\",\"email_verified\":\"true\"}",
		"{\"sub\":\"1\",\"email\":\"a@b\",\"email_verified\":1}",
		"{\"sub\":\"1\",\"email\":\"\",\"email_verified\":true}",
		"{\"sub\":\"1\",\"email\":\"a b@c\",\"email_verified\":true}",
		"{\"sub\":\"1\",\"email\":\"\\u00e4@b\",\"email_verified\":true}",
		"{\"sub\":\"\",\"email\":\"a@b\",\"email_verified\":true}",
		"{\"email\":\"a@b\",\"email_verified\":true}",
		"{\"sub\":1,\"email\":\"a@b\",\"email_verified\":true}",
	};
	struct oidc_claims claims;

	(void)state;
	assert_int_equal(take(right, &claims), 0);
	assert_string_equal(claims.user, "alice@example.com");
	assert_string_equal(claims.subject, "1");
	assert_int_equal(json_array_size(claims.groups), 1);
	oidc_claims_clear(&claims);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(take(bad[i], &claims), -EKEYREJECTED);
	assert_int_equal(take("{\"sub\":\"1\",\"email\":\"a@b\",\"email_verified\":true,"
			      "\"groups\":\"staff\"}",
			      &claims),
			 0);
	assert_null(claims.groups);
	oidc_claims_clear(&claims);
}

static int add(const char *claims_text, const char *info, json_t **claims)
{
	char error[256];

	*claims = json_loads(claims_text, 0, NULL);
	return oidc_claims_add_userinfo(*claims, info, strlen(info), error, sizeof(error));
}

static void test_userinfo(void **state)
{
	json_t *claims;

	(void)state;
	assert_int_equal(add("{\"sub\":\"1\",\"email\":\"a@b\"}",
			     "{\"sub\":\"1\",\"email\":\"c@d\",\"email_verified\":true}", &claims),
			 0);
	/* Address and word on it are of one source. */
	assert_string_equal(json_string_value(json_object_get(claims, "email")), "c@d");
	assert_false(oidc_claims_suffice(claims, &expected)); /* no groups */
	json_decref(claims);
	assert_int_equal(add(right, "{\"sub\":\"1\",\"email\":\"c@d\",\"iss\":\"x\"}", &claims), 0);
	assert_string_equal(json_string_value(json_object_get(claims, "email")),
			    "Alice@Example.com");
	assert_true(oidc_claims_suffice(claims, &expected));
	json_decref(claims);
	assert_int_equal(add(right, "{\"sub\":\"2\"}", &claims), -EKEYREJECTED);
	json_decref(claims);
	assert_int_equal(add(right, "{}", &claims), -EKEYREJECTED);
	json_decref(claims);
	assert_int_equal(add(right, "not json", &claims), -EKEYREJECTED);
	json_decref(claims);
}

static void test_key_sets(void **state)
{
	struct oidc_keys *parsed;
	char many[2048] = "{\"keys\":[";

	(void)state;
	assert_int_equal(oidc_keys_parse(&parsed, "", 0), -EBADMSG);
	assert_int_equal(oidc_keys_parse(&parsed, "{}", 2), -EBADMSG);
	assert_int_equal(oidc_keys_parse(&parsed, "{\"keys\":{}}", 11), -EBADMSG);
	assert_int_equal(oidc_keys_parse(&parsed, "{\"keys\":[]}", 11), 0);
	oidc_keys_free(parsed);
	for (int i = 0; i <= OIDC_KEYS_MAX; i++)
		strncat(many, i ? ",{}" : "{}", 4);
	strncat(many, "]}", 3);
	assert_int_equal(oidc_keys_parse(&parsed, many, strlen(many)), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ways_to_sign),
		cmocka_unit_test(test_signature_of_another_key),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_no_signature),
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_audiences_with_azp),
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_userinfo),
		cmocka_unit_test(test_key_sets),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
