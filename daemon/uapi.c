#include "daemon/uapi.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/device.h"
#include "daemon/uapi_request.h"
#include "io/loop.h"
#include "proto/uapi.h"

struct connection {
	LIST_ENTRY(connection) entry;
	struct uapi *uapi;
	struct loop_watch *watch;
	struct uapi_parser parser;
	struct uapi_request request;
	struct uapi_text out;
	size_t sent;
	enum uapi_kind doing; /* UAPI_GET, UAPI_SET or UAPI_NONE */
	int fd;
	bool closing; /* after what is left in out */
};

struct uapi {
	struct loop *loop;
	struct device *device;
	struct loop_watch *watch;
	LIST_HEAD(, connection) connections;
	unsigned int count;
	uint32_t fwmark;
	bool read_only;
	int fd;
	struct sockaddr_un addr;
};

static void connection_free(struct connection *c)
{
	/* Hung up in the middle: what was applied so far is published. */
	if (c->doing == UAPI_SET)
		(void)uapi_request_finish(&c->request);
	LIST_REMOVE(c, entry);
	c->uapi->count--;
	loop_watch_free(c->watch);
	close(c->fd);
	uapi_text_clear(&c->out);
	uapi_parser_clear(&c->parser);
	free(c);
}

static void answer(struct connection *c, int ret)
{
	uapi_text_printf(&c->out, "errno=%d\n\n", -ret);
}

/* An error ends the request; what follows of it cannot be told from a new one, so we hang up. */
static void fail(struct connection *c, int ret)
{
	if (c->doing == UAPI_SET)
		(void)uapi_request_finish(&c->request);
	c->doing = UAPI_NONE;
	c->closing = true;
	answer(c, ret);
}

static int finish(struct connection *c)
{
	enum uapi_kind doing = c->doing;

	c->doing = UAPI_NONE;
	if (doing == UAPI_SET)
		return uapi_request_finish(&c->request);
	uapi_describe(&c->out, c->uapi->device, c->uapi->fwmark);
	return c->out.failed ? -ENOMEM : 0;
}

static int handle(struct connection *c, const struct uapi_item *item)
{
	int ret;

	switch (item->kind) {
	case UAPI_NONE:
		return 0;
	case UAPI_GET:
		c->doing = UAPI_GET;
		return 0;
	case UAPI_SET:
		if (c->uapi->read_only)
			return -EPERM;
		c->doing = UAPI_SET;
		uapi_request_init(&c->request, c->uapi->device, &c->uapi->fwmark);
		return 0;
	case UAPI_END:
		ret = finish(c);
		if (ret == 0)
			answer(c, 0);
		return ret;
	default:
		return uapi_request_apply(&c->request, item);
	}
}

static void take(struct connection *c, const char *data, size_t len)
{
	struct uapi_item item;
	int ret = 0;

	while (len && ret == 0) {
		ret = uapi_parser_next(&c->parser, &data, &len, &item);
		if (ret == 0)
			ret = handle(c, &item);
	}
	sodium_memzero(&item, sizeof(item));
	if (ret < 0)
		fail(c, ret);
}

/* False: the connection is done. */
static bool flush(struct connection *c)
{
	ssize_t n;

	while (c->sent < c->out.len) {
		n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		c->sent += (size_t)n;
	}
	uapi_text_clear(&c->out);
	c->sent = 0;
	return !c->closing;
}

/* False: the connection is done. */
static bool receive(struct connection *c)
{
	char buf[4096];
	ssize_t n = recv(c->fd, buf, sizeof(buf), 0);

	if (n > 0)
		take(c, buf, (size_t)n);
	sodium_memzero(buf, sizeof(buf));
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void connection_ready(void *arg, int revents)
{
	struct connection *c = arg;
	bool open = true;

	/* Nothing is read while an answer waits, so a reader that stalls holds no memory. */
	if (!c->out.len && !c->closing && (revents & UV_READABLE))
		open = receive(c);
	if (c->out.failed || !open || !flush(c)) {
		connection_free(c);
		return;
	}
	if (loop_watch_events(c->watch, c->out.len ? UV_WRITABLE : UV_READABLE) < 0)
		connection_free(c);
}

static void accept_ready(void *arg, int revents)
{
	struct uapi *uapi = arg;
	struct connection *c;
	int fd = accept4(uapi->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)revents;
	if (fd < 0)
		return;
	c = uapi->count < UAPI_CONNECTIONS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		close(fd);
		return;
	}
	c->uapi = uapi;
	c->fd = fd;
	uapi_parser_init(&c->parser);
	LIST_INSERT_HEAD(&uapi->connections, c, entry);
	uapi->count++;
	if (loop_watch_new(&c->watch, uapi->loop, fd, UV_READABLE, connection_ready, c) < 0)
		connection_free(c);
}

/* -EADDRINUSE when somebody answers there; a socket that nobody serves is removed. */
static int clear_stale(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0)
		ret = -EADDRINUSE;
	else if (errno == ECONNREFUSED)
		unlink(addr->sun_path);
	close(fd);
	return ret;
}

static int listen_at(struct uapi *uapi, const char *name)
{
	struct sockaddr_un *addr = &uapi->addr;
	mode_t mask;
	int ret;

	if (mkdir(UAPI_DIRECTORY, 0755) < 0 && errno != EEXIST)
		return -errno;
	addr->sun_family = AF_UNIX;
	snprintf(addr->sun_path, sizeof(addr->sun_path), UAPI_DIRECTORY "/%s.sock", name);
	ret = clear_stale(addr);
	if (ret < 0)
		return ret;
	uapi->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (uapi->fd < 0)
		return -errno;
	/* For root alone from the first moment on. */
	mask = umask(0077);
	ret = bind(uapi->fd, (struct sockaddr *)addr, sizeof(*addr)) < 0 ? -errno : 0;
	umask(mask);
	if (ret == 0 && listen(uapi->fd, UAPI_CONNECTIONS_MAX) < 0)
		ret = -errno;
	if (ret < 0) {
		close(uapi->fd);
		uapi->fd = -1;
	}
	return ret;
}

int uapi_new(struct uapi **out, struct loop *loop, struct device *device, uint32_t fwmark,
	     bool read_only)
{
	struct uapi *uapi = calloc(1, sizeof(*uapi));
	int ret;

	if (!uapi)
		return -ENOMEM;
	uapi->loop = loop;
	uapi->device = device;
	uapi->fwmark = fwmark;
	uapi->read_only = read_only;
	uapi->fd = -1;
	LIST_INIT(&uapi->connections);
	ret = listen_at(uapi, dataplane_tun_name(device_dataplane(device)));
	if (ret == 0)
		ret = loop_watch_new(&uapi->watch, loop, uapi->fd, UV_READABLE, accept_ready, uapi);
	if (ret < 0) {
		uapi_free(uapi);
		return ret;
	}
	*out = uapi;
	return 0;
}

void uapi_free(struct uapi *uapi)
{
	if (!uapi)
		return;
	while (!LIST_EMPTY(&uapi->connections))
		connection_free(LIST_FIRST(&uapi->connections));
	loop_watch_free(uapi->watch);
	if (uapi->fd >= 0) {
		unlink(uapi->addr.sun_path);
		close(uapi->fd);
	}
	free(uapi);
}
