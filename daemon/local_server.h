#ifndef WARREN_DAEMON_LOCAL_SERVER_H
#define WARREN_DAEMON_LOCAL_SERVER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "proto/local_api.h"

struct loop;

/*
 * The daemon's Unix socket for warren. Who may ask is decided by the peer credentials of the
 * connection: root and the daemon's own user everything, members of the socket's group the verbs
 * that are not privileged, anybody else nothing.
 */
struct local_server;

/* One connection's request; lives until local_reply_end, local_reply_error or the cancel call. */
struct local_request;

#define LOCAL_CONNECTIONS_MAX  64
#define LOCAL_REQUEST_LIMIT_S  5                  /* from accept to a whole request line */
#define LOCAL_OUTPUT_STALL_S   5                  /* a client that does not read is dropped */
#define LOCAL_OUTPUT_QUEUE_MAX (32 * 1024 * 1024) /* bytes waiting for one slow reader */

/* handle answers now or later, and must end every request it is given. */
struct local_verb {
	const char *name;
	bool privileged;
	void (*handle)(void *arg, struct local_request *request);
};

/*
 * Creates the directory (0755) when missing and listens at path with mode 0660. A socket that
 * nobody answers on is replaced. verbs are borrowed for the server's life. 0; -EADDRINUSE when
 * another daemon answers there; -EEXIST when path is no socket; -ENAMETOOLONG; or another -errno.
 */
int local_server_new(struct local_server **server, struct loop *loop, const char *path,
		     const struct local_verb *verbs, size_t count, void *arg);
/* Cancels every request, closes, removes the socket. Accepts NULL. */
void local_server_free(struct local_server *server);

/* The whole request object, for the local_*_decode functions. Borrowed, lives as the request. */
const json_t *local_request_body(const struct local_request *request);
/*
 * cancel(arg) is called once when the client goes away before the end; the request must not be
 * used after it, nor ended.
 */
void local_request_on_cancel(struct local_request *request, void (*cancel)(void *arg), void *arg);

/* A progress line; takes over fields. */
void local_reply_line(struct local_request *request, json_t *fields);
/* The final line of success; takes over fields, which may be NULL. The request is gone then. */
void local_reply_end(struct local_request *request, json_t *fields);
/* The final line of failure: what, why, what to do. The request is gone then. */
void local_reply_error(struct local_request *request, enum local_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
