#include "proto/json_fields.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/encoding.h"

unsigned int json_fields_nesting(const char *text, size_t len)
{
	unsigned int depth = 0;
	unsigned int deepest = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (c == '{' || c == '[') {
			depth++;
			deepest = depth > deepest ? depth : deepest;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return deepest;
}

json_t *json_fields_load(const char *text, size_t len, size_t len_max, unsigned int depth_max)
{
	json_error_t error;

	if (len > len_max || json_fields_nesting(text, len) > depth_max)
		return NULL;
	return json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
}

void json_fields_init(struct json_fields *fields, json_t *value)
{
	fields->object = value;
	fields->failed = !json_is_object(value);
}

bool json_fields_has(const struct json_fields *fields, const char *name)
{
	return !fields->failed && json_object_get(fields->object, name);
}

/* The member, or NULL and failed. */
static json_t *get(struct json_fields *fields, const char *name)
{
	json_t *value = fields->failed ? NULL : json_object_get(fields->object, name);

	if (!value)
		fields->failed = true;
	return value;
}

void json_fields_text(struct json_fields *fields, const char *name, char *out, size_t size)
{
	json_t *value = get(fields, name);
	const char *text = json_string_value(value);
	size_t len = json_string_length(value);

	if (!text || len >= size) {
		fields->failed = true;
		return;
	}
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
			fields->failed = true;
			return;
		}
	}
	memcpy(out, text, len);
	out[len] = '\0';
}

void json_fields_text_opt(struct json_fields *fields, const char *name, char *out, size_t size)
{
	if (json_fields_has(fields, name))
		json_fields_text(fields, name, out, size);
	else if (!fields->failed)
		out[0] = '\0';
}

void json_fields_u64(struct json_fields *fields, const char *name, uint64_t max, uint64_t *out)
{
	json_t *value = get(fields, name);
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value) || number < 0 || (uint64_t)number > max)
		fields->failed = true;
	else
		*out = (uint64_t)number;
}

void json_fields_bool(struct json_fields *fields, const char *name, bool *out)
{
	json_t *value = get(fields, name);

	if (!json_is_boolean(value))
		fields->failed = true;
	else
		*out = json_is_true(value);
}

void json_fields_bytes(struct json_fields *fields, const char *name, uint8_t *out, size_t len)
{
	const char *text = json_string_value(get(fields, name));
	uint8_t data[256];
	size_t got;

	if (!text || len > sizeof(data) ||
	    encoding_base64url_parse(data, sizeof(data), &got, text) < 0 || got != len)
		fields->failed = true;
	else
		memcpy(out, data, len);
	sodium_memzero(data, sizeof(data));
}

void json_fields_blob(struct json_fields *fields, const char *name, size_t max, uint8_t **out,
		      size_t *len)
{
	json_t *value = get(fields, name);
	const char *text = json_string_value(value);
	size_t text_len = json_string_length(value);
	uint8_t *data;

	if (!text || text_len == 0 || text_len / 4 * 3 > max + 3) {
		fields->failed = true;
		return;
	}
	data = malloc(text_len);
	if (!data || encoding_base64url_parse(data, text_len, len, text) < 0 || *len > max) {
		free(data);
		fields->failed = true;
		return;
	}
	*out = data;
}

json_t *json_fields_array(struct json_fields *fields, const char *name, size_t max)
{
	json_t *value = get(fields, name);

	if (!json_is_array(value) || json_array_size(value) > max) {
		fields->failed = true;
		return NULL;
	}
	return value;
}

json_t *json_fields_encode(const uint8_t *data, size_t len)
{
	size_t size = sodium_base64_encoded_len(len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	char *text = malloc(size);
	json_t *value;

	if (!text)
		return NULL;
	encoding_base64url(text, size, data, len);
	value = json_stringn(text, size - 1);
	sodium_memzero(text, size);
	free(text);
	return value;
}

json_t *json_fields_lossy(const char *text)
{
	json_t *value = json_string(text);
	char *copy = value ? NULL : strdup(text);

	if (!copy)
		return value;
	for (char *at = copy; *at; at++)
		if ((unsigned char)*at >= 0x80)
			*at = '?';
	value = json_string(copy);
	free(copy);
	return value;
}
