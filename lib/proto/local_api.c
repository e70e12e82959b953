#include "proto/local_api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PING_TIMEOUT_MS 5000

static int parse_object(json_t **object, const char *line, size_t len)
{
	json_error_t error;
	json_t *value = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);

	if (!value)
		return json_error_code(&error) == json_error_out_of_memory ? -ENOMEM : -EBADMSG;
	if (!json_is_object(value)) {
		json_decref(value);
		return -EBADMSG;
	}
	*object = value;
	return 0;
}

int local_api_request_parse(json_t **out, const char *line, size_t len)
{
	json_t *request;
	const char *verb;
	int err;

	if (len >= LOCAL_API_REQUEST_MAX)
		return -EMSGSIZE;
	err = parse_object(&request, line, len);
	if (err)
		return err;
	verb = json_string_value(json_object_get(request, "verb"));
	if (!verb || !verb[0] || strlen(verb) > LOCAL_API_VERB_MAX) {
		json_decref(request);
		return -EBADMSG;
	}
	*out = request;
	return 0;
}

const char *local_api_request_verb(const json_t *request)
{
	return json_string_value(json_object_get(request, "verb"));
}

/* jansson's unpacking wants a json_t it could change, and with JSON_STRICT every key named. */
#define UNPACK(request, ...)                                                                       \
	(json_unpack_ex((json_t *)(uintptr_t)(request), NULL, JSON_STRICT, __VA_ARGS__) ? -EBADMSG \
											: 0)

int local_up_decode(struct local_up *out, const json_t *request)
{
	struct local_up up = { 0 };
	const char *verb;
	int err = UNPACK(request, "{s:s, s?s, s?s}", "verb", &verb, "token", &up.token, "hostname",
			 &up.hostname);

	if (!err)
		*out = up;
	return err;
}

int local_ping_decode(struct local_ping *out, const json_t *request)
{
	json_int_t timeout_ms = DEFAULT_PING_TIMEOUT_MS;
	struct local_ping ping = { 0 };
	json_int_t count = 1;
	int until_direct = 0;
	const char *verb;
	int err = UNPACK(request, "{s:s, s:s, s?I, s?b, s?I}", "verb", &verb, "name", &ping.name,
			 "count", &count, "until_direct", &until_direct, "timeout_ms", &timeout_ms);

	if (err)
		return err;
	if (count < 1 || count > LOCAL_PING_COUNT_MAX || timeout_ms < 1 ||
	    timeout_ms > LOCAL_PING_TIMEOUT_MAX || !ping.name[0])
		return -EBADMSG;
	ping.count = (unsigned int)count;
	ping.until_direct = until_direct;
	ping.timeout_ms = (unsigned int)timeout_ms;
	*out = ping;
	return 0;
}

int local_set_path_decode(struct local_set_path *out, const json_t *request)
{
	struct local_set_path set = { 0 };
	const char *verb;
	int err = UNPACK(request, "{s:s, s:s, s:s}", "verb", &verb, "name", &set.name, "path",
			 &set.path);

	if (err)
		return err;
	if (!set.name[0] || (strcmp(set.path, "auto") != 0 && strcmp(set.path, "direct") != 0 &&
			     strcmp(set.path, "relay") != 0))
		return -EBADMSG;
	*out = set;
	return 0;
}

int local_resolve_decode(const char **out, const json_t *request)
{
	const char *verb, *name;
	int err = UNPACK(request, "{s:s, s:s}", "verb", &verb, "name", &name);

	if (err)
		return err;
	for (size_t i = 0; name[i]; i++) {
		if (name[i] <= ' ' || name[i] > '~' || i >= LOCAL_NAME_MAX)
			return -EBADMSG;
	}
	if (!name[0])
		return -EBADMSG;
	*out = name;
	return 0;
}

int local_plain_decode(const json_t *request)
{
	const char *verb;

	return UNPACK(request, "{s:s}", "verb", &verb);
}

json_t *local_up_encode(const struct local_up *up)
{
	return json_pack("{s:s, s:s*, s:s*}", "verb", "up", "token", up->token, "hostname",
			 up->hostname);
}

json_t *local_ping_encode(const struct local_ping *ping)
{
	return json_pack("{s:s, s:s, s:I, s:b, s:I}", "verb", "ping", "name", ping->name, "count",
			 (json_int_t)ping->count, "until_direct", ping->until_direct, "timeout_ms",
			 (json_int_t)ping->timeout_ms);
}

json_t *local_set_path_encode(const struct local_set_path *set)
{
	return json_pack("{s:s, s:s, s:s}", "verb", "set-path", "name", set->name, "path",
			 set->path);
}

json_t *local_resolve_encode(const char *name)
{
	return json_pack("{s:s, s:s}", "verb", "resolve", "name", name);
}

json_t *local_plain_encode(const char *verb)
{
	return json_pack("{s:s}", "verb", verb);
}

json_t *local_progress_encode(json_t *fields)
{
	return json_pack("{s:o}", "progress", fields);
}

json_t *local_success_encode(json_t *fields)
{
	json_t *reply = json_pack("{s:b}", "ok", 1);

	if (reply && fields && json_object_update_missing(reply, fields)) {
		json_decref(reply);
		reply = NULL;
	}
	json_decref(fields);
	return reply;
}

/* ASCII only: what the caller quotes may be anything. */
json_t *local_failure_encode(enum local_code code, const char *error)
{
	char text[LOCAL_API_ERROR_MAX];
	size_t i;

	for (i = 0; i + 1 < sizeof(text) && error[i]; i++)
		text[i] = error[i] >= ' ' && error[i] <= '~' ? error[i] : '?';
	text[i] = '\0';
	return json_pack("{s:b, s:i, s:s}", "ok", 0, "code", (int)code, "error", text);
}

static int parse_failure(struct local_reply *reply)
{
	json_int_t code;

	if (UNPACK(reply->body, "{s:b, s:I, s:s}", "ok", &(int){ 0 }, "code", &code, "error",
		   &reply->error))
		return -EBADMSG;
	if (code <= LOCAL_OK || code > LOCAL_DENIED)
		return -EBADMSG;
	reply->kind = LOCAL_REPLY_FAILURE;
	reply->code = (enum local_code)code;
	return 0;
}

static int parse_final(struct local_reply *reply)
{
	const json_t *ok = json_object_get(reply->body, "ok");

	if (!json_is_boolean(ok))
		return -EBADMSG;
	if (json_is_false(ok))
		return parse_failure(reply);
	reply->kind = LOCAL_REPLY_SUCCESS;
	return 0;
}

static int parse_progress(struct local_reply *reply, json_t *fields)
{
	json_t *line = reply->body;

	if (json_object_size(line) != 1 || !json_is_object(fields))
		return -EBADMSG;
	reply->kind = LOCAL_REPLY_PROGRESS;
	reply->body = json_incref(fields);
	json_decref(line);
	return 0;
}

int local_reply_parse(struct local_reply *out, const char *line, size_t len)
{
	struct local_reply reply = { .code = LOCAL_OK };
	json_t *fields;
	int err;

	if (len >= LOCAL_API_REPLY_MAX)
		return -EMSGSIZE;
	err = parse_object(&reply.body, line, len);
	if (err)
		return err;
	fields = json_object_get(reply.body, "progress");
	err = fields ? parse_progress(&reply, fields) : parse_final(&reply);
	if (err) {
		json_decref(reply.body);
		return err;
	}
	*out = reply;
	return 0;
}

void local_reply_clear(struct local_reply *reply)
{
	json_decref(reply->body);
	*reply = (struct local_reply){ 0 };
}

char *local_api_line(const json_t *object, size_t *len)
{
	char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(10));
	size_t size;
	char *line;

	if (!text)
		return NULL;
	size = strlen(text);
	line = realloc(text, size + 2);
	if (!line) {
		free(text);
		return NULL;
	}
	line[size] = '\n';
	line[size + 1] = '\0';
	*len = size + 1;
	return line;
}
