/* The provider's documents, and questions to it. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encoding.h"
#include "base/log.h"
#include "coord/oidc_core.h"
#include "io/loop.h"

#define DISCOVERY "/.well-known/openid-configuration"

void oidc_provider_forget(struct oidc *oidc)
{
	oidc_keys_free(oidc->keys);
	oidc->keys = NULL;
	oidc->has_provider = false;
	oidc->loading = oidc->stale = false;
	oidc->retry_ns = 0;
	oidc->trouble[0] = '\0';
}

static void wipe(char *text)
{
	if (text)
		sodium_memzero(text, strlen(text));
	free(text);
}

/* RFC 6749 section 2.3.1: both form-encoded, then as in HTTP's basic authentication. */
static char *basic_authorization(const struct oidc_config *config)
{
	struct oidc_form pair = { .text = NULL };
	struct oidc_form secret = { .text = NULL };
	char *id_text;
	char *secret_text;
	char *joined = NULL;
	char *out = NULL;

	/* Encoded as values of fields without a name, whose '=' is taken off again. */
	oidc_form_add(&pair, "", config->client_id);
	oidc_form_add(&secret, "", config->client_secret);
	id_text = oidc_form_take(&pair);
	secret_text = oidc_form_take(&secret);
	if (id_text && secret_text &&
	    asprintf(&joined, "%s:%s", id_text + 1, secret_text + 1) > 0) {
		size_t size = BASE64_SIZE(strlen(joined));

		out = malloc(size + sizeof("Basic "));
		if (out) {
			strcpy(out, "Basic ");
			encoding_base64(out + 6, size, (uint8_t *)joined, strlen(joined));
		}
	}
	wipe(id_text);
	wipe(secret_text);
	wipe(joined);
	return out;
}

int oidc_ask(struct oidc *oidc, const char *url, struct oidc_form *form, bool client, uint64_t tag,
	     void (*done)(void *arg, uint64_t tag, unsigned int status, const char *text,
			  size_t len))
{
	const struct oidc_config *config = &oidc->config;
	bool basic = client && config->client_secret[0] && !oidc->provider.secret_post;
	char *authorization = basic ? basic_authorization(config) : NULL;
	struct oidc_fetch fetch = { .url = url,
				    .ca_file = config->ca_file[0] ? config->ca_file : NULL,
				    .done = done,
				    .arg = oidc,
				    .tag = tag };
	char *text = NULL;
	int err = -ENOMEM;

	if (client && !basic) {
		oidc_form_add(form, "client_id", config->client_id);
		if (config->client_secret[0])
			oidc_form_add(form, "client_secret", config->client_secret);
	}
	if (form)
		text = oidc_form_take(form);
	fetch.form = text;
	fetch.authorization = authorization;
	if ((text || !form) && (authorization || !basic))
		err = oidc_fetcher_start(oidc->fetcher, &fetch);
	wipe(text);
	wipe(authorization);
	return err;
}

int oidc_ask_userinfo(struct oidc *oidc, const struct signin *signin,
		      void (*done)(void *arg, uint64_t tag, unsigned int status, const char *text,
				   size_t len))
{
	const char *ca_file = oidc->config.ca_file;
	struct oidc_fetch fetch = { .url = oidc->provider.userinfo_endpoint,
				    .ca_file = ca_file[0] ? ca_file : NULL,
				    .done = done,
				    .arg = oidc,
				    .tag = signin->id };
	char *authorization = NULL;
	int err = -ENOMEM;

	if (asprintf(&authorization, "Bearer %s", signin->access_token) < 0)
		return err;
	fetch.authorization = authorization;
	err = oidc_fetcher_start(oidc->fetcher, &fetch);
	wipe(authorization);
	return err;
}

__attribute__((format(printf, 2, 3))) static void trouble(struct oidc *oidc, const char *fmt, ...)
{
	char text[sizeof(oidc->trouble)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	oidc_plain_text(oidc->trouble, sizeof(oidc->trouble), text, strlen(text));
	log_warn("oidc-provider-trouble issuer=\"%s\" why=\"%s\"", oidc->config.issuer,
		 oidc->trouble);
	oidc->loading = false;
	oidc->retry_ns = loop_now_ns(oidc->loop) + OIDC_RETRY_S * NS_PER_S;
}

static void take_keys(struct oidc *oidc, unsigned int status, const char *text, size_t len)
{
	struct oidc_keys *keys;

	oidc->keys_ns = loop_now_ns(oidc->loop);
	if (status == 0) {
		trouble(oidc, "its keys cannot be fetched: %s", text);
		return;
	}
	if (status != 200 || oidc_keys_parse(&keys, text, len) < 0) {
		trouble(oidc, "its keys are malformed (status %u)", status);
		return;
	}
	oidc_keys_free(oidc->keys);
	oidc->keys = keys;
	oidc->loading = oidc->stale = false;
	oidc->trouble[0] = '\0';
}

/* Sign-ins go on; or browsers that wait are told, and nodes wait on. */
static void on_keys(void *arg, uint64_t epoch, unsigned int status, const char *text, size_t len)
{
	struct oidc *oidc = arg;

	if (epoch != oidc->epoch)
		return;
	take_keys(oidc, status, text, len);
	oidc_advance_all(oidc, loop_now_ns(oidc->loop));
}

static void fetch_keys(struct oidc *oidc)
{
	oidc->loading = true;
	if (oidc_ask(oidc, oidc->provider.jwks_uri, NULL, false, oidc->epoch, on_keys) < 0)
		trouble(oidc, "too many requests at once");
}

static void take_discovery(struct oidc *oidc, unsigned int status, const char *text, size_t len)
{
	char error[256];

	if (status == 0) {
		trouble(oidc, "it cannot be reached: %s", text);
		return;
	}
	if (status != 200) {
		trouble(oidc, "it answers status %u for its configuration", status);
		return;
	}
	if (oidc_provider_parse(&oidc->provider, text, len, oidc->config.issuer, error,
				sizeof(error)) < 0) {
		trouble(oidc, "%s", error);
		return;
	}
	oidc->has_provider = true;
	oidc->loaded_ns = loop_now_ns(oidc->loop);
	fetch_keys(oidc);
}

static void on_discovery(void *arg, uint64_t epoch, unsigned int status, const char *text,
			 size_t len)
{
	struct oidc *oidc = arg;

	if (epoch != oidc->epoch)
		return;
	take_discovery(oidc, status, text, len);
	oidc_advance_all(oidc, loop_now_ns(oidc->loop));
}

static void load(struct oidc *oidc)
{
	char url[OIDC_URL_MAX + sizeof(DISCOVERY)];
	size_t len = strlen(oidc->config.issuer);

	/* Discovery section 4.1: a slash at the end goes first. */
	if (len > 0 && oidc->config.issuer[len - 1] == '/')
		len--;
	snprintf(url, sizeof(url), "%.*s" DISCOVERY, (int)len, oidc->config.issuer);
	oidc->loading = true;
	if (oidc_ask(oidc, url, NULL, false, oidc->epoch, on_discovery) < 0)
		trouble(oidc, "too many requests at once");
}

bool oidc_provider_ready(struct oidc *oidc, uint64_t now_ns)
{
	bool have = oidc->has_provider && oidc->keys;

	if (!oidc->configured)
		return false;
	if (!oidc->loading && now_ns >= oidc->retry_ns &&
	    (!have || now_ns >= oidc->loaded_ns + OIDC_PROVIDER_S * NS_PER_S))
		load(oidc);
	/* What was read an hour ago serves until there is something newer. */
	return have;
}

void oidc_provider_refresh_keys(struct oidc *oidc, uint64_t now_ns)
{
	oidc->stale = true;
	if (!oidc->loading && now_ns >= oidc->keys_ns + OIDC_KEYS_PAUSE_S * NS_PER_S &&
	    now_ns >= oidc->retry_ns)
		fetch_keys(oidc);
}
