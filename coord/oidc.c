#include "coord/oidc.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "coord/oidc_core.h"
#include "coord/sessions.h"
#include "coord/store.h"
#include "coord/store_login.h"
#include "coord/users.h"
#include "io/loop.h"
#include "proto/approval_code.h"
#include "proto/json_fields.h"

#define VALUE_MAX (64u << 10)

static void drop_signins(struct oidc *oidc)
{
	while (oidc->signins) {
		oidc_answer_page(oidc->signins, 503, "Not signed in",
				 "The network's settings were changed; try again.");
		signin_free(oidc, oidc->signins);
	}
}

static void obey(struct oidc *oidc, const struct oidc_config *config)
{
	oidc->epoch++;
	drop_signins(oidc);
	oidc_provider_forget(oidc);
	sodium_memzero(&oidc->config, sizeof(oidc->config));
	oidc->configured = config;
	if (config)
		oidc->config = *config;
}

int oidc_reload(struct oidc *oidc)
{
	struct oidc_config config;
	uint8_t *text = NULL;
	size_t len = 0;
	char error[256];
	json_t *object;
	int err = store_get(oidc->sessions->network->store, OIDC_VALUE, &text, &len);

	if (err == -ENOENT) {
		obey(oidc, NULL);
		return 0;
	}
	if (err < 0)
		return err;
	object = json_fields_load((char *)text, len, VALUE_MAX, 4);
	err = oidc_config_parse(&config, object, error, sizeof(error));
	json_decref(object);
	sodium_memzero(text, len);
	free(text);
	if (err < 0) {
		log_error("oidc-settings-refused why=\"%s\"", error);
		return -EUCLEAN;
	}
	obey(oidc, &config);
	sodium_memzero(&config, sizeof(config));
	return 0;
}

int oidc_new(struct oidc **out, struct loop *loop, struct sessions *sessions)
{
	struct oidc *oidc = calloc(1, sizeof(*oidc));
	int err;

	if (!oidc)
		return -ENOMEM;
	oidc->loop = loop;
	oidc->sessions = sessions;
	rng_fill(&sessions->network->rng, oidc->form_secret, sizeof(oidc->form_secret));
	err = oidc_fetcher_new(&oidc->fetcher, loop);
	if (err == 0)
		err = oidc_reload(oidc);
	if (err < 0) {
		oidc_free(oidc);
		return err;
	}
	*out = oidc;
	return 0;
}

void oidc_free(struct oidc *oidc)
{
	if (!oidc)
		return;
	oidc_fetcher_free(oidc->fetcher);
	while (oidc->signins) {
		oidc->signins->has_ticket = false; /* the server is gone already */
		signin_free(oidc, oidc->signins);
	}
	oidc_keys_free(oidc->keys);
	sodium_memzero(oidc, sizeof(*oidc));
	free(oidc);
}

const struct oidc_config *oidc_settings(const struct oidc *oidc)
{
	return oidc && oidc->configured ? &oidc->config : NULL;
}

static int store_config(struct oidc *oidc, const struct oidc_config *config)
{
	struct store *store = oidc->sessions->network->store;
	json_t *object;
	char *text;
	int err;

	if (!config)
		return store_unset(store, OIDC_VALUE);
	object = oidc_config_json(config, true);
	text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (!text)
		return -ENOMEM;
	err = store_set(store, OIDC_VALUE, text, strlen(text));
	sodium_memzero(text, strlen(text));
	free(text);
	return err;
}

/* Whoever waits for a sign-in is told where it is now. */
static void tell_all(struct oidc *oidc)
{
	struct session *session;
	struct session *next;

	for (session = oidc->sessions->first; session; session = next) {
		struct control_pending pending = { .reason = CONTROL_PENDING_SIGN_IN };

		next = session->next;
		if (session->state != SESSION_WAITING || session->node->state != NODE_WAITS_SIGN_IN)
			continue;
		oidc_describe(oidc, session->node, &pending);
		session_send_pending(session, &pending);
	}
}

/* Who may do less on the web pages than before has to sign in again; at another provider everybody.
 */
static int end_logins(struct oidc *oidc, const struct oidc_list *list,
		      const struct oidc_config *config)
{
	bool same = config && strcmp(config->issuer, oidc->config.issuer) == 0;
	char who[ADMIN_WHO_MAX];

	for (size_t i = 0; i < list->count; i++) {
		const char *user = list->entries[i];
		int err;

		if (same && oidc_config_role(config, user) == oidc_config_role(&oidc->config, user))
			continue;
		snprintf(who, sizeof(who), "user:%.*s", (int)sizeof(who) - 6, user);
		err = store_login_delete_who(oidc->sessions->network->store, who);
		if (err < 0)
			return err;
	}
	return 0;
}

int oidc_configure(struct oidc *oidc, const struct oidc_config *config)
{
	struct store *store = oidc->sessions->network->store;
	int err = store_begin(store);

	if (err < 0)
		return err;
	err = store_config(oidc, config);
	if (err == 0)
		err = end_logins(oidc, &oidc->config.admins, config);
	if (err == 0)
		err = end_logins(oidc, &oidc->config.viewers, config);
	if (err == 0)
		err = store_commit(store);
	if (err < 0) {
		store_rollback(store);
		return err;
	}
	obey(oidc, config);
	tell_all(oidc);
	return 0;
}

static void public_url(const struct oidc *oidc, const char *path, char out[static OIDC_URL_MAX + 1])
{
	const struct token_address *address = &oidc->sessions->network->addresses[0];
	bool six = strchr(address->host, ':');

	if (oidc->config.public_url[0])
		snprintf(out, OIDC_URL_MAX + 1, "%.400s%s", oidc->config.public_url, path);
	else if (address->port == 443)
		snprintf(out, OIDC_URL_MAX + 1, "https://%s%s%s%s", six ? "[" : "", address->host,
			 six ? "]" : "", path);
	else
		snprintf(out, OIDC_URL_MAX + 1, "https://%s%s%s:%u%s", six ? "[" : "",
			 address->host, six ? "]" : "", address->port, path);
}

void oidc_redirect_url(const struct oidc *oidc, char out[static OIDC_URL_MAX + 1])
{
	public_url(oidc, OIDC_PATH "/callback", out);
}

static void describe(const struct oidc *oidc, const struct signin *signin, const struct node *node,
		     struct control_pending *pending)
{
	char path[sizeof(OIDC_PATH "/start?s=") + OIDC_SECRET_TEXT];

	if (signin->state == SIGNIN_POLLING) {
		strcpy(pending->code, signin->grant.user_code);
		strcpy(pending->url, signin->grant.url);
	} else if (signin->state == SIGNIN_OFFERED || signin->state == SIGNIN_AUTHORIZING ||
		   signin->state == SIGNIN_EXCHANGING) {
		approval_code(pending->code, node->device_key, node->box_key);
		snprintf(path, sizeof(path), OIDC_PATH "/start?s=%s", signin->handle);
		public_url(oidc, path, pending->url);
	}
}

void oidc_describe(struct oidc *oidc, const struct node *node, struct control_pending *pending)
{
	struct signin *signin;
	uint64_t now_ns;

	pending->reason = CONTROL_PENDING_SIGN_IN;
	if (!oidc || !oidc->configured)
		return;
	now_ns = loop_now_ns(oidc->loop);
	signin = signin_find_node(oidc, node->device_key);
	if (!signin) {
		signin = signin_new(oidc, false, now_ns);
		if (!signin) {
			log_warn("oidc-full name=%s", node->name);
			return; /* the next tick tries again */
		}
		memcpy(signin->node_key, node->device_key, 32);
		/* Steps that take no time are not told twice. */
		signin->quiet = true;
		oidc_advance(oidc, signin, now_ns);
		signin = signin_find_node(oidc, node->device_key);
		if (!signin)
			return;
		signin->quiet = false;
	}
	describe(oidc, signin, node, pending);
}

void oidc_tell_node(struct oidc *oidc, const struct signin *signin)
{
	struct node *node = network_find(oidc->sessions->network, signin->node_key);
	struct control_pending pending = { .reason = CONTROL_PENDING_SIGN_IN };

	if (signin->quiet || !node || !node->session || node->session->state != SESSION_WAITING ||
	    node->state != NODE_WAITS_SIGN_IN)
		return;
	describe(oidc, signin, node, &pending);
	session_send_pending(node->session, &pending);
}

/* Too late, or nobody needs it any more; true: signin is gone. */
static bool end_if_over(struct oidc *oidc, struct signin *signin, uint64_t now_ns)
{
	const struct node *node =
		signin->admin ? NULL : network_find(oidc->sessions->network, signin->node_key);
	bool waits = node && node->state == NODE_WAITS_SIGN_IN && !node->revoked;

	if (now_ns < signin->deadline_ns && (signin->admin || waits))
		return false;
	oidc_answer_page(signin, 408, "Not signed in", "This took too long; begin anew.");
	signin_free(oidc, signin);
	return true;
}

/* Waiting nodes whose sign-in ended get a new one. */
static void begin_missing(struct oidc *oidc)
{
	struct session *session;
	struct session *next;

	for (session = oidc->sessions->first; session; session = next) {
		struct control_pending pending = { .reason = CONTROL_PENDING_SIGN_IN };

		next = session->next;
		if (session->state != SESSION_WAITING ||
		    session->node->state != NODE_WAITS_SIGN_IN ||
		    signin_find_node(oidc, session->node->device_key))
			continue;
		oidc_describe(oidc, session->node, &pending);
		if (pending.url[0])
			session_send_pending(session, &pending);
	}
}

void oidc_tick(struct oidc *oidc, uint64_t now_ns, uint64_t now_s)
{
	struct signin *signin;
	struct signin *next;

	users_tick(oidc->sessions, now_s);
	if (!oidc->configured)
		return;
	for (signin = oidc->signins; signin; signin = next) {
		next = signin->next;
		if (!end_if_over(oidc, signin, now_ns))
			oidc_advance(oidc, signin, now_ns);
	}
	if (oidc->signin_count < OIDC_SIGNINS_MAX)
		begin_missing(oidc);
}
