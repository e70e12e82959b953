#ifndef WARREN_COORD_ADMIN_VERBS_H
#define WARREN_COORD_ADMIN_VERBS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sessions;

/*
 * What admins can ask for: the one place where their changes happen. The command line comes by the
 * local socket, programs by the REST API, people also by the web pages.
 */

/* What came of it; each is an exit code of the command and a status of HTTP. */
enum admin_kind {
	ADMIN_OK,
	ADMIN_INVALID,     /* the request makes no sense: 400 */
	ADMIN_DENIED,      /* the caller may not: 403 */
	ADMIN_NOT_FOUND,   /* 404 */
	ADMIN_CONFLICT,    /* not as things are: 409 */
	ADMIN_CHANGED,     /* not what the caller had seen any more: 412 */
	ADMIN_REFUSED,     /* well formed, and refused for what it says: 422 */
	ADMIN_FAILED,      /* the server's own trouble: 500 */
	ADMIN_UNAVAILABLE, /* for now: 503 */
};

#define ADMIN_WHO_MAX  128
#define ADMIN_FROM_MAX 64

/* Who asks, for rights and the audit log. */
struct admin_caller {
	char who[ADMIN_WHO_MAX];   /* "local:root", "token:NAME", "user:alice@example.com" */
	char from[ADMIN_FROM_MAX]; /* an address, or "local" */
	bool may_change;           /* else it may only look */
};

struct admin_result {
	enum admin_kind kind;
	char *text; /* of a success, malloc'd: what the command prints, or JSON */
	size_t len;
	char error[400]; /* of a failure: one line for people */
};

/*
 * Runs the verb that the object names; with "json":true the text is JSON. 0, or -ENOMEM with result
 * untouched.
 */
int admin_verbs_call(struct sessions *sessions, const struct admin_caller *caller, json_t *request,
		     uint64_t now_s, struct admin_result *result);
/* Wipes, since answers may carry tokens. */
void admin_result_clear(struct admin_result *result);

/*
 * The same for the local socket: a request is a line of JSON with a verb; the answer is malloc'd
 * text that ends in a newline: {"code":0,"text":…} with what the command prints, or
 * {"code":1,"error":…}. NULL when out of memory.
 */
char *admin_verbs_run(struct sessions *sessions, const struct admin_caller *caller,
		      const char *request, size_t len, uint64_t now_s);

/* The exit code of a command. */
int admin_exit_code(enum admin_kind kind);
/* A status of HTTP, and its word in error objects: "not-found". */
int admin_http_status(enum admin_kind kind);
const char *admin_kind_text(enum admin_kind kind);

#endif
