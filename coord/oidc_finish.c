/* What becomes of a sign-in when the provider has spoken. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "coord/oidc_core.h"
#include "coord/sessions.h"
#include "coord/users.h"
#include "io/loop.h"

/* Tells a node why it still waits: the connection ends with it, and begins anew. */
static void tell_why(struct oidc *oidc, const struct signin *signin, const char *why)
{
	const struct node *node = network_find(oidc->sessions->network, signin->node_key);
	struct control_error error = { .code = CONTROL_ERROR_SIGN_IN };

	if (!node || !node->session || node->session->state != SESSION_WAITING)
		return;
	snprintf(error.text, sizeof(error.text), "sign-in: %.240s", why);
	session_end(node->session, CONTROL_ERROR, &error);
}

void oidc_fail(struct oidc *oidc, struct signin *signin, const char *why)
{
	char quoted[256];

	oidc_plain_text(quoted, sizeof(quoted), why, strlen(why));
	log_warn("sign-in-refused kind=%s why=\"%s\"", signin->admin ? "admin" : "node", quoted);
	if (signin->has_ticket)
		oidc_answer_page(signin, 403, "Not signed in", quoted);
	else if (signin->grant.device_code[0])
		tell_why(oidc, signin, quoted);
	if (!signin->admin && !signin->grant.device_code[0]) {
		/* The node's address of our page stays good. */
		signin->state = SIGNIN_OFFERED;
		signin->state_text[0] = signin->nonce[0] = signin->cookie[0] = '\0';
		signin->deadline_ns = loop_now_ns(oidc->loop) + OIDC_BROWSER_S * NS_PER_S;
		return;
	}
	signin_free(oidc, signin);
}

static void let_node_in(struct oidc *oidc, struct signin *signin, const struct oidc_claims *claims)
{
	struct sessions *sessions = oidc->sessions;
	struct node *node = network_find(sessions->network, signin->node_key);
	uint64_t now_s = clock_wall_s();
	char text[320];
	int err;

	if (!node || node->revoked || node->state != NODE_WAITS_SIGN_IN) {
		oidc_fail(oidc, signin, "this machine does not wait for a sign-in any more");
		return;
	}
	err = users_admit(sessions, &oidc->config, node, claims, now_s, text, sizeof(text));
	if (err < 0) {
		oidc_fail(oidc, signin,
			  err == -EACCES ? text : "the coordinator cannot store this; see its log");
		return;
	}
	snprintf(text, sizeof(text),
		 "%s is in the network as a machine of %s. You may close this page.", node->name,
		 node->owner);
	oidc_answer_page(signin, 200, "Signed in", text);
	signin_free(oidc, signin);
}

static void let_admin_in(struct oidc *oidc, struct signin *signin, const struct oidc_claims *claims)
{
	enum oidc_role role = oidc_config_role(&oidc->config, claims->user);
	char text[320];
	int err;

	if (role == OIDC_ROLE_NONE) {
		oidc_fail(oidc, signin, "this user is no admin of the network");
		return;
	}
	err = users_check(oidc->sessions, &oidc->config, claims, clock_wall_s(), text,
			  sizeof(text));
	if (err < 0) {
		oidc_fail(oidc, signin,
			  err == -EACCES ? text : "the coordinator cannot store this; see its log");
		return;
	}
	oidc_open_pages(oidc, signin, claims->user, role == OIDC_ROLE_ADMIN);
	signin_free(oidc, signin);
}

void oidc_finish(struct oidc *oidc, struct signin *signin, const struct oidc_claims *claims)
{
	if (signin->admin)
		let_admin_in(oidc, signin, claims);
	else
		let_node_in(oidc, signin, claims);
}
