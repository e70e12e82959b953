#include "coord/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encoding.h"
#include "base/log.h"
#include "coord/admin_verbs.h"
#include "coord/sessions.h"
#include "coord/store_login.h"

void audit_note(struct store *store, const struct admin_caller *caller, const char *action,
		const char *target, json_t *details, uint64_t now_s)
{
	struct store_audit entry = { .time_s = now_s };
	char *text = details ? json_dumps(details, JSON_COMPACT) : NULL;

	json_decref(details);
	snprintf(entry.who, sizeof(entry.who), "%s", caller ? caller->who : "warren");
	snprintf(entry.from, sizeof(entry.from), "%s", caller ? caller->from : "");
	snprintf(entry.action, sizeof(entry.action), "%s", action);
	snprintf(entry.target, sizeof(entry.target), "%s", target);
	if (text && strlen(text) <= STORE_AUDIT_DETAILS_MAX)
		strcpy(entry.details, text);
	else
		strcpy(entry.details, text ? "{\"truncated\":true}" : "{}");
	free(text);
	if (store_audit_note(store, &entry) < 0)
		log_error("audit-failed action=%s error=memory", action);
}

void audit_note_join(struct store *store, const struct node *node, const uint8_t *key_id,
		     uint64_t now_s)
{
	struct admin_caller caller = { .may_change = false };
	char id[HEX_SIZE(TOKEN_KEY_ID_SIZE)];
	char key[BASE64_KEY_SIZE];
	char addr[ADDR_TEXT_SIZE];

	encoding_hex(id, sizeof(id), key_id, TOKEN_KEY_ID_SIZE);
	encoding_base64_key(key, node->device_key);
	snprintf(caller.who, sizeof(caller.who), "key:%s", id);
	audit_note(store, &caller, "node-join", node->name,
		   json_pack("{s:{s:s,s:s,s:o,s:o,s:b,s:b}}", "after", "key", key, "address",
			     addr_format(addr, &node->address4), "groups",
			     labels_json(&node->groups), "tags", labels_json(&node->tags),
			     "ephemeral", node->ephemeral, "pending", node_is_pending(node)),
		   now_s);
}

void audit_forget(struct store *store)
{
	store_audit_note(store, NULL);
}

void audit_tick(struct sessions *sessions, uint64_t now_s)
{
	uint64_t keep_s = sessions->limits.values[LIMIT_AUDIT_DAYS] * 86400;
	struct store *store = sessions->network->store;

	if (now_s < sessions->audit_purged_s + AUDIT_PURGE_S)
		return;
	sessions->audit_purged_s = now_s;
	if (store_audit_purge(store, now_s > keep_s ? now_s - keep_s : 0,
			      sessions->limits.values[LIMIT_AUDIT_ENTRIES]) < 0 ||
	    store_login_purge(store, now_s) < 0)
		log_error("audit-purge-failed");
}
