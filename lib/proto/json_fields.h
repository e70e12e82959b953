#ifndef WARREN_PROTO_JSON_FIELDS_H
#define WARREN_PROTO_JSON_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Strict reading of JSON objects that came from outside. Sticky like struct reader: after the first
 * member that is missing, of the wrong type or out of bounds, `failed` is set and all that follows
 * leaves its output untouched, so that a parser checks once at its end.
 */
struct json_fields {
	json_t *object; /* borrowed */
	bool failed;
};

/* The deepest nesting of arrays and objects, in text that may be JSON or not. */
unsigned int json_fields_nesting(const char *text, size_t len);

/*
 * Parses one JSON text with bounds on its size and nesting, duplicate members refused. A new
 * reference, or NULL.
 */
json_t *json_fields_load(const char *text, size_t len, size_t len_max, unsigned int depth_max);

/* Fails at once when value is no object. */
void json_fields_init(struct json_fields *fields, json_t *value);
bool json_fields_has(const struct json_fields *fields, const char *name);

/* Printable text (no control characters) of at most size - 1 bytes, copied with NUL. */
void json_fields_text(struct json_fields *fields, const char *name, char *out, size_t size);
/* As above; absent: empty. */
void json_fields_text_opt(struct json_fields *fields, const char *name, char *out, size_t size);
void json_fields_u64(struct json_fields *fields, const char *name, uint64_t max, uint64_t *out);
void json_fields_bool(struct json_fields *fields, const char *name, bool *out);
/* base64url of exactly len bytes. */
void json_fields_bytes(struct json_fields *fields, const char *name, uint8_t *out, size_t len);
/* base64url of 1 to max bytes, malloc'd. */
void json_fields_blob(struct json_fields *fields, const char *name, size_t max, uint8_t **out,
		      size_t *len);
/* A borrowed array of at most max entries, or NULL (and failed). */
json_t *json_fields_array(struct json_fields *fields, const char *name, size_t max);

/* base64url text as a new reference, NULL when out of memory. */
json_t *json_fields_encode(const uint8_t *data, size_t len);

/*
 * Text that may have been cut within a character, or is of no known encoding: what is no ASCII is
 * '?' then. A new reference, NULL when out of memory.
 */
json_t *json_fields_lossy(const char *text);

#endif
