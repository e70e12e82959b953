#include "io/ws_conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "io/tls_layer.h"

#define TLS_RECORD_MAX 16384 /* RFC 8446 section 5.1 */
#define WRITE_NOW_MAX  4096  /* bytes; larger ones wait for their turn */

struct ws_message {
	struct ws_message *next;
	uint64_t queued_ns;
	size_t len;
	size_t cap;
	uint8_t data[]; /* LWS_PRE bytes for libwebsockets' header, then the message */
};

/*
 * Closes from outside of libwebsockets' callbacks, because a callback's -1 ends the socket on libuv
 * before the close frame went. The first call starts the closing handshake, the second ends it.
 */
static void kill_wsi(struct ws_conn *conn)
{
	struct lws *wsi = conn->wsi;

	loop_timer_set(&conn->timer, loop_now_ns(conn->loop) + WS_FLUSH_DEADLINE_S * NS_PER_S);
	if (conn->opened && !conn->raw)
		lws_close_reason(wsi, conn->status, NULL, 0);
	/* So that libwebsockets looks at its own deadlines. */
	lws_cancel_service(lws_get_context(wsi));
	lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
}

static void on_deadline(void *arg, uint64_t now_ns)
{
	struct ws_conn *conn = arg;

	(void)now_ns;
	switch (conn->state) {
	case WS_OPENING:
		ws_conn_end(conn, WS_CLOSE_SLOW, "opening took too long");
		break;
	case WS_OPEN:
		ws_conn_end(conn, WS_CLOSE_SLOW, "the peer does not read");
		break;
	case WS_CLOSING:
		ws_conn_end(conn, WS_CLOSE_LOCAL, "");
		break;
	case WS_ENDED:
		break;
	}
	ws_context_touch(conn->context);
	if (conn->wsi)
		kill_wsi(conn);
	else if (conn->orphaned)
		conn->orphaned(conn);
}

static void on_idle(void *arg, uint64_t now_ns)
{
	struct ws_conn *conn = arg;

	if (conn->state != WS_OPEN)
		return;
	if (now_ns >= conn->heard_ns + WS_SILENCE_MAX_S * NS_PER_S) {
		ws_conn_end(conn, WS_CLOSE_LOST, "the peer does not answer");
		ws_context_touch(conn->context);
		kill_wsi(conn);
		return;
	}
	if (now_ns < conn->heard_ns + WS_PING_S * NS_PER_S) {
		loop_timer_set(&conn->idle, conn->heard_ns + WS_PING_S * NS_PER_S);
		return;
	}
	conn->ping_due = true;
	loop_timer_set(&conn->idle, conn->heard_ns + WS_SILENCE_MAX_S * NS_PER_S);
	lws_callback_on_writable(conn->wsi);
	ws_context_touch(conn->context);
}

void ws_conn_pong(struct ws_conn *conn)
{
	conn->heard_ns = loop_now_ns(conn->loop);
}

void ws_conn_init(struct ws_conn *conn, struct ws_context *context, struct loop *loop)
{
	conn->context = context;
	conn->loop = loop;
	conn->why = WS_CLOSE_LOST;
	conn->status = LWS_CLOSE_STATUS_NORMAL;
	loop_timer_init(&conn->timer, loop, on_deadline, conn);
	loop_timer_set(&conn->timer, loop_now_ns(loop) + WS_OPENING_DEADLINE_S * NS_PER_S);
}

/* Ends in the next turn; see kill_wsi. */
static int refuse(struct ws_conn *conn, enum ws_close why, enum lws_close_status status,
		  const char *detail)
{
	ws_conn_end(conn, why, detail);
	conn->status = status;
	loop_timer_set(&conn->timer, loop_now_ns(conn->loop));
	return 0;
}

static void pop_message(struct ws_conn *conn)
{
	struct ws_message *message = conn->head;

	conn->head = message->next;
	if (!conn->head)
		conn->last = NULL;
	conn->queued -= message->len;
	free(message);
}

void ws_conn_trust(struct ws_conn *conn)
{
	if (conn->strangers)
		ws_strangers_remove(conn->strangers, &conn->stranger);
}

void ws_conn_give_way(struct ws_conn *conn)
{
	refuse(conn, WS_CLOSE_SLOW, LWS_CLOSE_STATUS_POLICY_VIOLATION, "others need the room");
}

void ws_conn_clear(struct ws_conn *conn)
{
	ws_conn_trust(conn);
	loop_timer_clear(&conn->timer);
	loop_timer_clear(&conn->idle);
	while (conn->head)
		pop_message(conn);
	free(conn->rx);
	conn->rx = NULL;
	tls_layer_free(conn->tls);
	conn->tls = NULL;
}

void ws_conn_end(struct ws_conn *conn, enum ws_close why, const char *detail)
{
	if (conn->state == WS_ENDED)
		return;
	conn->state = WS_ENDED;
	conn->why = why;
	snprintf(conn->detail, sizeof(conn->detail), "%s", detail);
}

void ws_conn_tell_closed(struct ws_conn *conn)
{
	struct ws_handler handler = conn->handler;

	loop_timer_clear(&conn->timer);
	loop_timer_clear(&conn->idle);
	if (conn->state == WS_CLOSING)
		ws_conn_end(conn, WS_CLOSE_LOCAL, "");
	ws_conn_end(conn, WS_CLOSE_LOST, "connection lost");
	conn->wsi = NULL;
	memset(&conn->handler, 0, sizeof(conn->handler));
	if (handler.closed)
		handler.closed(conn, conn->arg, conn->why, conn->detail);
}

/* What a network that is gone has swallowed is not waited for. */
static void bound_silence(const struct ws_conn *conn, int fd)
{
	unsigned int timeout_ms = (conn->lost_s ? conn->lost_s : WS_UNACKED_MAX_S) * 1000;
	int idle_s = conn->lost_s > 2 ? (int)conn->lost_s - 2 : 1;
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
	if (!conn->lost_s)
		return;
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &one, sizeof(one));
}

void ws_conn_open(struct ws_conn *conn, struct lws *wsi)
{
	int unsent_max = WS_UNSENT_MAX;

	conn->wsi = wsi;
	if (conn->state != WS_OPENING)
		return;
	conn->state = WS_OPEN;
	conn->opened = true;
	loop_timer_clear(&conn->timer);
	if (!conn->raw) {
		loop_timer_init(&conn->idle, conn->loop, on_idle, conn);
		ws_conn_pong(conn);
		loop_timer_set(&conn->idle, conn->heard_ns + WS_PING_S * NS_PER_S);
	}
	setsockopt(lws_get_socket_fd(wsi), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_max,
		   sizeof(unsent_max));
	bound_silence(conn, lws_get_socket_fd(wsi));
	if (conn->handler.opened)
		conn->handler.opened(conn, conn->arg);
}

static int append(struct ws_conn *conn, const uint8_t *data, size_t len)
{
	size_t need = conn->rx_len + len;

	if (need > conn->rx_cap) {
		size_t cap = need * 2 < conn->message_max ? need * 2 : conn->message_max;
		uint8_t *rx = realloc(conn->rx, cap);

		if (!rx)
			return -ENOMEM;
		conn->rx = rx;
		conn->rx_cap = cap;
	}
	memcpy(conn->rx + conn->rx_len, data, len);
	conn->rx_len = need;
	return 0;
}

static void deliver(struct ws_conn *conn, const uint8_t *data, size_t len)
{
	if (conn->state == WS_OPEN && conn->handler.message)
		conn->handler.message(conn, conn->arg, data, len);
}

int ws_conn_connected_raw(struct ws_conn *conn, struct lws *wsi, const char *host)
{
	if (!host) {
		ws_conn_open(conn, wsi);
		return 0;
	}
	conn->wsi = wsi;
	conn->tls = tls_layer_new(host);
	if (!conn->tls || tls_layer_receive(conn->tls, NULL, 0) < 0)
		return -1;
	lws_callback_on_writable(wsi);
	return 0;
}

int ws_conn_receive_raw(struct ws_conn *conn, const uint8_t *data, size_t len)
{
	uint8_t plain[TLS_RECORD_MAX];
	int got = 0;

	if (!conn->tls) {
		deliver(conn, data, len);
		return 0;
	}
	if (tls_layer_receive(conn->tls, data, len) < 0)
		return -1;
	if (tls_layer_ready(conn->tls) && conn->state == WS_OPENING)
		ws_conn_open(conn, conn->wsi);
	while (conn->opened && (got = tls_layer_read(conn->tls, plain, sizeof(plain))) > 0)
		deliver(conn, plain, (size_t)got);
	if (tls_layer_has_output(conn->tls))
		lws_callback_on_writable(conn->wsi);
	return got < 0 ? -1 : 0;
}

/* Sends what TLS has made, as far as the socket takes it. */
static int flush_tls(struct ws_conn *conn)
{
	uint8_t buf[LWS_PRE + TLS_RECORD_MAX];
	size_t len;

	while (!lws_send_pipe_choked(conn->wsi) &&
	       (len = tls_layer_output(conn->tls, buf + LWS_PRE, TLS_RECORD_MAX)))
		if (lws_write(conn->wsi, buf + LWS_PRE, len, LWS_WRITE_RAW) < 0)
			return -1;
	return 0;
}

static int write_message(struct ws_conn *conn, struct ws_message *message)
{
	if (!conn->tls)
		return lws_write(conn->wsi, message->data + LWS_PRE, message->len,
				 conn->raw ? LWS_WRITE_RAW : LWS_WRITE_BINARY);
	if (tls_layer_write(conn->tls, message->data + LWS_PRE, message->len) < 0)
		return -1;
	return flush_tls(conn);
}

static bool waits(const struct ws_conn *conn)
{
	return conn->head || (conn->tls && tls_layer_has_output(conn->tls));
}

int ws_conn_receive(struct ws_conn *conn, const uint8_t *data, size_t len)
{
	bool last =
		lws_is_final_fragment(conn->wsi) && lws_remaining_packet_payload(conn->wsi) == 0;

	if (conn->state == WS_ENDED)
		return 0;
	conn->heard_ns = loop_now_ns(conn->loop);
	if (!lws_frame_is_binary(conn->wsi))
		return refuse(conn, WS_CLOSE_LOST, LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE,
			      "text where binary was due");
	if (conn->rx_len + len > conn->message_max)
		return refuse(conn, WS_CLOSE_TOO_BIG, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE,
			      "message too big");
	if (last && !conn->rx_len) {
		deliver(conn, data, len);
		return 0;
	}
	if (len && append(conn, data, len) < 0)
		return refuse(conn, WS_CLOSE_LOST, LWS_CLOSE_STATUS_UNEXPECTED_CONDITION,
			      "out of memory");
	if (!last)
		return 0;
	deliver(conn, conn->rx, conn->rx_len);
	/* An idle connection keeps no buffer. */
	free(conn->rx);
	conn->rx = NULL;
	conn->rx_len = 0;
	conn->rx_cap = 0;
	return 0;
}

static int write_ping(struct ws_conn *conn)
{
	uint8_t nothing[LWS_PRE];

	conn->ping_due = false;
	return lws_write(conn->wsi, nothing + LWS_PRE, 0, LWS_WRITE_PING);
}

int ws_conn_writable(struct ws_conn *conn)
{
	if (conn->tls && flush_tls(conn) < 0)
		return -1;
	if (conn->ping_due && write_ping(conn) < 0)
		return -1;
	while (conn->head && !lws_send_pipe_choked(conn->wsi)) {
		struct ws_message *message = conn->head;

		if (write_message(conn, message) < 0) {
			ws_conn_end(conn, WS_CLOSE_LOST, "write failed");
			return -1;
		}
		/* What the socket did not take at once, libwebsockets keeps. */
		pop_message(conn);
		if (conn->state == WS_OPEN)
			loop_timer_set(&conn->timer,
				       loop_now_ns(conn->loop) + WS_STALL_DEADLINE_S * NS_PER_S);
	}
	if (waits(conn)) {
		lws_callback_on_writable(conn->wsi);
		return 0;
	}
	if (conn->state == WS_CLOSING) {
		loop_timer_set(&conn->timer, loop_now_ns(conn->loop));
		return 0;
	}
	if (conn->state == WS_OPEN)
		loop_timer_clear(&conn->timer);
	return 0;
}

void ws_conn_peer_closes(struct ws_conn *conn)
{
	if (conn->state == WS_OPEN)
		ws_conn_end(conn, WS_CLOSE_PEER, "closed by the peer");
}

static bool has_room(const struct ws_conn *conn, size_t len, size_t max)
{
	return len <= max && conn->queued <= max - len;
}

/* Behind the last message that waits, when both fit into one frame. */
static bool join(struct ws_conn *conn, const uint8_t *data, size_t len)
{
	struct ws_message *last = conn->last;
	size_t padding, at;

	if (!last)
		return false;
	padding = -last->len & 3;
	at = last->len + padding;
	if (at > last->cap || len > last->cap - at)
		return false;
	memset(last->data + LWS_PRE + last->len, 0, padding);
	memcpy(last->data + LWS_PRE + at, data, len);
	last->len = at + len;
	conn->queued += padding + len;
	return true;
}

static int queue_message(struct ws_conn *conn, const uint8_t *data, size_t len)
{
	uint64_t now_ns = loop_now_ns(conn->loop);
	size_t cap = len < conn->queue.join_max ? conn->queue.join_max : len;
	struct ws_message *message = malloc(sizeof(*message) + LWS_PRE + cap);

	if (!message)
		return -ENOMEM;
	message->next = NULL;
	message->queued_ns = now_ns;
	message->len = len;
	/* Without joining there is no room for padding either. */
	message->cap = conn->queue.join_max ? cap : 0;
	memcpy(message->data + LWS_PRE, data, len);
	if (conn->last)
		conn->last->next = message;
	else
		conn->head = message;
	conn->last = message;
	conn->queued += len;
	if (!timer_node_queued(&conn->timer.node))
		loop_timer_set(&conn->timer, now_ns + WS_STALL_DEADLINE_S * NS_PER_S);
	lws_callback_on_writable(conn->wsi);
	ws_context_touch(conn->context);
	return 0;
}

/* Nothing waits, the socket has room, and there is nothing to join with. */
static bool may_write_now(const struct ws_conn *conn, size_t len)
{
	return !conn->raw && !conn->head && !conn->ping_due && !conn->queue.join_max &&
	       len <= WRITE_NOW_MAX && !lws_send_pipe_choked(conn->wsi);
}

/*
 * At once, which spares two changes of what is polled for, a turn of the loop and two allocations.
 * What the socket does not take libwebsockets keeps, and is choked then.
 */
static int write_now(struct ws_conn *conn, const uint8_t *data, size_t len)
{
	uint8_t room[LWS_PRE + WRITE_NOW_MAX];

	memcpy(room + LWS_PRE, data, len);
	ws_context_touch(conn->context);
	if (lws_write(conn->wsi, room + LWS_PRE, len, LWS_WRITE_BINARY) >= 0)
		return 0;
	refuse(conn, WS_CLOSE_LOST, LWS_CLOSE_STATUS_UNEXPECTED_CONDITION, "write failed");
	return -ENOTCONN;
}

int ws_conn_send(struct ws_conn *conn, const uint8_t *data, size_t len)
{
	if (conn->state != WS_OPEN || !conn->wsi)
		return -ENOTCONN;
	if (!has_room(conn, len, conn->queue.max))
		return -ENOBUFS;
	if (may_write_now(conn, len))
		return write_now(conn, data, len);
	if (join(conn, data, len))
		return 0;
	return queue_message(conn, data, len);
}

int ws_conn_offer(struct ws_conn *conn, const uint8_t *data, size_t len)
{
	const struct ws_queue *queue = &conn->queue;

	if (queue->late_ns && conn->head &&
	    loop_now_ns(conn->loop) - conn->head->queued_ns > queue->late_ns)
		return -ENOBUFS;
	if (!has_room(conn, len, queue->max - queue->max / 8))
		return -ENOBUFS;
	return ws_conn_send(conn, data, len);
}

size_t ws_conn_queued(const struct ws_conn *conn)
{
	return conn->queued;
}

void ws_conn_close(struct ws_conn *conn)
{
	uint64_t now_ns = loop_now_ns(conn->loop);

	if (conn->state != WS_OPEN && conn->state != WS_OPENING)
		return;
	if (conn->state == WS_OPENING) {
		/* In the next turn, because the caller does not expect closed() before we return.
		 */
		conn->state = WS_CLOSING;
		loop_timer_set(&conn->timer, now_ns);
		return;
	}
	conn->state = WS_CLOSING;
	loop_timer_set(&conn->timer, now_ns + WS_FLUSH_DEADLINE_S * NS_PER_S);
	lws_callback_on_writable(conn->wsi);
	ws_context_touch(conn->context);
}

void ws_conn_set_user(struct ws_conn *conn, void *user)
{
	conn->user = user;
}

void *ws_conn_user(const struct ws_conn *conn)
{
	return conn->user;
}

struct endpoint ws_conn_remote(const struct ws_conn *conn)
{
	return conn->remote;
}

int ws_conn_local(const struct ws_conn *conn, struct ip_addr *local)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct endpoint endpoint;
	int err;

	if (!conn->wsi)
		return -ENOTCONN;
	if (getsockname(lws_get_socket_fd(conn->wsi), (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	err = endpoint_from_sockaddr(&endpoint, (struct sockaddr *)&ss);
	if (err == 0)
		*local = endpoint.addr;
	return err;
}
