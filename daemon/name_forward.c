#include "daemon/name_forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/loop.h"
#include "io/udp.h"
#include "proto/names.h"

#define LENGTH_SIZE 2 /* before a message over TCP (RFC 1035, 4.2.2) */

/* A question's way to the server that is asked just now. */
struct asking {
	struct name_forward *forward;
	name_forward_done *done;
	void *arg;
	uint32_t fwmark;
	int fd;
	struct loop_watch *watch; /* NULL: no socket */
	struct stream {
		size_t sent;
		size_t received;
		size_t out_len;
		uint8_t out[LENGTH_SIZE + FORWARDER_QUERY_MAX];
		uint8_t in[LENGTH_SIZE + NAMES_MESSAGE_MAX];
	} * stream; /* over TCP */
};

struct name_forward {
	struct loop *loop;
	struct loop_timer timer;
	struct forwarder *forwarder;
	struct asking asking[FORWARDER_MAX];
	uint8_t datagram[NAMES_MESSAGE_MAX];
};

static void close_way(struct asking *asking)
{
	if (asking->watch) {
		loop_watch_free(asking->watch);
		close(asking->fd);
	}
	asking->watch = NULL;
	free(asking->stream);
	asking->stream = NULL;
}

static size_t number_of(const struct asking *asking)
{
	return (size_t)(asking - asking->forward->asking);
}

/* The callback may ask something else, in the same place. */
static void finish(struct asking *asking, const uint8_t *reply, size_t len)
{
	name_forward_done *done = asking->done;
	struct stream *stream = asking->stream;

	asking->stream = NULL;
	close_way(asking);
	asking->done = NULL;
	if (done)
		done(asking->arg, reply, len);
	free(stream);
}

/* --- messages --- */

static void advance(struct name_forward *forward);

static void lost(struct asking *asking)
{
	struct name_forward *forward = asking->forward;

	close_way(asking);
	forwarder_lost(forward->forwarder, number_of(asking), loop_now_ns(forward->loop));
	advance(forward);
}

static void take(struct asking *asking, uint8_t *message, size_t len)
{
	struct name_forward *forward = asking->forward;

	switch (forwarder_input(forward->forwarder, number_of(asking), message, len)) {
	case FORWARDER_WAIT:
		/* A server has no business sending anything else over a connection of ours. */
		if (asking->stream)
			lost(asking);
		break;
	case FORWARDER_AGAIN:
		close_way(asking);
		advance(forward);
		break;
	case FORWARDER_ANSWER:
		finish(asking, message, len);
		advance(forward);
		break;
	}
}

static void on_datagram(void *arg, int revents)
{
	struct asking *asking = arg;
	struct name_forward *forward = asking->forward;
	ssize_t len = recv(asking->fd, forward->datagram, sizeof(forward->datagram), MSG_DONTWAIT);

	(void)revents;
	if (len >= 0)
		take(asking, forward->datagram, (size_t)len);
	else if (errno != EAGAIN && errno != EINTR)
		lost(asking);
}

/* What is left of the query. 0, or -errno. */
static int write_stream(struct asking *asking)
{
	struct stream *stream = asking->stream;
	ssize_t n = send(asking->fd, stream->out + stream->sent, stream->out_len - stream->sent,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	stream->sent += (size_t)n;
	return stream->sent == stream->out_len ? loop_watch_events(asking->watch, UV_READABLE) : 0;
}

static size_t expected(const struct stream *stream)
{
	if (stream->received < LENGTH_SIZE)
		return LENGTH_SIZE;
	return LENGTH_SIZE + ((size_t)stream->in[0] << 8 | stream->in[1]);
}

static void on_stream(void *arg, int revents)
{
	struct asking *asking = arg;
	struct stream *stream = asking->stream;
	ssize_t n;

	if ((revents & UV_WRITABLE) && stream->sent < stream->out_len && write_stream(asking) < 0) {
		lost(asking);
		return;
	}
	if (!(revents & UV_READABLE))
		return;
	n = recv(asking->fd, stream->in + stream->received, expected(stream) - stream->received,
		 MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		lost(asking);
		return;
	}
	if (n > 0)
		stream->received += (size_t)n;
	if (stream->received > LENGTH_SIZE && stream->received == expected(stream))
		take(asking, stream->in + LENGTH_SIZE, stream->received - LENGTH_SIZE);
}

/* --- sending --- */

static int open_socket(struct asking *asking, const struct forwarder_send *send)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&ss, &send->to);
	int err = 0;

	asking->fd =
		socket(ss.ss_family,
		       (send->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (asking->fd < 0)
		return -errno;
	if (asking->fwmark)
		err = udp_set_fwmark(asking->fd, asking->fwmark);
	if (err == 0 && connect(asking->fd, (struct sockaddr *)&ss, len) < 0 &&
	    errno != EINPROGRESS)
		err = -errno;
	if (err == 0)
		err = loop_watch_new(&asking->watch, asking->forward->loop, asking->fd,
				     send->tcp ? UV_READABLE | UV_WRITABLE : UV_READABLE,
				     send->tcp ? on_stream : on_datagram, asking);
	if (err < 0)
		close(asking->fd);
	return err;
}

static int begin(struct asking *asking, const struct forwarder_send *what)
{
	struct stream *stream = NULL;
	int err;

	close_way(asking);
	if (what->tcp) {
		stream = calloc(1, sizeof(*stream));
		if (!stream)
			return -ENOMEM;
		stream->out[0] = (uint8_t)(what->len >> 8);
		stream->out[1] = (uint8_t)what->len;
		memcpy(stream->out + LENGTH_SIZE, what->data, what->len);
		stream->out_len = LENGTH_SIZE + what->len;
	}
	err = open_socket(asking, what);
	if (err < 0) {
		free(stream);
		return err;
	}
	asking->stream = stream;
	if (!what->tcp && send(asking->fd, what->data, what->len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	return 0;
}

static void advance(struct name_forward *forward)
{
	uint64_t now_ns = loop_now_ns(forward->loop);
	struct forwarder_send send;
	size_t failed;

	while (forwarder_poll_send(forward->forwarder, &send, now_ns)) {
		if (begin(&forward->asking[send.question], &send) < 0) {
			close_way(&forward->asking[send.question]);
			forwarder_lost(forward->forwarder, send.question, now_ns);
		}
	}
	while ((failed = forwarder_poll_failed(forward->forwarder)) != FORWARDER_NONE)
		finish(&forward->asking[failed], NULL, 0);
	loop_timer_set(&forward->timer, forwarder_next_timeout(forward->forwarder));
}

static void on_timer(void *arg, uint64_t now_ns)
{
	struct name_forward *forward = arg;

	forwarder_expire(forward->forwarder, now_ns);
	advance(forward);
}

int name_forward_ask(struct name_forward *forward, const uint8_t *query, size_t len,
		     const struct forwarder_servers *servers, uint32_t fwmark,
		     name_forward_done *done, void *arg)
{
	int number =
		forwarder_ask(forward->forwarder, query, len, servers, loop_now_ns(forward->loop));

	if (number < 0)
		return number;
	forward->asking[number].done = done;
	forward->asking[number].arg = arg;
	forward->asking[number].fwmark = fwmark;
	/* In the next turn, so that `done` never comes before this returns. */
	loop_timer_set(&forward->timer, loop_now_ns(forward->loop));
	return number;
}

void name_forward_cancel(struct name_forward *forward, size_t question)
{
	forward->asking[question].done = NULL;
	close_way(&forward->asking[question]);
	forwarder_cancel(forward->forwarder, question);
}

/* --- life --- */

int name_forward_new(struct name_forward **out, struct loop *loop, const struct rng *rng)
{
	struct name_forward *forward = calloc(1, sizeof(*forward));

	if (!forward)
		return -ENOMEM;
	forward->loop = loop;
	forward->forwarder = forwarder_new(rng);
	if (!forward->forwarder) {
		free(forward);
		return -ENOMEM;
	}
	loop_timer_init(&forward->timer, loop, on_timer, forward);
	for (size_t i = 0; i < FORWARDER_MAX; i++)
		forward->asking[i].forward = forward;
	*out = forward;
	return 0;
}

void name_forward_free(struct name_forward *forward)
{
	if (!forward)
		return;
	loop_timer_clear(&forward->timer);
	for (size_t i = 0; i < FORWARDER_MAX; i++)
		close_way(&forward->asking[i]);
	forwarder_free(forward->forwarder);
	free(forward);
}
