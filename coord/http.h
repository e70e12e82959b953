#ifndef WARREN_COORD_HTTP_H
#define WARREN_COORD_HTTP_H

#include <jansson.h>
#include <stddef.h>

#include "coord/login_throttle.h"
#include "io/ws.h"

#define HTTP_CLASSES 6

struct loop;
struct relay;
struct sessions;

/*
 * The plain HTTP side of the coordinator's port. Each area of paths has its handler, in the table
 * in http.c; what belongs to none is the web pages'.
 */
struct http {
	struct loop *loop;
	struct sessions *sessions;
	const char *hosts; /* names of ours besides the network's, with spaces; or NULL */
	const struct prefix *proxies; /* reverse proxies of ours; they live on */
	size_t proxy_count;
	struct login_throttle throttle;
	struct relay *relay;             /* the built-in one, or NULL */
	uint64_t answered[HTTP_CLASSES]; /* requests, by class of status */
	uint64_t login_failures;
};

/* For ws_server_config.http; arg is the struct http. */
void http_handle(void *arg, const struct ws_http_request *request,
		 struct ws_http_response *response);

/* The parts of answers, for handlers. The object is stolen. */
void http_answer_json(struct ws_http_response *response, int status, json_t *object);
/* A copy of the text; type is not copied. */
void http_answer_text(struct ws_http_response *response, int status, const char *type,
		      const void *text, size_t len);
/* {"error":{"code":…,"message":…}}; code is a word like "not-found". */
void http_fail(struct ws_http_response *response, int status, const char *code, const char *fmt,
	       ...) __attribute__((format(printf, 4, 5)));

#endif
