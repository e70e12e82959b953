#include "coord/users.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "coord/admin_verbs.h"
#include "coord/approval.h"
#include "coord/audit.h"
#include "coord/certificate.h"
#include "coord/sessions.h"
#include "coord/store_account.h"
#include "coord/store_login.h"

static int refuse(char *error, size_t size, const char *why)
{
	snprintf(error, size, "%s", why);
	return -EACCES;
}

int users_check(struct sessions *sessions, const struct oidc_config *config,
		const struct oidc_claims *claims, uint64_t now_s, char *error, size_t error_size)
{
	struct store *store = sessions->network->store;
	struct store_account account = { .created_s = now_s };
	int err = store_account_find(store, claims->user, &account);

	if (err < 0 && err != -ENOENT)
		return err;
	if (err == 0 && account.revoked)
		return refuse(error, error_size, "this user was removed from the network");
	if (err == 0 && (strcmp(account.issuer, config->issuer) != 0 ||
			 strcmp(account.subject, claims->subject) != 0))
		return refuse(error, error_size,
			      "the provider gave this name to somebody else before; an admin "
			      "decides: warren-coord user forget NAME");
	memcpy(account.name, claims->user, sizeof(account.name));
	memcpy(account.issuer, config->issuer, sizeof(account.issuer));
	memcpy(account.subject, claims->subject, sizeof(account.subject));
	account.seen_s = now_s;
	return store_account_put(store, &account);
}

/* Is this a group that the provider decides about? */
static bool is_mapped(const struct oidc_config *config, const char *group)
{
	for (size_t i = 0; i < config->groups.count; i++)
		if (strcmp(strrchr(config->groups.entries[i], '=') + 1, group) == 0)
			return true;
	return false;
}

/* The provider's groups that are mapped, and of the node's own those that are not. */
static void take_groups(struct labels *out, const struct oidc_config *config,
			const struct labels *held, const json_t *theirs)
{
	*out = (struct labels){ .count = 0 };
	for (size_t i = 0; i < held->count; i++)
		if (!is_mapped(config, held->names[i]))
			labels_add(out, held->names[i]);
	for (size_t i = 0; i < json_array_size(theirs) && i < OIDC_GROUPS_MAX; i++) {
		const char *name = json_string_value(json_array_get(theirs, i));
		const char *ours = name ? oidc_config_group(config, name) : NULL;

		if (ours && labels_add(out, ours) < 0)
			log_warn("group-left-out group=%s why=too-many", ours);
	}
}

/* For the audit log. */
static void note(struct sessions *sessions, const struct node *node, const char *user,
		 uint64_t now_s)
{
	struct admin_caller caller = { .may_change = false };

	snprintf(caller.who, sizeof(caller.who), "user:%.*s", (int)sizeof(caller.who) - 6, user);
	snprintf(caller.from, sizeof(caller.from), "sign-in");
	audit_note(sessions->network->store, &caller, "node-sign-in", node->name, NULL, now_s);
}

int users_admit(struct sessions *sessions, const struct oidc_config *config, struct node *node,
		const struct oidc_claims *claims, uint64_t now_s, char *error, size_t error_size)
{
	struct labels groups;
	struct labels before;
	char owner[sizeof(node->owner)];
	uint64_t until_s = node->login_until_s;
	int err;

	if (!oidc_config_allows(config, claims->user))
		return refuse(error, error_size,
			      "this user may have no machine in the network; ask its admin");
	if (node->owner[0] && strcmp(node->owner, claims->user) != 0)
		return refuse(error, error_size,
			      "this machine belongs to another user: sign in as that one, or run "
			      "warren logout and join anew");
	err = users_check(sessions, config, claims, now_s, error, error_size);
	if (err < 0)
		return err;
	note(sessions, node, claims->user, now_s);
	memcpy(owner, node->owner, sizeof(owner));
	labels_copy(&before, &node->groups);
	take_groups(&groups, config, &before, claims->groups);
	labels_copy(&node->groups, &groups);
	memcpy(node->owner, claims->user, sizeof(node->owner));
	node->login_until_s = config->login_life_s ? now_s + config->login_life_s : 0;
	err = approval_grant(sessions, node, now_s);
	if (err == 0) {
		log_info("signed-in user=%s name=%s key=%s", node->owner, node->name,
			 log_key(node->device_key).text);
		return 0;
	}
	memcpy(node->owner, owner, sizeof(node->owner));
	labels_copy(&node->groups, &before);
	node->login_until_s = until_s;
	audit_forget(sessions->network->store);
	return err;
}

/* Its user has to sign in again. */
static void expire(struct sessions *sessions, struct node *node, uint64_t now_s)
{
	node->state = NODE_WAITS_SIGN_IN;
	if (network_store_node(sessions->network, node) < 0) {
		node->state = NODE_APPROVED;
		log_error("store-failed what=login-over node=%s", node->name);
		return;
	}
	log_info("login-over user=%s name=%s", node->owner, node->name);
	if (node->session)
		session_shut_out(node->session, now_s);
	sessions_want_flush(sessions);
}

void users_tick(struct sessions *sessions, uint64_t now_s)
{
	struct node *node;
	size_t cursor = 0;

	while ((node = network_next(sessions->network, &cursor)))
		if (node->login_until_s && now_s >= node->login_until_s && node_is_member(node))
			expire(sessions, node, now_s);
}

static int revoke_nodes(struct sessions *sessions, const char *user, uint64_t now_s, size_t *count)
{
	struct node *node;
	size_t cursor = 0;

	while ((node = network_next(sessions->network, &cursor))) {
		int err;

		if (strcmp(node->owner, user) != 0 || node->revoked)
			continue;
		err = network_revoke(sessions->network, node, now_s);
		if (err < 0)
			return err;
		sessions_cut_off(sessions, node, "this machine's user was removed by an admin");
		++*count;
	}
	return 0;
}

int users_revoke(struct sessions *sessions, const char *user, uint64_t now_s, size_t *count)
{
	struct store *store = sessions->network->store;
	struct store_account account;
	char who[ADMIN_WHO_MAX];
	int err = store_account_find(store, user, &account);
	bool known = err == 0;

	*count = 0;
	if (err < 0 && err != -ENOENT)
		return err;
	if (known) {
		/* First, so that nothing is let in again meanwhile. */
		account.revoked = true;
		err = store_account_put(store, &account);
		if (err < 0)
			return err;
	}
	snprintf(who, sizeof(who), "user:%.*s", (int)sizeof(who) - 6, user);
	err = store_login_delete_who(store, who);
	if (err < 0)
		return err;
	err = revoke_nodes(sessions, user, now_s, count);
	return err < 0 ? err : known || *count > 0 ? 0 : -ENOENT;
}
