#ifndef WARREN_COORD_API_ROUTES_H
#define WARREN_COORD_API_ROUTES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coord/admin_verbs.h"
#include "coord/http.h"

/* What the REST API has, below /api/v1; coord/web/openapi.json tells the same to everybody. */

enum api_type {
	API_TEXT,   /* one line */
	API_LONG,   /* any text */
	API_SECRET, /* one line, of which the verb gets the bytes as base64url */
	API_NUMBER, /* whole, not negative */
	API_BOOL,
	API_LABELS,   /* an array of short texts */
	API_PREFIXES, /* an array of at most max texts for prefixes */
	API_SERVERS,  /* the same for addresses, with ports or without */
	API_OBJECTS,  /* an array of at most max objects, which the verb reads */
};

/* A member of the query (GET) or of the body's object, and of the verb's request. */
struct api_field {
	const char *name; /* NULL: the end of a list */
	enum api_type type;
	uint64_t max; /* of a number; of a text: bytes */
	bool required;
	const char *normal; /* as JSON, when it is not there; NULL: left away */
};

struct api_call {
	struct http *http;
	const struct ws_http_request *request;
	struct ws_http_response *response;
	struct admin_caller caller;
	json_t *arguments; /* out of path, query and body */
};

struct api_route {
	const char *method;
	const char *path; /* "/nodes/{name}" */
	const char *verb; /* NULL: run */
	int status;       /* of a success */
	const struct api_field *fields;
	void (*run)(struct api_call *call);
	bool open; /* to everybody */
	bool etag; /* of the policy: told, or asked for by If-Match */
};

extern const struct api_route api_routes[];
extern const size_t api_route_count;

/*
 * The route for a path below /api/v1 and a method (HEAD is GET). NULL: 404, or 405 when *allow,
 * the methods that the path has, is not empty. Members of the path go into arguments.
 */
const struct api_route *api_route_find(const char *method, const char *path, json_t *arguments,
				       char allow[static 64]);

#endif
