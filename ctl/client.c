#include "ctl/client.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/clock.h"
#include "ctl/report.h"

#define READ_STEP 65536

/* One exchange: the connection and what was read of it. */
struct exchange {
	int fd;
	uint64_t deadline_ns;
	char *data;
	size_t len;
	size_t size;
};

/* A connected descriptor, or -errno. */
static int connect_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static int report_connect(const struct client *client, int err)
{
	if (err == -EACCES || err == -EPERM)
		return report(LOCAL_DENIED,
			      "%s: permission denied: use sudo, or join the "
			      "socket's group to read",
			      client->socket);
	return report(LOCAL_UNREACHABLE,
		      "no daemon at %s: %s: start it with sudo systemctl start warren, or warrend",
		      client->socket, strerror(-err));
}

/* 0 or -errno. The line may hold a token and is wiped. */
static int send_request(int fd, json_t *request)
{
	size_t len = 0;
	size_t sent = 0;
	int err = 0;
	char *line = request ? local_api_line(request, &len) : NULL;

	json_decref(request);
	if (!line)
		return -EINVAL;
	while (!err && sent < len) {
		ssize_t n = send(fd, line + sent, len - sent, MSG_NOSIGNAL);

		if (n >= 0)
			sent += (size_t)n;
		else if (errno != EINTR)
			err = -errno;
	}
	sodium_memzero(line, len);
	free(line);
	/* A daemon that refused at once has closed already; what it said can still be read. */
	return err == -EPIPE || err == -ECONNRESET ? 0 : err;
}

static int grow(struct exchange *exchange)
{
	char *data;

	if (exchange->size - exchange->len >= READ_STEP)
		return 0;
	if (exchange->len > LOCAL_API_REPLY_MAX)
		return -EMSGSIZE;
	data = realloc(exchange->data, exchange->size * 2 + READ_STEP);
	if (!data)
		return -ENOMEM;
	exchange->data = data;
	exchange->size = exchange->size * 2 + READ_STEP;
	return 0;
}

/* 0 when bytes came; -ETIMEDOUT, -ECONNRESET at the end, or another -errno. */
static int read_some(struct exchange *exchange)
{
	struct pollfd pfd = { .fd = exchange->fd, .events = POLLIN };
	uint64_t now_ns = clock_now_ns();
	uint64_t left_ms;
	ssize_t n;
	int ready;
	int err = grow(exchange);

	if (err)
		return err;
	if (now_ns >= exchange->deadline_ns)
		return -ETIMEDOUT;
	left_ms = (exchange->deadline_ns - now_ns) / NS_PER_MS + 1;
	ready = poll(&pfd, 1, left_ms > 60000 ? 60000 : (int)left_ms);
	if (ready < 0)
		return errno == EINTR ? 0 : -errno;
	if (ready == 0)
		return 0;
	n = recv(exchange->fd, exchange->data + exchange->len, exchange->size - exchange->len, 0);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	exchange->len += (size_t)n;
	return n == 0 ? -ECONNRESET : 0;
}

/* The next line as a reply; *reply is the caller's to clear. 0 or -errno. */
static int next_reply(struct exchange *exchange, struct local_reply *reply)
{
	size_t looked = 0;
	int err;

	for (;;) {
		char *newline = exchange->len > looked ? memchr(exchange->data + looked, '\n',
								exchange->len - looked)
						       : NULL;

		if (newline) {
			size_t len = (size_t)(newline - exchange->data);

			err = local_reply_parse(reply, exchange->data, len);
			exchange->len -= len + 1;
			memmove(exchange->data, newline + 1, exchange->len);
			return err;
		}
		looked = exchange->len;
		err = read_some(exchange);
		if (err)
			return err;
	}
}

static int report_exchange(int err)
{
	if (err == -ETIMEDOUT)
		return CLIENT_SILENCE;
	if (err == -ECONNRESET)
		return report(LOCAL_UNREACHABLE, "the daemon ended while answering: see journalctl "
						 "-u warren");
	if (err == -EBADMSG)
		return report(LOCAL_FAILURE, "the daemon's answer makes no sense: are warren "
					     "and warrend of one version?");
	return report(LOCAL_FAILURE, "the daemon's answer: %s", strerror(-err));
}

/* Reads lines until the final one. */
static int read_answer(struct exchange *exchange, bool (*progress)(void *arg, const json_t *fields),
		       void *arg, json_t **out)
{
	for (;;) {
		struct local_reply reply;
		int code;
		bool more;
		int err = next_reply(exchange, &reply);

		if (err)
			return report_exchange(err);
		if (reply.kind == LOCAL_REPLY_SUCCESS) {
			*out = reply.body;
			return LOCAL_OK;
		}
		if (reply.kind == LOCAL_REPLY_FAILURE) {
			code = report((int)reply.code, "%s", reply.error);
			local_reply_clear(&reply);
			return code;
		}
		more = !progress || progress(arg, reply.body);
		local_reply_clear(&reply);
		if (!more)
			return LOCAL_OK;
	}
}

int client_call(const struct client *client, json_t *request, uint64_t timeout_ms,
		bool (*progress)(void *arg, const json_t *fields), void *arg, json_t **reply)
{
	struct exchange exchange = { .deadline_ns = clock_now_ns() + timeout_ms * NS_PER_MS };
	int code;
	int err;

	*reply = NULL;
	exchange.fd = connect_socket(client->socket);
	if (exchange.fd < 0) {
		json_decref(request);
		return report_connect(client, exchange.fd);
	}
	err = send_request(exchange.fd, request);
	code = err ? report_exchange(err) : read_answer(&exchange, progress, arg, reply);
	close(exchange.fd);
	free(exchange.data);
	return code;
}

/* The object that a verb without fields is answered with, under its own name. */
static int call_object(const struct client *client, const char *verb, json_t **object)
{
	json_t *reply = NULL;
	int code = client_call(client, local_plain_encode(verb), CLIENT_PATIENCE_MS, NULL, NULL,
			       &reply);

	if (code == CLIENT_SILENCE)
		code = report(LOCAL_TIMEOUT,
			      "the daemon did not answer within %d s: see journalctl -u warren",
			      CLIENT_PATIENCE_MS / 1000);
	if (code)
		return code;
	*object = json_incref(json_object_get(reply, verb));
	json_decref(reply);
	if (json_is_object(*object))
		return LOCAL_OK;
	json_decref(*object);
	return report_exchange(-EBADMSG);
}

int client_status(const struct client *client, json_t **status)
{
	return call_object(client, "status", status);
}

int client_routes(const struct client *client, json_t **routes)
{
	return call_object(client, "routes", routes);
}

/* What the system's resolver says of a name that is not the network's. */
static int resolve_elsewhere(const char *name, json_t *addresses)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *at;
	int err = getaddrinfo(name, NULL, &hints, &list);

	if (err)
		return report(LOCAL_FAILURE, "%s: no name of this network, nor elsewhere: %s", name,
			      gai_strerror(err));
	for (at = list; at; at = at->ai_next) {
		char text[ADDR_TEXT_SIZE];
		struct endpoint ep;

		if (endpoint_from_sockaddr(&ep, at->ai_addr) == 0)
			json_array_append_new(addresses, json_string(addr_format(text, &ep.addr)));
	}
	freeaddrinfo(list);
	return LOCAL_OK;
}

int client_resolve(const struct client *client, const char *name, json_t **answer)
{
	int code = client_call(client, local_resolve_encode(name), CLIENT_PATIENCE_MS, NULL, NULL,
			       answer);
	json_t *addresses;

	if (code == CLIENT_SILENCE)
		code = report(LOCAL_TIMEOUT,
			      "%s: the daemon did not answer within %d s: see journalctl -u warren",
			      name, CLIENT_PATIENCE_MS / 1000);
	addresses = json_object_get(*answer, "addresses");
	if (!code && json_is_array(addresses) && json_array_size(addresses) == 0)
		code = resolve_elsewhere(name, addresses);
	return code;
}

bool client_probe(const struct client *client)
{
	int fd = connect_socket(client->socket);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}
