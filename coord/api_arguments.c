#include "coord/api_arguments.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/cert.h"
#include "proto/json_fields.h"

#define DEPTH_MAX       8
#define QUERY_VALUE_MAX 1024

static const struct api_field none[1];

static const struct api_field *find_field(const struct api_field *fields, const char *name,
					  size_t len)
{
	for (; fields->name; fields++)
		if (strlen(fields->name) == len && memcmp(fields->name, name, len) == 0)
			return fields;
	return NULL;
}

static bool refuse(struct ws_http_response *response, const struct api_field *field,
		   const char *want)
{
	http_fail(response, 400, "invalid", "%s: want %s", field->name, want);
	return false;
}

static bool is_line(const json_t *value, uint64_t max)
{
	const char *text = json_string_value(value);
	size_t len = json_string_length(value);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return text && len <= max;
}

/* At most count texts of at most max bytes. */
static bool are_lines(const json_t *value, uint64_t count, uint64_t max)
{
	json_t *line;
	size_t i;

	if (!json_is_array(value) || json_array_size(value) > count)
		return false;
	json_array_foreach (value, i, line)
		if (!is_line(line, max))
			return false;
	return true;
}

static bool are_objects(const json_t *value, uint64_t max)
{
	json_t *object;
	size_t i;

	if (!json_is_array(value) || json_array_size(value) > max)
		return false;
	json_array_foreach (value, i, object)
		if (!json_is_object(object))
			return false;
	return true;
}

static bool check(const struct api_field *field, const json_t *value,
		  struct ws_http_response *response)
{
	char want[80];

	switch (field->type) {
	case API_TEXT:
	case API_SECRET:
		snprintf(want, sizeof(want), "text of at most %llu bytes on one line",
			 (unsigned long long)field->max);
		return is_line(value, field->max) ? true : refuse(response, field, want);
	case API_LONG:
		snprintf(want, sizeof(want), "text of at most %llu bytes",
			 (unsigned long long)field->max);
		return json_is_string(value) && json_string_length(value) <= field->max
			       ? true
			       : refuse(response, field, want);
	case API_NUMBER:
		snprintf(want, sizeof(want), "a whole number from 0 to %llu",
			 (unsigned long long)field->max);
		return json_is_integer(value) && json_integer_value(value) >= 0 &&
				       (uint64_t)json_integer_value(value) <= field->max
			       ? true
			       : refuse(response, field, want);
	case API_BOOL:
		return json_is_boolean(value) ? true : refuse(response, field, "true or false");
	case API_PREFIXES:
		snprintf(want, sizeof(want), "an array of at most %llu prefixes",
			 (unsigned long long)field->max);
		return are_lines(value, field->max, PREFIX_TEXT_SIZE - 1)
			       ? true
			       : refuse(response, field, want);
	case API_SERVERS:
		snprintf(want, sizeof(want), "an array of at most %llu addresses",
			 (unsigned long long)field->max);
		return are_lines(value, field->max, ENDPOINT_TEXT_SIZE - 1)
			       ? true
			       : refuse(response, field, want);
	case API_OBJECTS:
		snprintf(want, sizeof(want), "an array of at most %llu objects",
			 (unsigned long long)field->max);
		return are_objects(value, field->max) ? true : refuse(response, field, want);
	default:
		snprintf(want, sizeof(want), "an array of at most %d short texts", CERT_LABELS_MAX);
		return are_lines(value, CERT_LABELS_MAX, CERT_LABEL_MAX)
			       ? true
			       : refuse(response, field, want);
	}
}

/* The value as the verb wants it, a new reference. */
static json_t *convert(const struct api_field *field, json_t *value)
{
	if (field->type == API_SECRET)
		return json_fields_encode((const uint8_t *)json_string_value(value),
					  json_string_length(value));
	return json_incref(value);
}

static bool fill_rest(json_t *arguments, const struct api_field *fields,
		      struct ws_http_response *response)
{
	for (; fields->name; fields++) {
		if (json_object_get(arguments, fields->name))
			continue;
		if (fields->required) {
			http_fail(response, 400, "invalid", "%s is missing", fields->name);
			return false;
		}
		if (fields->normal)
			json_object_set_new(arguments, fields->name,
					    json_loads(fields->normal, JSON_DECODE_ANY, NULL));
	}
	return true;
}

/* What a query says is text; NULL when it cannot be the field's. A new reference. */
static json_t *from_text(const struct api_field *field, const char *text)
{
	char *end;

	switch (field->type) {
	case API_NUMBER:
		if (text[0] < '0' || text[0] > '9' || strlen(text) > 18)
			return json_string(text);
		return strtoull(text, &end, 10),
		       *end ? json_string(text) : json_integer(strtoll(text, NULL, 10));
	case API_BOOL:
		return strcmp(text, "true") == 0    ? json_true()
		       : strcmp(text, "false") == 0 ? json_false()
						    : json_string(text);
	default:
		return json_string(text);
	}
}

static bool take_one(json_t *arguments, const struct api_field *field,
		     const struct ws_http_request *request, struct ws_http_response *response)
{
	char text[QUERY_VALUE_MAX];
	json_t *value = NULL;
	bool good;

	if (json_object_get(arguments, field->name)) {
		http_fail(response, 400, "invalid", "%s is given twice", field->name);
		return false;
	}
	if (ws_http_argument(request, field->name, text, sizeof(text)))
		value = from_text(field, text);
	good = check(field, value, response);
	if (good)
		json_object_set_new(arguments, field->name, value);
	else
		json_decref(value);
	return good;
}

bool api_arguments_from_query(json_t *arguments, const struct api_field *fields,
			      const struct ws_http_request *request,
			      struct ws_http_response *response)
{
	if (!fields)
		fields = none;
	for (const char *at = request->query; *at;) {
		size_t len = strcspn(at, "&");
		size_t name_len = strcspn(at, "&=");
		const struct api_field *field = find_field(fields, at, name_len);

		if (len > 0 && !field) {
			http_fail(response, 400, "invalid", "there is no argument %.*s",
				  (int)(name_len < 64 ? name_len : 64), at);
			return false;
		}
		if (len > 0 && !take_one(arguments, field, request, response))
			return false;
		at += len + (at[len] == '&');
	}
	return fill_rest(arguments, fields, response);
}

static bool is_json(const char *type)
{
	size_t len = strlen("application/json");

	return strncasecmp(type, "application/json", len) == 0 &&
	       (!type[len] || type[len] == ';' || type[len] == ' ');
}

/* The body's object, a new reference; NULL when there is none, with the response filled. */
static json_t *load(const struct ws_http_request *request, struct ws_http_response *response)
{
	const char *text = (const char *)request->body;
	json_t *object;

	if (request->body_len == 0)
		return json_object();
	if (!is_json(request->content_type)) {
		http_fail(response, 415, "media-type",
			  "the body has to be application/json, and say so");
		return NULL;
	}
	if (json_fields_nesting(text, request->body_len) > DEPTH_MAX) {
		http_fail(response, 400, "invalid", "the body is nested deeper than %d levels",
			  DEPTH_MAX);
		return NULL;
	}
	object = json_fields_load(text, request->body_len, WS_HTTP_BODY_MAX, DEPTH_MAX);
	if (json_is_object(object))
		return object;
	json_decref(object);
	http_fail(response, 400, "invalid", "the body is no JSON object, or names a member twice");
	return NULL;
}

bool api_arguments_from_body(json_t *arguments, const struct api_field *fields,
			     const struct ws_http_request *request,
			     struct ws_http_response *response)
{
	json_t *object = load(request, response);
	const char *name;
	json_t *value;
	bool good = object != NULL;

	if (!fields)
		fields = none;
	if (good)
		json_object_foreach (object, name, value) {
			const struct api_field *field = find_field(fields, name, strlen(name));

			if (!field)
				http_fail(response, 400, "invalid", "there is no member \"%.64s\"",
					  name);
			good = field && check(field, value, response);
			if (!good)
				break;
			json_object_set_new(arguments, field->name, convert(field, value));
		}
	json_decref(object);
	return good && fill_rest(arguments, fields, response);
}
