#include "coord/admin_verbs.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "coord/admin.h"
#include "coord/admin_reply.h"
#include "coord/sessions.h"

#define DEPTH_MAX 4

static const struct {
	const char *name;
	void (*run)(struct admin_request *request);
} verbs[] = {
	{ "key-create", admin_key_create },     { "key-list", admin_key_list },
	{ "key-revoke", admin_key_revoke },     { "node-list", admin_node_list },
	{ "node-revoke", admin_node_revoke },   { "node-delete", admin_node_delete },
	{ "node-rename", admin_node_rename },   { "policy-get", admin_policy_get },
	{ "policy-set", admin_policy_set },     { "policy-check", admin_policy_check },
	{ "relay-list", admin_relay_list },     { "relay-add", admin_relay_add },
	{ "relay-remove", admin_relay_remove }, { "backup", admin_backup },
};

void admin_fail(struct admin_request *request, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(request->error, sizeof(request->error), fmt, args);
	va_end(args);
}

void admin_fail_store(struct admin_request *request, int err)
{
	admin_fail(request, "the database refused: %s; nothing was changed, see the server's log",
		   strerror(-err));
}

const char *admin_time(char out[static 32], uint64_t time_s)
{
	time_t t = (time_t)time_s;
	struct tm tm;

	if (time_s == 0 || !gmtime_r(&t, &tm) || strftime(out, 32, "%Y-%m-%d %H:%M UTC", &tm) == 0)
		strcpy(out, "-");
	return out;
}

static void dispatch(struct admin_request *request)
{
	char verb[32] = "";

	json_fields_text(&request->fields, "verb", verb, sizeof(verb));
	if (json_fields_has(&request->fields, "json"))
		json_fields_bool(&request->fields, "json", &request->json);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verb, verbs[i].name) == 0) {
			verbs[i].run(request);
			return;
		}
	}
	admin_fail(request, "the server does not know this command; update the older side");
}

/* The answer as a line. */
static char *render(const struct admin_request *request, const char *text)
{
	bool failed = request->error[0];
	json_t *object = json_object();
	char *dumped;
	char *line;

	json_object_set_new(object, "code", json_integer(failed));
	json_object_set_new(object, failed ? "error" : "text",
			    json_string(failed ? request->error : text));
	dumped = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (!dumped || asprintf(&line, "%s\n", dumped) < 0)
		line = NULL;
	free(dumped);
	return line;
}

char *admin_verbs_run(struct sessions *sessions, const char *text, size_t len, uint64_t now_s)
{
	struct admin_request request = { .sessions = sessions, .now_s = now_s };
	json_t *object = json_fields_load(text, len, ADMIN_REQUEST_MAX, DEPTH_MAX);
	char *printed = NULL;
	size_t printed_len;
	char *line;

	json_fields_init(&request.fields, object);
	request.out = open_memstream(&printed, &printed_len);
	if (!request.out) {
		json_decref(object);
		return NULL;
	}
	if (request.fields.failed)
		admin_fail(&request, "the request is no JSON object of at most %u bytes",
			   ADMIN_REQUEST_MAX);
	else
		dispatch(&request);
	if (request.fields.failed && !request.error[0])
		admin_fail(&request, "the request is malformed; update the older side");
	fclose(request.out);
	line = render(&request, printed);
	free(printed);
	json_decref(object);
	return line;
}
