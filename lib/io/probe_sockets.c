#include "io/probe_sockets.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "io/loop.h"
#include "io/udp.h"

/* Whoever needs a descriptor while so many are open finds one. */
#define SPARE_DESCRIPTORS 64

#define RECEIVE_BATCH 8
#define TURN_EVENTS   32

struct probe_sockets {
	struct probe_sockets_config config;
	struct udp_receiver *receiver;
	struct loop_watch *watch;
	int epoll_fd;
	bool receiving; /* freed when the callbacks are over */
	bool ended;
	size_t count;
	int fd[PROBE_SOCKETS_MAX]; /* -1: taken */
};

static void release(struct probe_sockets *probes)
{
	udp_receiver_free(probes->receiver);
	free(probes);
}

static void receive_one(struct probe_sockets *probes, size_t index)
{
	size_t count;

	if (probes->fd[index] < 0)
		return;
	count = udp_receive(probes->receiver, probes->fd[index]);
	for (size_t i = 0; i < count && !probes->ended; i++) {
		const struct udp_message *message = udp_receiver_message(probes->receiver, i);

		probes->config.receive(probes->config.arg, index, &message->from, &message->to,
				       message->data, message->len);
	}
}

/* What is left makes the descriptor ready again. */
static void on_ready(void *arg, int revents)
{
	struct probe_sockets *probes = arg;
	struct epoll_event events[TURN_EVENTS];
	int count = epoll_wait(probes->epoll_fd, events, TURN_EVENTS, 0);

	(void)revents;
	probes->receiving = true;
	for (int i = 0; i < count && !probes->ended; i++)
		receive_one(probes, events[i].data.u32);
	probes->receiving = false;
	if (probes->ended)
		release(probes);
}

static int open_one(struct probe_sockets *probes)
{
	/* Alone on its port: with SO_REUSEPORT the system would hand out a port that has others. */
	const struct udp_config config = { .family = AF_INET, .fwmark = probes->config.fwmark };
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = (uint32_t)probes->count };
	int fd;
	int err = udp_open(&fd, &config);

	if (err)
		return err;
	if (epoll_ctl(probes->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	probes->fd[probes->count++] = fd;
	return 0;
}

static void close_last(struct probe_sockets *probes)
{
	int fd = probes->fd[--probes->count];

	if (fd >= 0)
		close(fd);
}

/* Fewer will do. */
static int open_all(struct probe_sockets *probes)
{
	int err = 0;

	while (!err && probes->count < probes->config.count)
		err = open_one(probes);
	if (err != -EMFILE && err != -ENFILE)
		return probes->count ? 0 : err;
	for (int i = 0; i < SPARE_DESCRIPTORS && probes->count; i++)
		close_last(probes);
	return probes->count ? 0 : err;
}

int probe_sockets_new(struct probe_sockets **out, struct loop *loop,
		      const struct probe_sockets_config *config)
{
	struct probe_sockets *probes;
	int err;

	if (!config->count || config->count > PROBE_SOCKETS_MAX)
		return -EINVAL;
	probes = calloc(1, sizeof(*probes));
	if (!probes)
		return -ENOMEM;
	probes->config = *config;
	probes->receiver = udp_receiver_new(RECEIVE_BATCH);
	descriptors_allow(DESCRIPTORS_ALL);
	probes->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	err = probes->epoll_fd < 0 ? -errno : 0;
	if (!err)
		err = probes->receiver ? open_all(probes) : -ENOMEM;
	if (!err)
		err = loop_watch_new(&probes->watch, loop, probes->epoll_fd, UV_READABLE, on_ready,
				     probes);
	if (err) {
		probe_sockets_free(probes);
		return err;
	}
	*out = probes;
	return 0;
}

void probe_sockets_free(struct probe_sockets *probes)
{
	if (!probes)
		return;
	loop_watch_free(probes->watch);
	while (probes->count)
		close_last(probes);
	if (probes->epoll_fd >= 0)
		close(probes->epoll_fd);
	probes->ended = true;
	if (!probes->receiving)
		release(probes);
}

size_t probe_sockets_count(const struct probe_sockets *probes)
{
	return probes->count;
}

uint16_t probe_sockets_port(const struct probe_sockets *probes, size_t index)
{
	return probes->fd[index] < 0 ? 0 : udp_port(probes->fd[index]);
}

int probe_sockets_send(struct probe_sockets *probes, size_t index, const struct endpoint *remote,
		       const struct ip_addr *local, const uint8_t *data, size_t len, uint8_t ttl)
{
	const struct ip_addr any = { 0 };
	struct udp_route route;
	struct udp_datagram datagram = {
		.route = &route,
		.data = data,
		.len = len,
		.segment = (uint16_t)len,
		.ttl = ttl,
	};
	int err = 0;

	if (probes->fd[index] < 0)
		return -EBADF;
	if (len > UDP_BYTES_MAX)
		return -EMSGSIZE;
	udp_route_init(&route, remote, local ? local : &any, 0);
	if (route.to.sa.sa_family != AF_INET)
		return -EAFNOSUPPORT;
	udp_send(probes->fd[index], &datagram, 1, &err);
	return err;
}

int probe_sockets_take(struct probe_sockets *probes, size_t index)
{
	int fd = probes->fd[index];

	if (fd < 0)
		return -EBADF;
	epoll_ctl(probes->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	probes->fd[index] = -1;
	return fd;
}
