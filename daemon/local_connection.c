#include "daemon/local_connection.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/loop.h"

#define GROUPS_MAX 65536 /* NGROUPS_MAX of Linux */

enum phase {
	PHASE_READING,  /* the request line is not whole yet */
	PHASE_HANDLING, /* a handler owes the final line */
	PHASE_CLOSING,  /* the final line waits to be sent */
};

struct local_request {
	struct local_connections *owner;
	struct local_request *next;
	struct local_request *previous;
	struct loop_watch *watch;
	struct loop_timer deadline; /* of the request, later of a client that does not read */
	enum phase phase;
	enum local_access access;
	bool broken; /* nothing can be sent any more; dropped in the next turn */
	int fd;
	json_t *body;
	char *input; /* LOCAL_API_REQUEST_MAX bytes */
	size_t input_len;
	char *output;
	size_t output_len;
	size_t output_size;
	void (*cancel)(void *arg);
	void *cancel_arg;
};

enum local_access local_access_of(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count,
				  uid_t daemon_uid, gid_t socket_group)
{
	size_t i;

	if (uid == 0 || uid == daemon_uid)
		return LOCAL_ACCESS_ALL;
	if (gid == socket_group)
		return LOCAL_ACCESS_READ;
	for (i = 0; i < group_count; i++) {
		if (groups[i] == socket_group)
			return LOCAL_ACCESS_READ;
	}
	return LOCAL_ACCESS_NONE;
}

/* The credentials are those of the moment the peer connected, kept by the kernel. */
static enum local_access access_of_socket(int fd, gid_t socket_group)
{
	enum local_access access = LOCAL_ACCESS_NONE;
	socklen_t size = sizeof(struct ucred);
	struct ucred cred;
	gid_t *groups = NULL;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size))
		return LOCAL_ACCESS_NONE;
	size = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) && errno == ERANGE &&
	    size <= GROUPS_MAX * sizeof(gid_t))
		groups = malloc(size);
	if (!groups || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size))
		size = 0;
	access = local_access_of(cred.uid, cred.gid, groups, size / sizeof(gid_t), geteuid(),
				 socket_group);
	free(groups);
	return access;
}

static void request_unlink(struct local_request *request)
{
	struct local_connections *owner = request->owner;

	if (request->previous)
		request->previous->next = request->next;
	else
		owner->first = request->next;
	if (request->next)
		request->next->previous = request->previous;
	owner->count--;
}

static void request_free(struct local_request *request)
{
	loop_timer_clear(&request->deadline);
	loop_watch_free(request->watch);
	request_unlink(request);
	close(request->fd);
	/* A join token may have passed through. */
	if (request->input)
		sodium_memzero(request->input, request->input_len);
	free(request->input);
	free(request->output);
	json_decref(request->body);
	free(request);
}

/* The client is gone, or is treated as if. */
static void request_drop(struct local_request *request)
{
	void (*cancel)(void *arg) = request->phase == PHASE_HANDLING ? request->cancel : NULL;
	void *cancel_arg = request->cancel_arg;

	/* First the request, so that nothing in cancel can use it. */
	request_free(request);
	if (cancel)
		cancel(cancel_arg);
}

static void output_clear(struct local_request *request)
{
	free(request->output);
	request->output = NULL;
	request->output_len = 0;
	request->output_size = 0;
}

/*
 * Sends what waits. A failure only marks the request: this runs inside calls of a handler, which
 * must not see its cancel function called from there.
 */
static void output_flush(struct local_request *request)
{
	size_t sent = 0;

	while (!request->broken && sent < request->output_len) {
		ssize_t n = send(request->fd, request->output + sent, request->output_len - sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			sent += (size_t)n;
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			request->broken = true;
	}
	if (request->broken || sent == request->output_len) {
		output_clear(request);
	} else if (sent) {
		memmove(request->output, request->output + sent, request->output_len - sent);
		request->output_len -= sent;
	}
}

/* What the loop should wake us for, and when the client's time is over. */
static void request_rearm(struct local_request *request)
{
	uint64_t now_ns = loop_now_ns(request->owner->loop);

	loop_watch_events(request->watch,
			  request->output_len ? UV_READABLE | UV_WRITABLE : UV_READABLE);
	if (request->broken)
		loop_timer_set(&request->deadline, now_ns);
	else if (request->output_len)
		loop_timer_set(&request->deadline, now_ns + LOCAL_OUTPUT_STALL_S * NS_PER_S);
	else if (request->phase != PHASE_READING)
		loop_timer_clear(&request->deadline);
}

static int output_append(struct local_request *request, const char *line, size_t len)
{
	size_t need = request->output_len + len;
	char *grown;

	if (need > LOCAL_OUTPUT_QUEUE_MAX)
		return -ENOBUFS;
	if (need > request->output_size) {
		grown = realloc(request->output, need);
		if (!grown)
			return -ENOMEM;
		request->output = grown;
		request->output_size = need;
	}
	memcpy(request->output + request->output_len, line, len);
	request->output_len = need;
	return 0;
}

/* Takes over object, which is NULL when it could not be made. */
static void request_send(struct local_request *request, json_t *object)
{
	size_t len = 0;
	char *line = object ? local_api_line(object, &len) : NULL;

	json_decref(object);
	if (!line || output_append(request, line, len))
		request->broken = true;
	free(line);
	output_flush(request);
}

/* The final line: the handler has nothing to do with the request from here on. */
static void request_finish(struct local_request *request, json_t *object)
{
	request->phase = PHASE_CLOSING;
	request_send(request, object);
	if (request->output_len)
		request_rearm(request);
	else
		request_free(request);
}

void local_reply_line(struct local_request *request, json_t *fields)
{
	request_send(request, local_progress_encode(fields));
	request_rearm(request);
}

void local_reply_end(struct local_request *request, json_t *fields)
{
	request_finish(request, local_success_encode(fields));
}

void local_reply_error(struct local_request *request, enum local_code code, const char *fmt, ...)
{
	char text[LOCAL_API_ERROR_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	request_finish(request, local_failure_encode(code, text));
}

const json_t *local_request_body(const struct local_request *request)
{
	return request->body;
}

void local_request_on_cancel(struct local_request *request, void (*cancel)(void *arg), void *arg)
{
	request->cancel = cancel;
	request->cancel_arg = arg;
}

static const struct local_verb *find_verb(const struct local_connections *connections,
					  const char *name)
{
	size_t i;

	for (i = 0; i < connections->verb_count; i++) {
		if (strcmp(connections->verbs[i].name, name) == 0)
			return &connections->verbs[i];
	}
	return NULL;
}

/* request may be gone afterwards. */
static void request_dispatch(struct local_request *request, size_t line_len)
{
	struct local_connections *owner = request->owner;
	const struct local_verb *verb;

	request->phase = PHASE_HANDLING;
	request_rearm(request);
	if (local_api_request_parse(&request->body, request->input, line_len)) {
		local_reply_error(request, LOCAL_USAGE,
				  "the request is not a JSON object with a verb; use warren");
		return;
	}
	sodium_memzero(request->input, request->input_len);
	verb = find_verb(owner, local_api_request_verb(request->body));
	if (!verb)
		local_reply_error(
			request, LOCAL_USAGE,
			"the daemon does not know %s: are warren and warrend of one version?",
			local_api_request_verb(request->body));
	else if (verb->privileged && request->access != LOCAL_ACCESS_ALL)
		local_reply_error(request, LOCAL_DENIED,
				  "%s is for root and the daemon's own user: use sudo", verb->name);
	else
		verb->handle(owner->arg, request);
}

/* request may be gone afterwards. */
static void request_read(struct local_request *request)
{
	size_t room = LOCAL_API_REQUEST_MAX - request->input_len;
	char *at = request->input + request->input_len;
	ssize_t n = recv(request->fd, at, room, MSG_DONTWAIT);
	char *newline;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* Nothing more may come after the request, not even an end while the answer is due. */
	if (n <= 0 || request->phase != PHASE_READING) {
		request_drop(request);
		return;
	}
	request->input_len += (size_t)n;
	newline = memchr(at, '\n', (size_t)n);
	if (newline && newline + 1 == request->input + request->input_len)
		request_dispatch(request, (size_t)(newline - request->input));
	else if (newline)
		local_reply_error(request, LOCAL_USAGE, "one request for each connection");
	else if (request->input_len == LOCAL_API_REQUEST_MAX)
		local_reply_error(request, LOCAL_USAGE, "the request is larger than %d bytes",
				  LOCAL_API_REQUEST_MAX);
}

static void on_ready(void *arg, int revents)
{
	struct local_request *request = arg;

	if (revents & UV_WRITABLE) {
		output_flush(request);
		if (request->phase == PHASE_CLOSING && !request->output_len) {
			request_free(request);
			return;
		}
		request_rearm(request);
	}
	if (revents & UV_READABLE)
		request_read(request);
}

static void on_deadline(void *arg, uint64_t now_ns)
{
	struct local_request *request = arg;

	(void)now_ns;
	if (request->phase == PHASE_READING)
		local_reply_error(request, LOCAL_TIMEOUT,
				  "no whole request came within %d s: send one JSON line",
				  LOCAL_REQUEST_LIMIT_S);
	else
		request_drop(request);
}

static struct local_request *request_new(struct local_connections *owner, int fd)
{
	struct local_request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->owner = owner;
	request->fd = fd;
	request->input = malloc(LOCAL_API_REQUEST_MAX);
	if (!request->input ||
	    loop_watch_new(&request->watch, owner->loop, fd, UV_READABLE, on_ready, request)) {
		free(request->input);
		free(request);
		return NULL;
	}
	loop_timer_init(&request->deadline, owner->loop, on_deadline, request);
	loop_timer_set(&request->deadline,
		       loop_now_ns(owner->loop) + LOCAL_REQUEST_LIMIT_S * NS_PER_S);
	request->next = owner->first;
	if (owner->first)
		owner->first->previous = request;
	owner->first = request;
	owner->count++;
	return request;
}

/* A last word to somebody who gets no connection. */
static void refuse(int fd, enum local_code code, const char *why)
{
	json_t *object = local_failure_encode(code, why);
	size_t len = 0;
	char *line = object ? local_api_line(object, &len) : NULL;

	if (line)
		(void)!send(fd, line, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	free(line);
	json_decref(object);
	close(fd);
}

void local_connections_add(struct local_connections *connections, int fd)
{
	enum local_access access = access_of_socket(fd, connections->group);
	struct local_request *request;

	if (access == LOCAL_ACCESS_NONE) {
		refuse(fd, LOCAL_DENIED, "this user may not ask the daemon: use sudo");
		return;
	}
	if (connections->count >= LOCAL_CONNECTIONS_MAX) {
		refuse(fd, LOCAL_FAILURE, "the daemon has too many connections: try again");
		return;
	}
	request = request_new(connections, fd);
	if (!request)
		refuse(fd, LOCAL_FAILURE, "the daemon is out of memory: try again");
	else
		request->access = access;
}

void local_connections_clear(struct local_connections *connections)
{
	while (connections->first)
		request_drop(connections->first);
}
