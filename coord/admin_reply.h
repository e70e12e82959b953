#ifndef WARREN_COORD_ADMIN_REPLY_H
#define WARREN_COORD_ADMIN_REPLY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "coord/admin_verbs.h"
#include "proto/json_fields.h"

/* One request while it is answered, for admin_*.c only. */
struct admin_request {
	struct sessions *sessions;
	const struct admin_caller *caller;
	const char *verb;
	struct json_fields fields;
	uint64_t now_s;
	FILE *out;            /* what the command will print */
	bool json;            /* it wants JSON: admin_answer instead of out */
	json_t *answer;       /* what admin_answer was given */
	enum admin_kind kind; /* not ADMIN_OK: it failed */
	char error[400];
};

/* Notes a failure in one line: what, why, what to do. */
void admin_fail(struct admin_request *request, enum admin_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * The answer in JSON mode, an object that is stolen; "schema" is added. A verb that gives none
 * answers {"schema":1}.
 */
void admin_answer(struct admin_request *request, json_t *object);
/*
 * What is about to change, for the audit log: before the first change. Else it says the members of
 * the request that are no secrets. Objects are stolen and may be NULL.
 */
void admin_note(struct admin_request *request, const char *target, json_t *before, json_t *after);
/* For errors of the store. */
void admin_fail_store(struct admin_request *request, int err);
/* "2026-11-21 01:02 UTC", or "-" for 0. */
const char *admin_time(char out[static 32], uint64_t time_s);

/* Strict mode: what was asked for waits for signatures. Nothing in simple mode. */
void admin_say_signatures(struct admin_request *request);

void admin_authority_show(struct admin_request *request);
void admin_authority_export(struct admin_request *request);
void admin_authority_requests(struct admin_request *request);
void admin_authority_submit(struct admin_request *request);
void admin_key_create(struct admin_request *request);
void admin_key_list(struct admin_request *request);
void admin_key_revoke(struct admin_request *request);
void admin_node_list(struct admin_request *request);
void admin_node_get(struct admin_request *request);
void admin_node_revoke(struct admin_request *request);
void admin_node_delete(struct admin_request *request);
void admin_node_rename(struct admin_request *request);
void admin_node_approve(struct admin_request *request);
void admin_node_reject(struct admin_request *request);
void admin_route_list(struct admin_request *request);
void admin_route_approve(struct admin_request *request);
void admin_route_revoke(struct admin_request *request);
void admin_policy_get(struct admin_request *request);
void admin_policy_set(struct admin_request *request);
void admin_policy_check(struct admin_request *request);
void admin_relay_list(struct admin_request *request);
void admin_relay_add(struct admin_request *request);
void admin_relay_remove(struct admin_request *request);
void admin_dns_list(struct admin_request *request);
void admin_dns_add(struct admin_request *request);
void admin_dns_remove(struct admin_request *request);
void admin_dns_split(struct admin_request *request);
void admin_dns_unsplit(struct admin_request *request);
void admin_backup(struct admin_request *request);
void admin_oidc_show(struct admin_request *request);
void admin_oidc_set(struct admin_request *request);
void admin_oidc_remove(struct admin_request *request);
void admin_user_list(struct admin_request *request);
void admin_user_revoke(struct admin_request *request);
void admin_user_forget(struct admin_request *request);
void admin_limits(struct admin_request *request);
void admin_audit_list(struct admin_request *request);
void admin_api_token_create(struct admin_request *request);
void admin_api_token_list(struct admin_request *request);
void admin_api_token_revoke(struct admin_request *request);
void admin_group_list(struct admin_request *request);
void admin_path_list(struct admin_request *request);
void admin_overview(struct admin_request *request);
void admin_setting_list(struct admin_request *request);
void admin_setting_set(struct admin_request *request);

struct node;

/* "online", "offline", "pending", "revoked". */
const char *admin_node_state(const struct node *node);
/* {"node":…} in JSON mode. */
void admin_answer_node(struct admin_request *request, const struct node *node);
/* Adds by which key the node came, and what it waits for: created_s, key_id, pending. */
void admin_approval_describe(json_t *object, const struct node *node);
/* For people: a line about one that waits, and none about others. */
void admin_approval_print(struct admin_request *request, const struct node *node);
/* Adds what the node told last: health, reported_s, paths. */
void admin_path_describe(json_t *object, const struct node *node);
/* Adds what it carries or wants to: routes, as route list has them. */
void admin_route_describe(struct admin_request *request, json_t *object, const struct node *node);
void admin_health(struct admin_request *request);

#endif
