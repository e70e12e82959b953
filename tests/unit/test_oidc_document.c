#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "coord/oidc_config.h"
#include "coord/oidc_document.h"

static void test_safe_urls(void **state)
{
	static const char *const good[] = {
		"https://id.example.com",  "https://id.example.com:8443/a/b?c=d",
		"http://127.0.0.1:9000/a", "http://127.1.2.3",
		"http://localhost:1",      "http://[::1]:9000/",
		"https://[2001:db8::1]/x",
	};
	static const char *const bad[] = {
		"",
		"https://",
		"http://id.example.com",
		"http://192.0.2.1",
		"http://127.0.0.1.example.com",
		"http://localhost.example.com",
		"ftp://id.example.com",
		"file:///etc/passwd",
		"javascript:alert(1)",
		"//id.example.com",
		"id.example.com",
		"https://a@b",
		"https://a:b@c",
		"https://a/#b",
		"https://a/ b",
		"https://a/\nb",
		"https://\xc3\xa4",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(oidc_url_is_safe(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(oidc_url_is_safe(bad[i]));
}

static void test_forms(void **state)
{
	static const char query[] = "a=1&code=x%2By+z&empty=&b=2&b=3&bad=%zz&cut=%2&nl=%0a";
	struct oidc_form form = { .text = NULL };
	char out[16] = "kept";
	char *text;

	(void)state;
	oidc_form_begin(&form, "https://id/auth?x=1");
	oidc_form_add(&form, "scope", "openid email");
	oidc_form_add(&form, "r", "a&b=c/%");
	text = oidc_form_take(&form);
	assert_string_equal(text, "https://id/auth?x=1&scope=openid%20email&r=a%26b%3Dc%2F%25");
	free(text);
	assert_int_equal(oidc_form_get(query, sizeof(query) - 1, "code", out, sizeof(out)), 0);
	assert_string_equal(out, "x+y z");
	assert_int_equal(oidc_form_get(query, sizeof(query) - 1, "empty", out, sizeof(out)), 0);
	assert_string_equal(out, "");
	assert_int_equal(oidc_form_get(query, sizeof(query) - 1, "od", out, sizeof(out)), -ENOENT);
	assert_int_equal(oidc_form_get(query, sizeof(query) - 1, "b", out, sizeof(out)), -EINVAL);
	assert_int_equal(oidc_form_get(query, sizeof(query) - 1, "bad", out, sizeof(out)), -EINVAL);
	assert_int_equal(oidc_form_get(query, sizeof(query) - 1, "cut", out, sizeof(out)), -EINVAL);
	assert_int_equal(oidc_form_get(query, sizeof(query) - 1, "nl", out, sizeof(out)), -EINVAL);
	assert_int_equal(oidc_form_get(query, sizeof(query) - 1, "code", out, 5), -EINVAL);
}

#define ISSUER "https://id.example.com/realm"

static int provider(const char *text, struct oidc_provider *out)
{
	char error[256] = "";
	int err = oidc_provider_parse(out, text, strlen(text), ISSUER, error, sizeof(error));

	assert_true(err == 0 || error[0]);
	return err;
}

static void test_discovery(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"issuer\":\"" ISSUER "\"}",
		/* another issuer, one without TLS, one that is no text */
		"{\"issuer\":\"" ISSUER "/\",\"authorization_endpoint\":\"https://a/\","
		"\"token_endpoint\":\"https://a/\",\"jwks_uri\":\"https://a/\"}",
		"{\"issuer\":\"" ISSUER "\",\"authorization_endpoint\":\"https://a/\","
		"\"token_endpoint\":\"http://127.0.0.1/\",\"jwks_uri\":\"https://a/\"}",
		"{\"issuer\":\"" ISSUER "\",\"authorization_endpoint\":7,"
		"\"token_endpoint\":\"https://a/\",\"jwks_uri\":\"https://a/\"}",
		"{\"issuer\":\"" ISSUER "\",\"authorization_endpoint\":\"https://a/\","
		"\"token_endpoint\":\"https://a/\",\"jwks_uri\":\"https://a/\","
		"\"device_authorization_endpoint\":\"gopher://a/\"}",
	};
	struct oidc_provider parsed;

	(void)state;
	assert_int_equal(
		provider("{\"issuer\":\"" ISSUER "\",\"authorization_endpoint\":"
			 "\"https://a/auth\",\"token_endpoint\":\"https://a/token\","
			 "\"jwks_uri\":\"https://b/keys\","
			 "\"token_endpoint_auth_methods_supported\":[\"client_secret_post\"],"
			 "\"authorization_response_iss_parameter_supported\":true}",
			 &parsed),
		0);
	assert_string_equal(parsed.jwks_uri, "https://b/keys");
	assert_string_equal(parsed.device_endpoint, "");
	assert_true(parsed.secret_post && parsed.says_issuer);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(provider(bad[i], &parsed), -EBADMSG);
}

static int grant(const char *text, struct oidc_device_grant *out)
{
	return oidc_device_grant_parse(out, text, strlen(text));
}

static void test_device_grants(void **state)
{
	struct oidc_device_grant got;

	(void)state;
	assert_int_equal(grant("{\"device_code\":\"d\",\"user_code\":\"AB-CD\","
			       "\"verification_uri\":\"https://a/d\",\"expires_in\":600}",
			       &got),
			 0);
	assert_string_equal(got.url, "https://a/d");
	assert_int_equal(got.interval_s, 5);
	assert_int_equal(got.life_s, 600);
	assert_int_equal(grant("{\"device_code\":\"d\",\"user_code\":\"AB\",\"verification_uri\":"
			       "\"https://a/d\",\"verification_uri_complete\":\"https://a/d?c=AB\","
			       "\"expires_in\":99999999,\"interval\":0}",
			       &got),
			 0);
	assert_string_equal(got.url, "https://a/d?c=AB");
	assert_int_equal(got.interval_s, 1);
	assert_int_equal(got.life_s, 1800);
	assert_int_equal(grant("{\"device_code\":\"d\",\"user_code\":\"A B\","
			       "\"verification_uri\":\"https://a/d\"}",
			       &got),
			 -EBADMSG);
	assert_int_equal(grant("{\"device_code\":\"d\",\"user_code\":\"AB\","
			       "\"verification_uri\":\"javascript:x\"}",
			       &got),
			 -EBADMSG);
	assert_int_equal(grant("{\"user_code\":\"AB\",\"verification_uri\":\"https://a/d\"}", &got),
			 -EBADMSG);
	assert_int_equal(grant("{\"device_code\":\"d\",\"user_code\":"
			       "\"ABCDEFGHABCDEFGHABCDEFGHABCDEFGH\","
			       "\"verification_uri\":\"https://a/d\"}",
			       &got),
			 -EBADMSG);
}

static void test_token_answers(void **state)
{
	static const struct {
		const char *error;
		enum oidc_grant grant;
	} errors[] = {
		{ "authorization_pending", OIDC_GRANT_PENDING },
		{ "slow_down", OIDC_GRANT_SLOW_DOWN },
		{ "expired_token", OIDC_GRANT_EXPIRED },
		{ "access_denied", OIDC_GRANT_DENIED },
		{ "invalid_grant", OIDC_GRANT_REFUSED },
	};
	static const char good[] = "{\"id_token\":\"a.b.c\",\"access_token\":\"t\","
				   "\"token_type\":\"bearer\"}";
	static const char odd[] = "{\"id_token\":\"a.b.c\",\"access_token\":\"t\\r\\nX: y\","
				  "\"token_type\":\"Bearer\"}";
	struct oidc_token_answer answer;
	char text[128];

	(void)state;
	assert_int_equal(oidc_token_answer_parse(&answer, 200, good, strlen(good)), 0);
	assert_string_equal(answer.id_token, "a.b.c");
	assert_string_equal(answer.access_token, "t");
	free(answer.id_token);
	free(answer.access_token);
	assert_int_equal(oidc_token_answer_parse(&answer, 200, odd, strlen(odd)), 0);
	assert_null(answer.access_token);
	free(answer.id_token);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		snprintf(text, sizeof(text), "{\"error\":\"%s\"}", errors[i].error);
		assert_int_equal(oidc_token_answer_parse(&answer, 400, text, strlen(text)), 0);
		assert_int_equal(answer.grant, errors[i].grant);
	}
	/* A success that says an error, an error that brings a token. */
	assert_int_equal(oidc_token_answer_parse(&answer, 200, text, strlen(text)), -EBADMSG);
	assert_int_equal(oidc_token_answer_parse(&answer, 400, good, strlen(good)), -EBADMSG);
	assert_int_equal(oidc_token_answer_parse(&answer, 200, "", 0), -EBADMSG);
}

static int config(const char *more, struct oidc_config *out)
{
	json_t *object = json_loads("{\"issuer\":\"https://id.example.com\",\"client_id\":\"w\","
				    "\"client_secret\":\"canary\",\"domains\":[\"example.com\"],"
				    "\"group_claim\":\"groups\",\"groups\":[\"a=b=office\"],"
				    "\"admins\":[\"root@example.com\"]}",
				    0, NULL);
	json_t *changes = json_loads(more, 0, NULL);
	char error[256] = "";
	int err;

	json_object_update(object, changes);
	err = oidc_config_parse(out, object, error, sizeof(error));
	assert_true(err == 0 || error[0]);
	json_decref(changes);
	json_decref(object);
	return err;
}

static void test_config(void **state)
{
	static const char *const bad[] = {
		"{\"issuer\":\"http://id.example.com\"}",
		"{\"issuer\":\"https://id.example.com?x\"}",
		"{\"client_id\":\"\"}",
		"{\"flow\":\"both\"}",
		"{\"scope\":\"openidx email\"}",
		"{\"domains\":[\"Example.com\"]}",
		"{\"groups\":[\"office\"]}",
		"{\"groups\":[\"a=b c\"]}",
		"{\"group_claim\":\"\"}",
		"{\"domains\":[],\"admins\":[]}",
		"{\"domains\":\"example.com\"}",
		"{\"ca_file\":\"relative\"}",
		"{\"public_url\":\"https://a/\"}",
		"{\"login_life_s\":-1}",
	};
	struct oidc_config c;
	json_t *shown;

	(void)state;
	assert_int_equal(config("{}", &c), 0);
	assert_string_equal(c.scope, "openid email profile");
	assert_string_equal(c.user_claim, "email");
	assert_int_equal(c.login_life_s, 30 * 86400);
	assert_true(oidc_config_allows(&c, "alice@example.com"));
	assert_false(oidc_config_allows(&c, "alice@example.com.evil.org"));
	assert_false(oidc_config_allows(&c, "alice@sub.example.com"));
	assert_false(oidc_config_allows(&c, "example.com"));
	assert_false(oidc_config_allows(&c, "@example.com"));
	assert_int_equal(oidc_config_role(&c, "root@example.com"), OIDC_ROLE_ADMIN);
	assert_int_equal(oidc_config_role(&c, "alice@example.com"), OIDC_ROLE_NONE);
	assert_string_equal(oidc_config_group(&c, "a=b"), "office");
	assert_null(oidc_config_group(&c, "a"));
	shown = oidc_config_json(&c, false);
	assert_null(json_object_get(shown, "client_secret"));
	json_decref(shown);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(config(bad[i], &c), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_safe_urls),     cmocka_unit_test(test_forms),
		cmocka_unit_test(test_discovery),     cmocka_unit_test(test_device_grants),
		cmocka_unit_test(test_token_answers), cmocka_unit_test(test_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
