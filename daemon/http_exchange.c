#include "daemon/http_exchange.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/socket_mark.h"
#include "io/loop.h"

#define READS_MAX 128

struct http_exchange {
	struct http_exchange_config config;
	int fd;
	struct loop_watch *watch;
	struct loop_timer deadline;
	char *request;
	size_t sent;
	char *answer;
	size_t received;
	unsigned int reads;
};

/* A connection under way, or -errno. */
static int start_connect(const struct http_exchange_config *config)
{
	const struct endpoint local = { .addr = config->local };
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&ss, &local);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return -errno;
	socket_mark(fd);
	if (bind(fd, (struct sockaddr *)&ss, len) == 0) {
		len = endpoint_to_sockaddr(&ss, &config->remote);
		if (connect(fd, (struct sockaddr *)&ss, len) == 0 || errno == EINPROGRESS)
			return fd;
	}
	err = -errno;
	close(fd);
	return err;
}

static void on_writable(struct http_exchange *x)
{
	ssize_t len = send(x->fd, x->request + x->sent, x->config.len - x->sent,
			   MSG_DONTWAIT | MSG_NOSIGNAL);

	if (len < 0 && errno != EAGAIN) {
		x->config.failed(x->config.arg);
		return;
	}
	x->sent += len > 0 ? (size_t)len : 0;
	if (x->sent == x->config.len)
		loop_watch_events(x->watch, UV_READABLE);
}

static void on_readable(struct http_exchange *x)
{
	ssize_t len = recv(x->fd, x->answer + x->received, x->config.answer_max - x->received,
			   MSG_DONTWAIT);
	bool ended;

	if (len < 0) {
		if (errno != EAGAIN)
			x->config.failed(x->config.arg);
		return;
	}
	x->received += (size_t)len;
	/* Every piece makes the reader look at all of it again, so they are counted. */
	ended = len == 0 || x->received == x->config.answer_max || ++x->reads == READS_MAX;
	if (!x->config.answer(x->config.arg, x->answer, x->received, ended) && ended)
		x->config.failed(x->config.arg);
}

static void on_ready(void *arg, int revents)
{
	struct http_exchange *x = arg;

	if (x->sent < x->config.len) {
		if (revents & UV_WRITABLE)
			on_writable(x);
	} else if (revents & UV_READABLE) {
		on_readable(x);
	}
}

static void on_deadline(void *arg, uint64_t now_ns)
{
	struct http_exchange *x = arg;

	(void)now_ns;
	x->config.failed(x->config.arg);
}

int http_exchange_new(struct http_exchange **out, const struct http_exchange_config *config)
{
	struct http_exchange *x = calloc(1, sizeof(*x));
	int err = -ENOMEM;

	if (!x)
		return -ENOMEM;
	x->config = *config;
	x->fd = -1;
	loop_timer_init(&x->deadline, config->loop, on_deadline, x);
	x->request = malloc(config->len);
	x->answer = malloc(config->answer_max);
	if (!x->request || !x->answer)
		goto fail;
	memcpy(x->request, config->data, config->len);
	x->fd = start_connect(config);
	err = x->fd < 0 ? x->fd : 0;
	if (!err)
		err = loop_watch_new(&x->watch, config->loop, x->fd, UV_WRITABLE, on_ready, x);
	if (err < 0)
		goto fail;
	loop_timer_set(&x->deadline,
		       loop_now_ns(config->loop) + HTTP_EXCHANGE_LIMIT_MS * NS_PER_MS);
	*out = x;
	return 0;

fail:
	http_exchange_free(x);
	return err;
}

void http_exchange_free(struct http_exchange *x)
{
	if (!x)
		return;
	loop_timer_clear(&x->deadline);
	loop_watch_free(x->watch);
	if (x->fd >= 0)
		close(x->fd);
	free(x->request);
	free(x->answer);
	free(x);
}

static bool wait_until(int fd, short events, uint64_t until_ns)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	uint64_t now_ns = clock_now_ns();

	if (now_ns >= until_ns)
		return false;
	return poll(&pfd, 1, (int)((until_ns - now_ns) / NS_PER_MS)) > 0;
}

void http_exchange_last(const struct http_exchange_config *config, unsigned int limit_ms)
{
	uint64_t until_ns = clock_now_ns() + limit_ms * NS_PER_MS;
	int fd = start_connect(config);

	if (fd < 0)
		return;
	/* It fits into the socket's buffer at once. The answer says that it was read. */
	if (wait_until(fd, POLLOUT, until_ns) &&
	    send(fd, config->data, config->len, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		wait_until(fd, POLLIN, until_ns);
	close(fd);
}
