/* How a sign-in goes on: see the states in oidc_core.h. */
#include <errno.h>
#include <openssl/sha.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encoding.h"
#include "base/log.h"
#include "coord/oidc_core.h"
#include "coord/sessions.h"
#include "io/loop.h"

#define GRANT_DEVICE   "urn:ietf:params:oauth:grant-type:device_code" /* RFC 8628 section 3.4 */
#define SLOWER_S       5                                              /* section 3.5 */
#define INTERVAL_MAX_S 60
#define VERIFYING_S    30

static uint64_t now_of(const struct oidc *oidc)
{
	return loop_now_ns(oidc->loop);
}

/* --- the ID token --- */

static struct oidc_expected expect(const struct oidc *oidc, const struct signin *signin)
{
	return (struct oidc_expected){
		.issuer = oidc->config.issuer,
		.client_id = oidc->config.client_id,
		.nonce = signin->nonce[0] ? signin->nonce : NULL,
		.user_claim = oidc->config.user_claim,
		.group_claim = oidc->config.group_claim,
		.now_s = clock_wall_s(),
	};
}

static void take_claims(struct oidc *oidc, struct signin *signin, const json_t *said)
{
	const struct oidc_expected expected = expect(oidc, signin);
	struct oidc_claims claims;
	char error[256];

	if (oidc_claims_take(&claims, said, &expected, error, sizeof(error)) < 0) {
		oidc_fail(oidc, signin, error);
		return;
	}
	oidc_finish(oidc, signin, &claims);
	oidc_claims_clear(&claims);
}

static void on_looked_up(void *arg, uint64_t id, unsigned int status, const char *text, size_t len)
{
	struct oidc *oidc = arg;
	struct signin *signin = signin_find(oidc, id);
	char error[256];
	json_t *claims;

	if (!signin || signin->state != SIGNIN_LOOKING_UP)
		return;
	claims = json_incref(signin->claims);
	if (status != 200)
		oidc_fail(oidc, signin, "the provider does not say who this user is");
	else if (oidc_claims_add_userinfo(claims, text, len, error, sizeof(error)) < 0)
		oidc_fail(oidc, signin, error);
	else
		take_claims(oidc, signin, claims);
	json_decref(claims);
}

/* Many providers say in the ID token who the user is, others only when asked. */
static bool look_up(struct oidc *oidc, struct signin *signin, json_t *claims)
{
	if (!signin->access_token || !oidc->provider.userinfo_endpoint[0] ||
	    oidc_ask_userinfo(oidc, signin, on_looked_up) < 0)
		return false;
	signin->state = SIGNIN_LOOKING_UP;
	json_decref(signin->claims);
	signin->claims = json_incref(claims);
	return true;
}

/* Takes what the token endpoint gave; with an unknown key the newest keys are asked for, once. */
static void check_token(struct oidc *oidc, struct signin *signin, uint64_t now_ns)
{
	const struct oidc_expected expected = expect(oidc, signin);
	json_t *claims = NULL;
	char error[256];
	int err = oidc_token_verify(&claims, signin->id_token, oidc->keys, &expected, error,
				    sizeof(error));

	if (err == -ENOKEY && signin->state != SIGNIN_VERIFYING) {
		signin->state = SIGNIN_VERIFYING;
		signin->deadline_ns = now_ns + VERIFYING_S * NS_PER_S;
		oidc_provider_refresh_keys(oidc, now_ns);
		return;
	}
	if (err < 0) {
		oidc_fail(oidc, signin, error);
		return;
	}
	if (oidc_claims_suffice(claims, &expected) || !look_up(oidc, signin, claims))
		take_claims(oidc, signin, claims);
	json_decref(claims);
}

static void take_token(struct oidc *oidc, struct signin *signin,
		       const struct oidc_token_answer *answer)
{
	free(signin->id_token);
	free(signin->access_token);
	signin->id_token = answer->id_token;
	signin->access_token = answer->access_token;
	check_token(oidc, signin, now_of(oidc));
}

/* --- device flow --- */

static void wait_longer(struct oidc *oidc, struct signin *signin, uint64_t by_s)
{
	uint64_t interval_s = signin->grant.interval_s + by_s;

	signin->grant.interval_s = interval_s < INTERVAL_MAX_S ? interval_s : INTERVAL_MAX_S;
	signin->ask_ns = now_of(oidc) + signin->grant.interval_s * NS_PER_S;
}

static void on_polled(void *arg, uint64_t id, unsigned int status, const char *text, size_t len)
{
	struct oidc *oidc = arg;
	struct signin *signin = signin_find(oidc, id);
	struct oidc_token_answer answer = { .id_token = NULL };

	if (!signin || signin->state != SIGNIN_POLLING)
		return;
	signin->asking = false;
	if (status == 0 || oidc_token_answer_parse(&answer, status, text, len) < 0) {
		/* RFC 8628 section 3.5: away, so ask less often. */
		log_warn("oidc-poll-failed status=%u", status);
		wait_longer(oidc, signin, signin->grant.interval_s);
		return;
	}
	switch (answer.grant) {
	case OIDC_GRANT_TOKEN:
		take_token(oidc, signin, &answer);
		break;
	case OIDC_GRANT_PENDING:
		wait_longer(oidc, signin, 0);
		break;
	case OIDC_GRANT_SLOW_DOWN:
		wait_longer(oidc, signin, SLOWER_S);
		break;
	case OIDC_GRANT_EXPIRED:
		signin_free(oidc, signin); /* the next tick begins a new one */
		break;
	case OIDC_GRANT_DENIED:
		oidc_fail(oidc, signin, "the user said no");
		break;
	default:
		oidc_fail(oidc, signin, answer.error);
		break;
	}
}

static void poll(struct oidc *oidc, struct signin *signin)
{
	struct oidc_form form = { .text = NULL };

	oidc_form_add(&form, "grant_type", GRANT_DEVICE);
	oidc_form_add(&form, "device_code", signin->grant.device_code);
	signin->asking = oidc_ask(oidc, oidc->provider.token_endpoint, &form, true, signin->id,
				  on_polled) == 0;
	if (!signin->asking)
		wait_longer(oidc, signin, 0);
}

static void on_asked(void *arg, uint64_t id, unsigned int status, const char *text, size_t len)
{
	struct oidc *oidc = arg;
	struct signin *signin = signin_find(oidc, id);

	if (!signin || signin->state != SIGNIN_ASKING)
		return;
	signin->asking = false;
	if (status != 200 || oidc_device_grant_parse(&signin->grant, text, len) < 0) {
		char quoted[160];

		log_warn("oidc-device-refused status=%u answer=\"%s\"", status,
			 oidc_plain_text(quoted, sizeof(quoted), text, len));
		signin->state = SIGNIN_STARTING;
		signin->ask_ns = now_of(oidc) + OIDC_RETRY_S * NS_PER_S;
		return;
	}
	signin->state = SIGNIN_POLLING;
	signin->ask_ns = now_of(oidc) + signin->grant.interval_s * NS_PER_S;
	signin->deadline_ns = now_of(oidc) + signin->grant.life_s * NS_PER_S;
	oidc_tell_node(oidc, signin);
}

static void ask_device(struct oidc *oidc, struct signin *signin)
{
	struct oidc_form form = { .text = NULL };

	oidc_form_add(&form, "scope", oidc->config.scope);
	/* Public clients say who they are in the form: RFC 8628 section 3.1. */
	signin->asking = oidc_ask(oidc, oidc->provider.device_endpoint, &form, true, signin->id,
				  on_asked) == 0;
	if (signin->asking)
		signin->state = SIGNIN_ASKING;
	else
		signin->ask_ns = now_of(oidc) + OIDC_RETRY_S * NS_PER_S;
}

static bool wants_device(const struct oidc *oidc, const struct signin *signin)
{
	if (signin->admin || oidc->config.flow == OIDC_FLOW_BROWSER)
		return false;
	if (oidc->config.flow == OIDC_FLOW_DEVICE && !oidc->provider.device_endpoint[0])
		log_warn("oidc-no-device-flow todo=\"the provider does not offer it: set --flow "
			 "browser\"");
	return oidc->provider.device_endpoint[0];
}

/* --- browser flow --- */

/* RFC 7636 section 4.2. */
static void challenge(char out[static OIDC_VERIFIER_TEXT], const char *verifier)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];

	SHA256((const uint8_t *)verifier, strlen(verifier), hash);
	encoding_base64url(out, OIDC_VERIFIER_TEXT, hash, sizeof(hash));
}

char *oidc_authorization_url(struct oidc *oidc, struct signin *signin)
{
	struct oidc_form form = { .text = NULL };
	char redirect[OIDC_URL_MAX + 1];
	char hashed[OIDC_VERIFIER_TEXT];
	uint8_t bytes[32];

	rng_fill(&oidc->sessions->network->rng, bytes, sizeof(bytes));
	encoding_base64url(signin->verifier, sizeof(signin->verifier), bytes, sizeof(bytes));
	sodium_memzero(bytes, sizeof(bytes));
	signin_random(oidc, signin->state_text);
	signin_random(oidc, signin->nonce);
	challenge(hashed, signin->verifier);
	oidc_redirect_url(oidc, redirect);
	oidc_form_begin(&form, oidc->provider.authorization_endpoint);
	oidc_form_add(&form, "response_type", "code");
	oidc_form_add(&form, "client_id", oidc->config.client_id);
	oidc_form_add(&form, "redirect_uri", redirect);
	oidc_form_add(&form, "scope", oidc->config.scope);
	oidc_form_add(&form, "state", signin->state_text);
	oidc_form_add(&form, "nonce", signin->nonce);
	oidc_form_add(&form, "code_challenge", hashed);
	oidc_form_add(&form, "code_challenge_method", "S256");
	signin->state = SIGNIN_AUTHORIZING;
	return oidc_form_take(&form);
}

static void on_exchanged(void *arg, uint64_t id, unsigned int status, const char *text, size_t len)
{
	struct oidc *oidc = arg;
	struct signin *signin = signin_find(oidc, id);
	struct oidc_token_answer answer = { .id_token = NULL };

	if (!signin || signin->state != SIGNIN_EXCHANGING)
		return;
	if (status == 0)
		oidc_fail(oidc, signin, "the provider does not answer; try again");
	else if (oidc_token_answer_parse(&answer, status, text, len) < 0)
		oidc_fail(oidc, signin, "the provider's answer cannot be understood");
	else if (answer.grant == OIDC_GRANT_TOKEN)
		take_token(oidc, signin, &answer);
	else
		oidc_fail(oidc, signin, answer.error);
}

void oidc_exchange(struct oidc *oidc, struct signin *signin, const char *code)
{
	struct oidc_form form = { .text = NULL };
	char redirect[OIDC_URL_MAX + 1];

	oidc_redirect_url(oidc, redirect);
	oidc_form_add(&form, "grant_type", "authorization_code");
	oidc_form_add(&form, "code", code);
	oidc_form_add(&form, "redirect_uri", redirect);
	oidc_form_add(&form, "code_verifier", signin->verifier);
	signin->state = SIGNIN_EXCHANGING;
	if (oidc_ask(oidc, oidc->provider.token_endpoint, &form, true, signin->id, on_exchanged) <
	    0)
		oidc_fail(oidc, signin, "too many sign in at once; try again");
}

/* --- all of them --- */

static void start(struct oidc *oidc, struct signin *signin, uint64_t now_ns)
{
	if (!oidc_provider_ready(oidc, now_ns)) {
		if (!signin->has_ticket || !oidc->trouble[0])
			return;
		oidc_answer_page(signin, 503, "Not signed in",
				 "The sign-in provider does not answer as it should; try again "
				 "later.");
		signin_free(oidc, signin);
		return;
	}
	if (now_ns < signin->ask_ns)
		return;
	if (signin->admin) {
		oidc_send_to_provider(oidc, signin);
	} else if (wants_device(oidc, signin)) {
		ask_device(oidc, signin);
	} else {
		signin->state = SIGNIN_OFFERED;
		oidc_tell_node(oidc, signin);
	}
}

void oidc_advance(struct oidc *oidc, struct signin *signin, uint64_t now_ns)
{
	switch (signin->state) {
	case SIGNIN_STARTING:
		start(oidc, signin, now_ns);
		break;
	case SIGNIN_POLLING:
		if (!signin->asking && now_ns >= signin->ask_ns)
			poll(oidc, signin);
		break;
	case SIGNIN_VERIFYING:
		if (oidc->stale)
			oidc_provider_refresh_keys(oidc, now_ns);
		else
			check_token(oidc, signin, now_ns);
		break;
	default:
		break; /* a browser or the provider has to come first */
	}
}

void oidc_advance_all(struct oidc *oidc, uint64_t now_ns)
{
	struct signin *signin;
	struct signin *next;

	for (signin = oidc->signins; signin; signin = next) {
		next = signin->next;
		oidc_advance(oidc, signin, now_ns);
	}
}
