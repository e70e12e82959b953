#include "tests/support/load_link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "proto/control_channel.h"

/* RFC 6455 section 5.2 */
#define FRAME_HEAD_MAX 14
#define FRAME_FINAL    0x80
#define FRAME_BINARY   0x02
#define FRAME_CLOSE    0x08
#define FRAME_PING     0x09
#define FRAME_PONG     0x0a
#define FRAME_MASKED   0x80
#define READ_SIZE      (16 + LOAD_LINK_MESSAGE_MAX)

static const char upgrade[] = "GET " CONTROL_CHANNEL_PATH " HTTP/1.1\r\n"
			      "Host: coordinator\r\n"
			      "Upgrade: websocket\r\n"
			      "Connection: Upgrade\r\n"
			      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
			      "Sec-WebSocket-Version: 13\r\n"
			      "Sec-WebSocket-Protocol: " CONTROL_CHANNEL_PROTOCOL "\r\n\r\n";

SSL_CTX *load_link_tls(void)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

	if (!tls)
		return NULL;
	SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	return tls;
}

static int watch(struct load_link *link, int operation, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = link->arg };

	if (operation == EPOLL_CTL_MOD && events == link->events)
		return 0;
	link->events = events;
	return epoll_ctl(link->epoll, operation, link->fd, &event) < 0 ? -errno : 0;
}

static int watch_again(struct load_link *link, bool wants_write)
{
	return watch(link, EPOLL_CTL_MOD,
		     (link->deaf ? (uint32_t)EPOLLRDHUP : (uint32_t)EPOLLIN) |
			     (wants_write ? (uint32_t)EPOLLOUT : 0u));
}

int load_link_open(struct load_link *link, SSL_CTX *tls, int epoll,
		   const struct sockaddr_storage *to, socklen_t to_len)
{
	int one = 1;
	int err;

	link->fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (link->fd < 0)
		return -errno;
	link->epoll = epoll;
	link->state = LOAD_LINK_CONNECTING;
	setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	link->ssl = SSL_new(tls);
	if (!link->ssl || !SSL_set_fd(link->ssl, link->fd)) {
		load_link_close(link);
		return -ENOMEM;
	}
	if (connect(link->fd, (const struct sockaddr *)to, to_len) < 0 && errno != EINPROGRESS) {
		err = -errno;
		load_link_close(link);
		return err;
	}
	err = watch(link, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
	if (err < 0)
		load_link_close(link);
	return err;
}

void load_link_close(struct load_link *link)
{
	if (link->state == LOAD_LINK_CLOSED)
		return;
	SSL_free(link->ssl);
	close(link->fd);
	free(link->out);
	free(link->in);
	link->ssl = NULL;
	link->out = link->in = NULL;
	link->out_len = link->out_cap = link->in_len = 0;
	link->events = 0;
	link->deaf = false;
	link->state = LOAD_LINK_CLOSED;
}

/* 0: done, 1: once the descriptor is ready, negative: broken. */
static int tls_result(struct load_link *link, int result)
{
	switch (SSL_get_error(link->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		watch_again(link, false);
		return 1;
	case SSL_ERROR_WANT_WRITE:
		watch_again(link, true);
		return 1;
	default:
		return -EPIPE;
	}
}

static int flush(struct load_link *link)
{
	size_t at = 0;

	while (at < link->out_len) {
		int done = SSL_write(link->ssl, link->out + at, (int)(link->out_len - at));

		if (done <= 0) {
			int result = tls_result(link, done);

			if (result < 0)
				return result;
			break;
		}
		at += (size_t)done;
	}
	link->out_len -= at;
	if (link->out_len) {
		memmove(link->out, link->out + at, link->out_len);
		return 0;
	}
	free(link->out);
	link->out = NULL;
	link->out_cap = 0;
	return watch_again(link, false);
}

static uint8_t *reserve(struct load_link *link, size_t len)
{
	size_t need = link->out_len + len;

	if (need > LOAD_LINK_QUEUE_MAX)
		return NULL;
	if (need > link->out_cap) {
		uint8_t *out = realloc(link->out, need);

		if (!out)
			return NULL;
		link->out = out;
		link->out_cap = need;
	}
	return link->out + link->out_len;
}

int load_link_send_raw(struct load_link *link, const void *data, size_t len)
{
	uint8_t *out;

	if (link->state < LOAD_LINK_UPGRADE)
		return -ENOTCONN;
	out = reserve(link, len);
	if (!out)
		return -ENOBUFS;
	memcpy(out, data, len);
	link->out_len += len;
	return flush(link);
}

/* Masked by RFC 6455 section 5.3, with a mask that differs, which is all that a test needs. */
static int send_frame(struct load_link *link, uint8_t opcode, const uint8_t *data, size_t len)
{
	static uint32_t seed = 1;
	uint8_t *out;
	uint8_t mask[4];
	size_t head = 2;

	if (link->state != LOAD_LINK_OPEN)
		return -ENOTCONN;
	out = reserve(link, FRAME_HEAD_MAX + len);
	if (!out)
		return -ENOBUFS;
	seed = seed * 1664525u + 1013904223u;
	memcpy(mask, &seed, sizeof(mask));
	out[0] = FRAME_FINAL | opcode;
	if (len < 126) {
		out[1] = (uint8_t)(FRAME_MASKED | len);
	} else {
		out[1] = FRAME_MASKED | 126;
		out[2] = (uint8_t)(len >> 8);
		out[3] = (uint8_t)len;
		head = 4;
	}
	memcpy(out + head, mask, sizeof(mask));
	head += sizeof(mask);
	for (size_t i = 0; i < len; i++)
		out[head + i] = data[i] ^ mask[i & 3];
	link->out_len += head + len;
	return flush(link);
}

int load_link_send(struct load_link *link, const uint8_t *data, size_t len)
{
	return len > LOAD_LINK_MESSAGE_MAX ? -ENOBUFS : send_frame(link, FRAME_BINARY, data, len);
}

void load_link_stop_reading(struct load_link *link)
{
	link->deaf = true;
	watch_again(link, link->out_len > 0);
}

static int take_frame(struct load_link *link, uint8_t opcode, uint8_t *data, size_t len)
{
	switch (opcode) {
	case FRAME_FINAL | FRAME_BINARY:
		link->message(link->arg, data, len);
		return link->state == LOAD_LINK_OPEN ? 0 : -EPIPE;
	case FRAME_FINAL | FRAME_PING:
		return send_frame(link, FRAME_PONG, data, len);
	case FRAME_FINAL | FRAME_PONG:
		return 0;
	case FRAME_FINAL | FRAME_CLOSE:
		return -EPIPE;
	default:
		return -EPROTO;
	}
}

/* Takes whole frames; *used says how many bytes they were. Servers do not mask. */
static int take_frames(struct load_link *link, uint8_t *data, size_t len, size_t *used)
{
	*used = 0;
	while (len - *used >= 2) {
		uint8_t *frame = data + *used;
		size_t head = 2;
		size_t size = frame[1];
		int err;

		if (size == 126) {
			head = 4;
			if (len - *used < head)
				return 0;
			size = (size_t)frame[2] << 8 | frame[3];
		} else if (size > 126) {
			return -EMSGSIZE;
		}
		if (len - *used < head + size)
			return 0;
		*used += head + size;
		err = take_frame(link, frame[0], frame + head, size);
		if (err < 0)
			return err;
	}
	return 0;
}

static int take_upgrade(struct load_link *link, uint8_t *data, size_t len, size_t *used)
{
	uint8_t *end = memmem(data, len, "\r\n\r\n", 4);

	*used = 0;
	if (!end)
		return 0;
	if (len < 12 || memcmp(data, "HTTP/1.1 101", 12) != 0)
		return -EPROTO;
	*used = (size_t)(end - data) + 4;
	link->state = LOAD_LINK_OPEN;
	link->opened(link->arg);
	return link->state == LOAD_LINK_OPEN ? 0 : -EPIPE;
}

static int take(struct load_link *link, uint8_t *data, size_t len)
{
	size_t used = 0;
	size_t more = 0;
	int err = 0;

	if (link->state == LOAD_LINK_UPGRADE)
		err = take_upgrade(link, data, len, &used);
	if (err == 0 && link->state == LOAD_LINK_OPEN) {
		err = take_frames(link, data + used, len - used, &more);
		used += more;
	}
	if (err < 0)
		return err;
	free(link->in);
	link->in = NULL;
	link->in_len = len - used;
	if (!link->in_len)
		return 0;
	link->in = malloc(link->in_len);
	if (!link->in)
		return -ENOMEM;
	memcpy(link->in, data + used, link->in_len);
	return 0;
}

static int receive(struct load_link *link)
{
	static uint8_t room[2 * READ_SIZE];

	while (!link->deaf) {
		size_t before = link->in_len;
		int got;
		int err;

		if (before > READ_SIZE)
			return -EMSGSIZE;
		if (before)
			memcpy(room, link->in, before);
		got = SSL_read(link->ssl, room + before, READ_SIZE);
		if (got <= 0) {
			err = tls_result(link, got);
			return err < 0 ? err : 0;
		}
		err = take(link, room, before + (size_t)got);
		if (err < 0)
			return err;
	}
	return 0;
}

int load_link_ready(struct load_link *link, uint32_t events)
{
	int result;

	if (link->deaf && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
		return -EPIPE;
	if (link->state == LOAD_LINK_CONNECTING) {
		socklen_t len = sizeof(result);

		if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &result, &len) < 0 || result)
			return -ECONNREFUSED;
		link->state = LOAD_LINK_TLS;
	}
	if (link->state == LOAD_LINK_TLS) {
		result = SSL_connect(link->ssl);
		if (result != 1) {
			result = tls_result(link, result);
			return result < 0 ? result : 0;
		}
		link->state = LOAD_LINK_UPGRADE;
		result = load_link_send_raw(link, upgrade, sizeof(upgrade) - 1);
		if (result < 0)
			return result;
	}
	if (link->out_len) {
		result = flush(link);
		if (result < 0)
			return result;
	}
	return receive(link);
}
