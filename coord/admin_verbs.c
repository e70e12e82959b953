#include "coord/admin_verbs.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "coord/admin.h"
#include "coord/admin_reply.h"
#include "coord/audit.h"
#include "coord/sessions.h"

#define DEPTH_MAX   4
#define EXIT_DENIED 6

static const struct {
	const char *name;
	void (*run)(struct admin_request *request);
	bool changes; /* only for callers who may */
} verbs[] = {
	/* clang-format off */
	{ "key-create", admin_key_create, true },
	{ "key-list", admin_key_list, false },
	{ "key-revoke", admin_key_revoke, true },
	{ "node-list", admin_node_list, false },
	{ "node-get", admin_node_get, false },
	{ "node-revoke", admin_node_revoke, true },
	{ "node-delete", admin_node_delete, true },
	{ "node-rename", admin_node_rename, true },
	{ "node-approve", admin_node_approve, true },
	{ "node-reject", admin_node_reject, true },
	{ "route-list", admin_route_list, false },
	{ "route-approve", admin_route_approve, true },
	{ "route-revoke", admin_route_revoke, true },
	{ "policy-get", admin_policy_get, false },
	{ "policy-set", admin_policy_set, true },
	{ "policy-check", admin_policy_check, false },
	{ "relay-list", admin_relay_list, false },
	{ "relay-add", admin_relay_add, true },
	{ "relay-remove", admin_relay_remove, true },
	{ "dns-list", admin_dns_list, false },
	{ "dns-add", admin_dns_add, true },
	{ "dns-remove", admin_dns_remove, true },
	{ "dns-split", admin_dns_split, true },
	{ "dns-unsplit", admin_dns_unsplit, true },
	{ "backup", admin_backup, true },
	{ "authority-show", admin_authority_show, false },
	{ "authority-export", admin_authority_export, true },
	{ "authority-requests", admin_authority_requests, false },
	{ "authority-submit", admin_authority_submit, true },
	{ "limits", admin_limits, false },
	{ "audit-list", admin_audit_list, false },
	{ "api-token-create", admin_api_token_create, true },
	{ "api-token-list", admin_api_token_list, false },
	{ "api-token-revoke", admin_api_token_revoke, true },
	{ "group-list", admin_group_list, false },
	{ "path-list", admin_path_list, false },
	{ "overview", admin_overview, false },
	{ "setting-list", admin_setting_list, false },
	{ "setting-set", admin_setting_set, true },
	{ "health", admin_health, false },
	{ "oidc-show", admin_oidc_show, false },
	{ "oidc-set", admin_oidc_set, true },
	{ "oidc-remove", admin_oidc_remove, true },
	{ "user-list", admin_user_list, false },
	{ "user-revoke", admin_user_revoke, true },
	{ "user-forget", admin_user_forget, true },
	/* clang-format on */
};

static const struct {
	const char *text;
	int http_status;
} kinds[] = {
	[ADMIN_OK] = { "ok", 200 },
	[ADMIN_INVALID] = { "invalid", 400 },
	[ADMIN_DENIED] = { "denied", 403 },
	[ADMIN_NOT_FOUND] = { "not-found", 404 },
	[ADMIN_CONFLICT] = { "conflict", 409 },
	[ADMIN_CHANGED] = { "changed", 412 },
	[ADMIN_REFUSED] = { "refused", 422 },
	[ADMIN_FAILED] = { "failed", 500 },
	[ADMIN_UNAVAILABLE] = { "unavailable", 503 },
};

int admin_exit_code(enum admin_kind kind)
{
	return kind == ADMIN_OK ? 0 : kind == ADMIN_DENIED ? EXIT_DENIED : EXIT_FAILURE;
}

int admin_http_status(enum admin_kind kind)
{
	return kinds[kind].http_status;
}

const char *admin_kind_text(enum admin_kind kind)
{
	return kinds[kind].text;
}

void admin_fail(struct admin_request *request, enum admin_kind kind, const char *fmt, ...)
{
	va_list args;

	request->kind = kind;
	va_start(args, fmt);
	vsnprintf(request->error, sizeof(request->error), fmt, args);
	va_end(args);
}

void admin_fail_store(struct admin_request *request, int err)
{
	const char *why = strerror(-err);

	if (err == -ENOSPC || err == -EIO)
		sessions_store_failed(request->sessions, err);

	/* As coord/store_postgres.h has them. */
	if (err == -ENOTCONN)
		admin_fail(request, ADMIN_UNAVAILABLE,
			   "the database is away; nothing was changed; try again when it is back");
	else if (err == -ETIMEDOUT)
		admin_fail(request, ADMIN_UNAVAILABLE,
			   "the database went away meanwhile; look whether it was changed, then "
			   "try again");
	else if (err == -EAGAIN)
		admin_fail(request, ADMIN_UNAVAILABLE,
			   "the database is busy; nothing was changed; try again");
	else
		admin_fail(request, ADMIN_UNAVAILABLE,
			   "the database refused: %s; nothing was changed, see the server's log",
			   why);
}

void admin_answer(struct admin_request *request, json_t *object)
{
	json_decref(request->answer);
	request->answer = object;
}

const char *admin_time(char out[static 32], uint64_t time_s)
{
	time_t t = (time_t)time_s;
	struct tm tm;

	if (time_s == 0 || !gmtime_r(&t, &tm) || strftime(out, 32, "%Y-%m-%d %H:%M UTC", &tm) == 0)
		strcpy(out, "-");
	return out;
}

void admin_note(struct admin_request *request, const char *target, json_t *before, json_t *after)
{
	json_t *details = json_object();

	if (before)
		json_object_set_new(details, "before", before);
	if (after)
		json_object_set_new(details, "after", after);
	audit_note(request->sessions->network->store, request->caller, request->verb, target,
		   details, request->now_s);
}

/* What the request says of the change to come, until the verb says more. */
static void note_request(struct admin_request *request)
{
	static const char *const safe[] = {
		"new_name", "groups",   "tags", "reusable", "ephemeral", "expires_s", "host",
		"udp_port", "tls_port", "turn", "value",    "role",      "name",      "uses_max",
		"approval", "for",      "type", "servers",  "routes",    "exit",      "prefixes",
	};
	json_t *object = request->fields.object;
	const char *id = json_string_value(json_object_get(object, "id"));
	const char *name = json_string_value(json_object_get(object, "name"));
	json_t *after = json_object();

	for (size_t i = 0; i < sizeof(safe) / sizeof(safe[0]); i++) {
		json_t *value = json_object_get(object, safe[i]);

		if (value)
			json_object_set(after, safe[i], value);
	}
	admin_note(request, id ? id : name ? name : "", NULL, after);
}

/* Runs a verb that changes something, and has it in the audit log if it did. */
static void run_change(struct admin_request *request, void (*run)(struct admin_request *request))
{
	struct store *store = request->sessions->network->store;
	int err;

	note_request(request);
	run(request);
	if (request->fields.failed || request->kind != ADMIN_OK) {
		audit_forget(store);
		return;
	}
	err = store_audit_settle(store);
	if (err < 0)
		log_error("audit-failed action=%s error=\"%s\"", request->verb, strerror(-err));
	audit_forget(store);
}

static void dispatch(struct admin_request *request)
{
	char verb[32] = "";

	json_fields_text(&request->fields, "verb", verb, sizeof(verb));
	if (json_fields_has(&request->fields, "json"))
		json_fields_bool(&request->fields, "json", &request->json);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verb, verbs[i].name) != 0)
			continue;
		request->verb = verbs[i].name;
		if (verbs[i].changes && !request->caller->may_change)
			admin_fail(request, ADMIN_DENIED,
				   "%s may look but not change; ask an admin",
				   request->caller->who);
		else if (verbs[i].changes)
			run_change(request, verbs[i].run);
		else
			verbs[i].run(request);
		return;
	}
	admin_fail(request, ADMIN_NOT_FOUND,
		   "the server does not know this command; update the older side");
}

/* What was said by admin_answer, as the text. */
static void print_answer(struct admin_request *request)
{
	json_t *object = request->answer ? request->answer : json_object();

	json_object_set_new(object, "schema", json_integer(1));
	json_dumpf(object, request->out, JSON_COMPACT);
	fputc('\n', request->out);
	json_decref(object);
	request->answer = NULL;
}

int admin_verbs_call(struct sessions *sessions, const struct admin_caller *caller, json_t *object,
		     uint64_t now_s, struct admin_result *result)
{
	struct admin_request request = { .sessions = sessions, .caller = caller, .now_s = now_s };
	char *printed = NULL;
	size_t printed_len = 0;

	request.out = open_memstream(&printed, &printed_len);
	if (!request.out)
		return -ENOMEM;
	json_fields_init(&request.fields, object);
	if (request.fields.failed)
		admin_fail(&request, ADMIN_INVALID,
			   "the request is no JSON object of at most %u bytes", ADMIN_REQUEST_MAX);
	else
		dispatch(&request);
	if (request.fields.failed && request.kind == ADMIN_OK)
		admin_fail(&request, ADMIN_INVALID,
			   "a member of the request is missing, too long or of the wrong type");
	if (request.json && request.kind == ADMIN_OK)
		print_answer(&request);
	json_decref(request.answer);
	if (fclose(request.out) != 0) {
		free(printed);
		return -ENOMEM;
	}
	*result =
		(struct admin_result){ .kind = request.kind, .text = printed, .len = printed_len };
	memcpy(result->error, request.error, sizeof(result->error));
	return 0;
}

void admin_result_clear(struct admin_result *result)
{
	if (result->text)
		sodium_memzero(result->text, result->len);
	free(result->text);
	result->text = NULL;
}

/* The answer as a line. */
static char *render(const struct admin_result *result)
{
	bool failed = result->kind != ADMIN_OK;
	json_t *object = json_object();
	char *dumped;
	char *line;

	json_object_set_new(object, "code", json_integer(admin_exit_code(result->kind)));
	json_object_set_new(object, failed ? "error" : "text",
			    json_fields_lossy(failed ? result->error : result->text));
	dumped = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (!dumped || asprintf(&line, "%s\n", dumped) < 0)
		line = NULL;
	free(dumped);
	return line;
}

char *admin_verbs_run(struct sessions *sessions, const struct admin_caller *caller,
		      const char *text, size_t len, uint64_t now_s)
{
	json_t *object = json_fields_load(text, len, ADMIN_REQUEST_MAX, DEPTH_MAX);
	struct admin_result result;
	char *line = NULL;

	if (admin_verbs_call(sessions, caller, object, now_s, &result) == 0) {
		line = render(&result);
		admin_result_clear(&result);
	}
	json_decref(object);
	return line;
}
