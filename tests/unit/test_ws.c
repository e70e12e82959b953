#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/loop.h"
#include "io/ws.h"
#include "tests/support/netns.h"

/* Server and client on loopback in one loop; nothing leaves the machine. */

#define MESSAGE_MAX 65536
#define QUEUE_MAX   200000

struct end {
	struct fixture *f;
	struct ws_conn *conn;
	unsigned int opened;
	unsigned int messages;
	unsigned int closed;
	enum ws_close why;
	char detail[100];
	uint8_t last[MESSAGE_MAX];
	size_t last_len;
};

struct fixture {
	struct loop *loop;
	struct loop_timer deadline;
	struct ws_server *server;
	struct ws_client *client;
	struct end near; /* the client's */
	struct end far;  /* the server's */
	bool echo;
	bool late;
	unsigned int http_requests;
	char dir[64];
	char cert[96];
	char key[96];
};

static void on_opened(struct ws_conn *conn, void *arg)
{
	struct end *end = arg;

	end->conn = conn;
	end->opened++;
	loop_stop(end->f->loop);
}

static void on_message(struct ws_conn *conn, void *arg, const uint8_t *data, size_t len)
{
	struct end *end = arg;

	end->messages++;
	end->last_len = len;
	memcpy(end->last, data, len);
	if (end == &end->f->far && end->f->echo)
		assert_int_equal(ws_conn_send(conn, data, len), 0);
	else
		loop_stop(end->f->loop);
}

static void on_closed(struct ws_conn *conn, void *arg, enum ws_close why, const char *detail)
{
	struct end *end = arg;

	assert_true(conn == end->conn || !end->conn);
	end->conn = NULL;
	end->closed++;
	end->why = why;
	snprintf(end->detail, sizeof(end->detail), "%s", detail);
	loop_stop(end->f->loop);
}

static void on_late(void *arg, uint64_t now_ns)
{
	struct fixture *f = arg;

	(void)now_ns;
	f->late = true;
	loop_stop(f->loop);
}

/* Runs the loop until *counter reaches want; false after seconds without it. */
static bool wait_for(struct fixture *f, const unsigned int *counter, unsigned int want,
		     unsigned int seconds)
{
	f->late = false;
	loop_timer_set(&f->deadline, clock_now_ns() + seconds * NS_PER_S);
	while (*counter < want && !f->late)
		loop_run(f->loop);
	loop_timer_clear(&f->deadline);
	return *counter >= want;
}

static void on_http(void *arg, const struct ws_http_request *request,
		    struct ws_http_response *response)
{
	struct fixture *f = arg;

	f->http_requests++;
	if (strcmp(request->path, "/hello") != 0)
		return;
	response->status = 200;
	response->content_type = "text/plain";
	response->body = malloc(512);
	assert_non_null(response->body);
	response->body_len =
		(size_t)snprintf((char *)response->body, 512, "%s|%s|%s|%.*s", request->method,
				 request->query, request->authorization, (int)request->body_len,
				 request->body_len ? (const char *)request->body : "");
}

static void start_server(struct fixture *f, bool tls)
{
	const struct ws_protocol protocol = {
		.name = "test.1",
		.path = "/test",
		.message_max = MESSAGE_MAX,
		.queue = { .max = QUEUE_MAX },
		.handler = { on_opened, on_message, on_closed },
		.arg = &f->far,
	};
	struct ws_server_config config = {
		.cert_file = tls ? f->cert : NULL,
		.key_file = tls ? f->key : NULL,
		.protocols = &protocol,
		.protocol_count = 1,
		.connections_max = 8,
		.http = on_http,
		.http_arg = f,
	};

	assert_int_equal(endpoint_parse(&config.listen, "127.0.0.1:0"), 0);
	assert_int_equal(ws_server_new(&f->server, f->loop, &config), 0);
	assert_int_not_equal(ws_server_port(f->server), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	f->near.f = f;
	f->far.f = f;
	f->echo = true;
	strcpy(f->dir, "/tmp/test-ws-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->cert, sizeof(f->cert), "%s/cert.pem", f->dir);
	snprintf(f->key, sizeof(f->key), "%s/key.pem", f->dir);
	assert_int_equal(ws_make_certificate(f->cert, f->key, "127.0.0.1"), 0);
	assert_int_equal(loop_new(&f->loop), 0);
	loop_timer_init(&f->deadline, f->loop, on_late, f);
	assert_int_equal(ws_client_new(&f->client, f->loop), 0);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ws_client_free(f->client);
	ws_server_free(f->server);
	loop_free(f->loop);
	assert_true(f->near.closed <= 1);
	unlink(f->cert);
	unlink(f->key);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static struct ws_connect connect_to(struct fixture *f, uint16_t port)
{
	return (struct ws_connect){
		.host = "127.0.0.1",
		.port = port,
		.path = "/test",
		.protocol = "test.1",
		.message_max = MESSAGE_MAX,
		.queue = { .max = QUEUE_MAX },
		.handler = { on_opened, on_message, on_closed },
		.arg = &f->near,
	};
}

static void open_pair(struct fixture *f)
{
	struct ws_connect to = connect_to(f, ws_server_port(f->server));
	struct ws_conn *conn = ws_client_connect(f->client, &to);

	assert_non_null(conn);
	assert_int_equal(ws_conn_send(conn, (const uint8_t *)"x", 1), -ENOTCONN);
	assert_true(wait_for(f, &f->near.opened, 1, 5));
	assert_true(wait_for(f, &f->far.opened, 1, 5));
	assert_ptr_equal(f->near.conn, conn);
}

static void test_echo(void **state)
{
	struct fixture *f = *state;

	start_server(f, true);
	open_pair(f);
	for (unsigned int i = 1; i <= 20; i++) {
		uint8_t byte = (uint8_t)i;

		assert_int_equal(ws_conn_send(f->near.conn, &byte, 1), 0);
		assert_true(wait_for(f, &f->near.messages, i, 5));
		assert_int_equal(f->near.last_len, 1);
		assert_int_equal(f->near.last[0], i);
	}
	assert_int_equal(ws_conn_remote(f->near.conn).port, ws_server_port(f->server));
	assert_true(ws_conn_remote(f->far.conn).addr.bytes[0] == 127);
}

static void test_large_message_is_whole(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = malloc(MESSAGE_MAX);

	assert_non_null(data);
	for (size_t i = 0; i < MESSAGE_MAX; i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
	start_server(f, true);
	open_pair(f);
	assert_int_equal(ws_conn_send(f->near.conn, data, MESSAGE_MAX), 0);
	assert_true(wait_for(f, &f->near.messages, 1, 5));
	assert_int_equal(f->near.last_len, MESSAGE_MAX);
	assert_memory_equal(f->near.last, data, MESSAGE_MAX);
	assert_int_equal(ws_conn_send(f->near.conn, data, 70), 0);
	assert_true(wait_for(f, &f->near.messages, 2, 5));
	assert_int_equal(f->near.last_len, 70);
	free(data);
}

static void test_too_big_ends_connection(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = calloc(1, MESSAGE_MAX + 1);

	assert_non_null(data);
	start_server(f, true);
	open_pair(f);
	assert_int_equal(ws_conn_send(f->near.conn, data, MESSAGE_MAX + 1), 0);
	assert_true(wait_for(f, &f->far.closed, 1, 5));
	assert_int_equal(f->far.why, WS_CLOSE_TOO_BIG);
	assert_int_equal(f->far.messages, 0);
	assert_true(wait_for(f, &f->near.closed, 1, 5));
	free(data);
}

static void test_queue_is_bounded(void **state)
{
	struct fixture *f = *state;
	uint8_t data[1000] = { 0 };
	size_t accepted = 0;

	start_server(f, true);
	open_pair(f);
	/* What the socket does not take waits: nobody reads while the loop does not turn. */
	while (ws_conn_send(f->near.conn, data, sizeof(data)) == 0)
		accepted++;
	assert_true(accepted > QUEUE_MAX / sizeof(data));
	assert_int_equal(ws_conn_send(f->near.conn, data, 1), -ENOBUFS);
	assert_int_equal(ws_conn_queued(f->near.conn), QUEUE_MAX);
	assert_true(wait_for(f, &f->near.messages, (unsigned int)accepted, 5));
	assert_int_equal(ws_conn_queued(f->near.conn), 0);
	assert_int_equal(ws_conn_send(f->near.conn, data, 1), 0);
}

static void open_pair_with(struct fixture *f, struct ws_queue queue)
{
	struct ws_connect to = connect_to(f, ws_server_port(f->server));

	to.queue = queue;
	assert_non_null(ws_client_connect(f->client, &to));
	assert_true(wait_for(f, &f->near.opened, 1, 5));
	assert_true(wait_for(f, &f->far.opened, 1, 5));
}

static void test_what_waits_is_joined(void **state)
{
	struct fixture *f = *state;
	uint8_t data[1200];

	memset(data, 7, sizeof(data));
	start_server(f, true);
	open_pair_with(f, (struct ws_queue){ .max = 3000, .join_max = 1000 });
	assert_int_equal(ws_conn_send(f->near.conn, (const uint8_t *)"first", 5), 0);
	assert_int_equal(ws_conn_send(f->near.conn, (const uint8_t *)"second", 6), 0);
	assert_int_equal(ws_conn_queued(f->near.conn), 5 + 3 + 6);
	assert_true(wait_for(f, &f->near.messages, 1, 5));
	assert_int_equal(f->near.last_len, 5 + 3 + 6);
	assert_memory_equal(f->near.last, "first\0\0\0second", 14);
	/* What does not fit behind another begins a frame of its own, and so does a larger one. */
	assert_int_equal(ws_conn_send(f->near.conn, data, 500), 0);
	assert_int_equal(ws_conn_send(f->near.conn, data, 501), 0);
	assert_int_equal(ws_conn_send(f->near.conn, data, sizeof(data)), 0);
	assert_int_equal(ws_conn_send(f->near.conn, data, 1000), -ENOBUFS);
	assert_true(wait_for(f, &f->near.messages, 4, 5));
	assert_int_equal(f->near.last_len, sizeof(data));
}

static void test_late_messages_are_refused(void **state)
{
	struct fixture *f = *state;
	const unsigned int never = 0;
	uint8_t data[1400] = { 0 };
	struct ws_queue queue = { .max = QUEUE_MAX, .join_max = 8000, .late_ns = 50 * NS_PER_MS };

	f->echo = false;
	start_server(f, true);
	open_pair_with(f, queue);
	/* A network that takes nothing: what the kernel does not want waits, and grows old. */
	netns_run("ip link set lo down");
	for (int i = 0; i < 100; i++)
		assert_int_equal(ws_conn_offer(f->near.conn, data, sizeof(data)), 0);
	assert_false(wait_for(f, &never, 1, 1));
	assert_in_range(ws_conn_queued(f->near.conn), 1, QUEUE_MAX - 2 * sizeof(data));
	assert_int_equal(ws_conn_offer(f->near.conn, data, sizeof(data)), -ENOBUFS);
	assert_int_equal(ws_conn_send(f->near.conn, data, sizeof(data)), 0);
	netns_run("ip link set lo up");
	assert_true(wait_for(f, &f->far.messages, 20, 20));
	assert_int_equal(ws_conn_offer(f->near.conn, data, sizeof(data)), 0);
	/* Room is left for what may not be lost. */
	while (ws_conn_offer(f->near.conn, data, sizeof(data)) == 0)
		;
	assert_in_range(ws_conn_queued(f->near.conn), 0, QUEUE_MAX - QUEUE_MAX / 8);
	assert_int_equal(ws_conn_send(f->near.conn, data, sizeof(data)), 0);
}

static void test_close_sends_what_is_queued(void **state)
{
	struct fixture *f = *state;

	f->echo = false;
	start_server(f, true);
	open_pair(f);
	assert_int_equal(ws_conn_send(f->near.conn, (const uint8_t *)"bye", 3), 0);
	ws_conn_close(f->near.conn);
	assert_int_equal(f->near.closed, 0);
	assert_int_equal(ws_conn_send(f->near.conn, (const uint8_t *)"x", 1), -ENOTCONN);
	assert_true(wait_for(f, &f->far.closed, 1, 5));
	assert_int_equal(f->far.messages, 1);
	assert_int_equal(f->far.why, WS_CLOSE_PEER);
	assert_true(wait_for(f, &f->near.closed, 1, 5));
	assert_int_equal(f->near.why, WS_CLOSE_LOCAL);
}

static void test_unreachable(void **state)
{
	struct fixture *f = *state;
	struct ws_connect to;
	uint16_t port;

	start_server(f, true);
	port = ws_server_port(f->server);
	ws_server_free(f->server);
	f->server = NULL;
	to = connect_to(f, port);
	assert_non_null(ws_client_connect(f->client, &to));
	assert_int_equal(f->near.closed, 0);
	assert_true(wait_for(f, &f->near.closed, 1, 15));
	assert_int_equal(f->near.why, WS_CLOSE_UNREACHABLE);
	assert_true(f->near.detail[0] != 0);
}

static void test_wrong_path_and_protocol_are_refused(void **state)
{
	struct fixture *f = *state;
	struct ws_connect to;

	start_server(f, true);
	to = connect_to(f, ws_server_port(f->server));
	to.path = "/other";
	assert_non_null(ws_client_connect(f->client, &to));
	assert_true(wait_for(f, &f->near.closed, 1, 15));
	assert_int_equal(f->near.why, WS_CLOSE_UNREACHABLE);
	f->near.closed = 0;
	to.path = "/test";
	to.protocol = "other.1";
	assert_non_null(ws_client_connect(f->client, &to));
	assert_true(wait_for(f, &f->near.closed, 1, 15));
	assert_int_equal(f->near.why, WS_CLOSE_UNREACHABLE);
	assert_int_equal(f->far.opened, 0);
}

static void test_close_while_opening(void **state)
{
	struct fixture *f = *state;
	struct ws_connect to;

	start_server(f, true);
	to = connect_to(f, ws_server_port(f->server));
	ws_conn_close(ws_client_connect(f->client, &to));
	assert_int_equal(f->near.closed, 0);
	assert_true(wait_for(f, &f->near.closed, 1, 5));
	assert_int_equal(f->near.why, WS_CLOSE_LOCAL);
}

static void test_server_gone_is_told(void **state)
{
	struct fixture *f = *state;

	start_server(f, true);
	open_pair(f);
	ws_server_free(f->server);
	f->server = NULL;
	assert_int_equal(f->far.closed, 1);
	assert_true(wait_for(f, &f->near.closed, 1, 5));
}

static void test_bad_config(void **state)
{
	struct fixture *f = *state;
	struct ws_server_config config = { .cert_file = "/nonexistent/a", .key_file = f->key };
	struct ws_server *other = NULL;
	char text[32];

	start_server(f, true);
	snprintf(text, sizeof(text), "127.0.0.1:%u", ws_server_port(f->server));
	assert_int_equal(endpoint_parse(&config.listen, text), 0);
	assert_int_equal(ws_server_new(&other, f->loop, &config), -ENOENT);
	config.cert_file = f->cert;
	assert_int_equal(ws_server_new(&other, f->loop, &config), -EADDRINUSE);
	assert_null(other);
}

static void test_bad_proxy_text(void **state)
{
	struct fixture *f = *state;
	struct ws_connect to = connect_to(f, 1);

	to.http_proxy = "no-port";
	assert_non_null(ws_client_connect(f->client, &to));
	assert_true(wait_for(f, &f->near.closed, 1, 5));
	assert_int_equal(f->near.why, WS_CLOSE_UNREACHABLE);
	assert_string_equal(f->near.detail, "proxy is not host:port");
}

/* As one name of a proxy may lead to, and as many networks have. */
static void test_any_number_of_proxies(void **state)
{
	struct fixture *f = *state;
	struct ws_connect to = connect_to(f, 1);
	char proxy[32];
	unsigned int i;

	to.http_proxy = proxy;
	for (i = 1; i <= 20; i++) {
		snprintf(proxy, sizeof(proxy), "127.0.0.%u:1", i);
		f->near.closed = 0;
		assert_non_null(ws_client_connect(f->client, &to));
		assert_true(wait_for(f, &f->near.closed, 1, 5));
		assert_null(strstr(f->near.detail, "too many"));
	}
}

/* A plain socket in the same loop. */
struct raw {
	struct fixture *f;
	int fd;
	struct loop_watch *watch;
	char text[4096];
	size_t len;
	unsigned int ended;
};

static void on_raw(void *arg, int revents)
{
	struct raw *raw = arg;
	ssize_t n = read(raw->fd, raw->text + raw->len, sizeof(raw->text) - 1 - raw->len);

	(void)revents;
	if (n > 0) {
		raw->len += (size_t)n;
		raw->text[raw->len] = 0;
		return;
	}
	raw->ended++;
	loop_watch_free(raw->watch);
	raw->watch = NULL;
	loop_stop(raw->f->loop);
}

static void raw_open(struct raw *raw, struct fixture *f, const char *request)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(ws_server_port(f->server)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	memset(raw, 0, sizeof(*raw));
	raw->f = f;
	raw->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(raw->fd >= 0);
	assert_int_equal(connect(raw->fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(write(raw->fd, request, strlen(request)), strlen(request));
	assert_int_equal(loop_watch_new(&raw->watch, f->loop, raw->fd, UV_READABLE, on_raw, raw),
			 0);
}

static void raw_exchange(struct fixture *f, struct raw *raw, const char *request)
{
	raw_open(raw, f, request);
	assert_true(wait_for(f, &raw->ended, 1, 5));
	close(raw->fd);
}

static void test_plain_http(void **state)
{
	struct fixture *f = *state;
	struct raw raw;

	start_server(f, false);
	raw_exchange(f, &raw, "GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	assert_non_null(strstr(raw.text, "HTTP/1.1 404"));
	raw_exchange(f, &raw,
		     "GET /hello?a=1&b=2 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t\r\n"
		     "Connection: close\r\n\r\n");
	assert_non_null(strstr(raw.text, "HTTP/1.1 200"));
	assert_non_null(strstr(raw.text, "GET|a=1&b=2|Bearer t|"));
	raw_exchange(f, &raw,
		     "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
		     "Connection: close\r\n\r\n12345");
	assert_non_null(strstr(raw.text, "POST|||12345"));
	assert_int_equal(f->http_requests, 3);
}

static void test_http_body_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct raw raw;

	start_server(f, false);
	raw_exchange(f, &raw,
		     "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n");
	assert_non_null(strstr(raw.text, "HTTP/1.1 413"));
	/* The handler may say more about it, not undo it. */
	assert_int_equal(f->http_requests, 1);
}

static void test_garbage_ends(void **state)
{
	struct fixture *f = *state;
	struct raw raw;

	start_server(f, true);
	raw_exchange(f, &raw, "\x01\x02\x03 this is no TLS at all \r\n\r\n\r\n");
	assert_int_equal(f->far.opened, 0);
	open_pair(f);
}

static void test_connections_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct raw raw[9];

	start_server(f, true);
	for (size_t i = 0; i < 9; i++)
		raw_open(&raw[i], f, "");
	assert_true(wait_for(f, &raw[8].ended, 1, 5));
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(raw[i].ended, 0);
		loop_watch_free(raw[i].watch);
	}
	for (size_t i = 0; i < 9; i++)
		close(raw[i].fd);
}

static void test_slow_opening_ends(void **state)
{
	struct fixture *f = *state;
	struct raw raw;
	uint64_t begin_ns = clock_now_ns();

	start_server(f, true);
	raw_open(&raw, f, "");
	assert_true(wait_for(f, &raw.ended, 1, 14));
	assert_true(clock_now_ns() - begin_ns > 8 * NS_PER_S);
	close(raw.fd);
}

/* Reads the CONNECT, answers 200 and carries bytes both ways, on blocking sockets in a child. */
static pid_t run_proxy(uint16_t *port, uint16_t to_port, int *request_fd)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t at_len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int pipe_fds[2];
	pid_t pid;

	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 1), 0);
	getsockname(listener, (struct sockaddr *)&at, &at_len);
	*port = ntohs(at.sin_port);
	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	if (pid == 0) {
		char buffer[4096];
		struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
		ssize_t n;

		alarm(20);
		fds[0].fd = accept(listener, NULL, NULL);
		n = read(fds[0].fd, buffer, sizeof(buffer));
		if (write(pipe_fds[1], buffer, (size_t)n) != n)
			_exit(1);
		fds[1].fd = socket(AF_INET, SOCK_STREAM, 0);
		at.sin_port = htons(to_port);
		if (connect(fds[1].fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
		    write(fds[0].fd, "HTTP/1.1 200 OK\r\n\r\n", 19) != 19)
			_exit(1);
		while (poll(fds, 2, -1) > 0) {
			for (int i = 0; i < 2; i++) {
				if (!fds[i].revents)
					continue;
				n = read(fds[i].fd, buffer, sizeof(buffer));
				if (n <= 0 || write(fds[1 - i].fd, buffer, (size_t)n) != n)
					_exit(0);
			}
		}
		_exit(0);
	}
	close(listener);
	close(pipe_fds[1]);
	*request_fd = pipe_fds[0];
	return pid;
}

static void test_through_http_proxy(void **state)
{
	struct fixture *f = *state;
	struct ws_connect to;
	char proxy[64];
	char request[4096] = "";
	uint16_t port;
	int request_fd;
	int status;
	pid_t pid;

	start_server(f, true);
	pid = run_proxy(&port, ws_server_port(f->server), &request_fd);
	to = connect_to(f, 443);
	to.host = "coordinator.invalid"; /* only the proxy resolves it */
	snprintf(proxy, sizeof(proxy), "me:pw@127.0.0.1:%u", port);
	to.http_proxy = proxy;
	assert_non_null(ws_client_connect(f->client, &to));
	assert_true(wait_for(f, &f->near.opened, 1, 10));
	assert_true(read(request_fd, request, sizeof(request) - 1) > 0);
	assert_non_null(strstr(request, "CONNECT coordinator.invalid:443 HTTP/1.1"));
	assert_int_equal(ws_conn_send(f->near.conn, (const uint8_t *)"hi", 2), 0);
	assert_true(wait_for(f, &f->near.messages, 1, 5));
	ws_client_free(f->client);
	f->client = NULL;
	close(request_fd);
	waitpid(pid, &status, 0);
}

/* What a plain stream brings from a server that speaks HTTP. */
static void ask_raw(struct fixture *f, bool tls)
{
	static const char request[] = "GET /hello?raw HTTP/1.0\r\n\r\n";
	struct ws_connect to;

	start_server(f, tls);
	to = connect_to(f, ws_server_port(f->server));
	to.protocol = NULL;
	to.no_tls = !tls;
	assert_non_null(ws_client_connect(f->client, &to));
	assert_true(wait_for(f, &f->near.opened, 1, 5));
	assert_int_equal(ws_conn_send(f->near.conn, (const uint8_t *)request, sizeof(request) - 1),
			 0);
	assert_true(wait_for(f, &f->near.closed, 1, 5));
	assert_int_equal(f->http_requests, 1);
	/* It may have come in pieces; this is the end of it. */
	assert_non_null(memmem(f->near.last, f->near.last_len, "GET|raw|", 8));
}

static void test_plain_stream(void **state)
{
	ask_raw(*state, false);
}

static void test_plain_stream_with_tls(void **state)
{
	ask_raw(*state, true);
}

static void test_certificate_is_kept_and_private(void **state)
{
	struct fixture *f = *state;
	struct stat before;
	struct stat after;

	assert_int_equal(stat(f->key, &before), 0);
	assert_int_equal(before.st_mode & 0777, 0600);
	assert_int_equal(ws_make_certificate(f->cert, f->key, "other"), 0);
	assert_int_equal(stat(f->key, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(ws_make_certificate("/nonexistent/c", "/nonexistent/k", "x"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_echo, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large_message_is_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_big_ends_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_waits_is_joined, setup, teardown),
		cmocka_unit_test_setup_teardown(test_late_messages_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_sends_what_is_queued, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unreachable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_path_and_protocol_are_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_close_while_opening, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server_gone_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_config, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_proxy_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_any_number_of_proxies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_plain_http, setup, teardown),
		cmocka_unit_test_setup_teardown(test_plain_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(test_plain_stream_with_tls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_http_body_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_garbage_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_connections_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slow_opening_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_through_http_proxy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_certificate_is_kept_and_private, setup,
						teardown),
	};

	netns_enter();
	netns_run("ip link set lo up");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
