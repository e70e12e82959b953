#include "coord/oidc_document.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/json_fields.h"

#define METHODS_MAX       64
#define INTERVAL_S        5 /* RFC 8628 section 3.2 */
#define INTERVAL_MAX_S    60
#define DEVICE_LIFE_MIN_S 30
#define DEVICE_LIFE_MAX_S (30 * 60)

const char *oidc_plain_text(char *out, size_t size, const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len && i + 1 < size; i++)
		out[i] = (char)(text[i] >= ' ' && text[i] < 0x7f && text[i] != '"' ? text[i] : '?');
	out[i] = '\0';
	return out;
}

/* Everything an address of the provider may be; nothing less safe than its issuer. */
static bool is_endpoint(const char *url, const char *issuer)
{
	return oidc_url_is_safe(url) && (oidc_url_is_https(url) || !oidc_url_is_https(issuer));
}

static bool array_has(const json_t *array, const char *text)
{
	for (size_t i = 0; i < json_array_size(array) && i < METHODS_MAX; i++) {
		const char *entry = json_string_value(json_array_get(array, i));

		if (entry && strcmp(entry, text) == 0)
			return true;
	}
	return false;
}

static int read_provider(struct oidc_provider *provider, json_t *object, const char *issuer,
			 char *error, size_t error_size)
{
	const json_t *methods = json_object_get(object, "token_endpoint_auth_methods_supported");
	const char *said = json_string_value(json_object_get(object, "issuer"));
	struct json_fields f;

	if (!said || strcmp(said, issuer) != 0) {
		snprintf(error, error_size,
			 "the provider calls itself by another issuer than %.200s", issuer);
		return -EBADMSG;
	}
	json_fields_init(&f, object);
	json_fields_text(&f, "authorization_endpoint", provider->authorization_endpoint,
			 sizeof(provider->authorization_endpoint));
	json_fields_text(&f, "token_endpoint", provider->token_endpoint,
			 sizeof(provider->token_endpoint));
	json_fields_text(&f, "jwks_uri", provider->jwks_uri, sizeof(provider->jwks_uri));
	json_fields_text_opt(&f, "device_authorization_endpoint", provider->device_endpoint,
			     sizeof(provider->device_endpoint));
	json_fields_text_opt(&f, "userinfo_endpoint", provider->userinfo_endpoint,
			     sizeof(provider->userinfo_endpoint));
	/* Left out, basic is what every provider does: Discovery section 3. */
	provider->secret_post = methods && !array_has(methods, "client_secret_basic");
	provider->says_issuer = json_is_true(
		json_object_get(object, "authorization_response_iss_parameter_supported"));
	if (f.failed) {
		snprintf(error, error_size, "the provider's configuration lacks an endpoint");
		return -EBADMSG;
	}
	if (!is_endpoint(provider->authorization_endpoint, issuer) ||
	    !is_endpoint(provider->token_endpoint, issuer) ||
	    !is_endpoint(provider->jwks_uri, issuer) ||
	    (provider->device_endpoint[0] && !is_endpoint(provider->device_endpoint, issuer)) ||
	    (provider->userinfo_endpoint[0] && !is_endpoint(provider->userinfo_endpoint, issuer))) {
		snprintf(error, error_size, "an endpoint of the provider is not https");
		return -EBADMSG;
	}
	return 0;
}

int oidc_provider_parse(struct oidc_provider *out, const char *text, size_t len, const char *issuer,
			char *error, size_t error_size)
{
	struct oidc_provider provider = { .secret_post = false };
	json_t *object = json_fields_load(text, len, OIDC_DOCUMENT_MAX, OIDC_DEPTH_MAX);
	int err;

	if (!json_is_object(object)) {
		json_decref(object);
		snprintf(error, error_size, "the provider's configuration is no JSON object");
		return -EBADMSG;
	}
	err = read_provider(&provider, object, issuer, error, error_size);
	json_decref(object);
	if (err == 0)
		*out = provider;
	return err;
}

/* What people type, and addresses that they open: visible ASCII. */
static bool is_visible(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text >= 0x7f)
			return false;
	return true;
}

/* A number that some providers write as text. */
static uint64_t seconds(const json_t *value, uint64_t otherwise, uint64_t min, uint64_t max)
{
	const char *text = json_string_value(value);
	json_int_t number = json_is_integer(value) ? json_integer_value(value)
			    : text                 ? (json_int_t)strtol(text, NULL, 10)
						   : (json_int_t)otherwise;

	if (number < (json_int_t)min)
		return min;
	return number > (json_int_t)max ? max : (uint64_t)number;
}

int oidc_device_grant_parse(struct oidc_device_grant *out, const char *text, size_t len)
{
	json_t *object = json_fields_load(text, len, OIDC_DOCUMENT_MAX, OIDC_DEPTH_MAX);
	struct oidc_device_grant grant = { .life_s = 0 };
	struct json_fields f;

	json_fields_init(&f, object);
	json_fields_text(&f, "device_code", grant.device_code, sizeof(grant.device_code));
	json_fields_text(&f, "user_code", grant.user_code, sizeof(grant.user_code));
	json_fields_text_opt(&f, "verification_uri_complete", grant.url, sizeof(grant.url));
	if (!f.failed && !grant.url[0])
		json_fields_text(&f, "verification_uri", grant.url, sizeof(grant.url));
	grant.life_s = seconds(json_object_get(object, "expires_in"), DEVICE_LIFE_MIN_S,
			       DEVICE_LIFE_MIN_S, DEVICE_LIFE_MAX_S);
	grant.interval_s =
		seconds(json_object_get(object, "interval"), INTERVAL_S, 1, INTERVAL_MAX_S);
	json_decref(object);
	if (f.failed || !grant.device_code[0] || !grant.user_code[0] ||
	    !is_visible(grant.user_code) || !oidc_url_is_safe(grant.url))
		return -EBADMSG;
	*out = grant;
	return 0;
}

/* RFC 6750 section 2.1: what may stand in a header. */
static char *bearer_of(const json_t *answer)
{
	const char *type = json_string_value(json_object_get(answer, "token_type"));
	const char *token = json_string_value(json_object_get(answer, "access_token"));

	if (!type || strcasecmp(type, "bearer") != 0 || !token || !token[0] ||
	    strlen(token) > OIDC_TOKEN_MAX || !is_visible(token))
		return NULL;
	return strdup(token);
}

static enum oidc_grant grant_of(const char *error)
{
	static const struct {
		const char *name;
		enum oidc_grant grant;
	} errors[] = {
		{ "authorization_pending", OIDC_GRANT_PENDING },
		{ "slow_down", OIDC_GRANT_SLOW_DOWN },
		{ "expired_token", OIDC_GRANT_EXPIRED },
		{ "access_denied", OIDC_GRANT_DENIED },
	};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strcmp(error, errors[i].name) == 0)
			return errors[i].grant;
	return OIDC_GRANT_REFUSED;
}

int oidc_token_answer_parse(struct oidc_token_answer *out, unsigned int status, const char *text,
			    size_t len)
{
	json_t *object = json_fields_load(text, len, OIDC_DOCUMENT_MAX, OIDC_DEPTH_MAX);
	const char *token = json_string_value(json_object_get(object, "id_token"));
	const char *error = json_string_value(json_object_get(object, "error"));
	struct oidc_token_answer answer = { .grant = OIDC_GRANT_TOKEN };
	int err = 0;

	if (status == 200 && token && strlen(token) <= OIDC_TOKEN_MAX) {
		answer.id_token = strdup(token);
		answer.access_token = bearer_of(object);
		err = answer.id_token ? 0 : -ENOMEM;
	} else if (status != 200 && error) {
		answer.grant = grant_of(error);
		oidc_plain_text(answer.error, sizeof(answer.error), error, strlen(error));
	} else {
		err = -EBADMSG;
	}
	json_decref(object);
	if (err == 0)
		*out = answer;
	else
		free(answer.access_token);
	return err;
}
