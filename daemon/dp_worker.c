#include "daemon/dp_worker.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/dp_adopted.h"
#include "daemon/dp_core.h"
#include "daemon/dp_engine.h"

enum source {
	SOURCE_WAKE,
	SOURCE_TUN,
	SOURCE_UDP4,
	SOURCE_UDP6,
};

#define TURN_EVENTS 16

/* What an event says: a source, and of a socket its number. */
static uint64_t token(enum source source, uint32_t number)
{
	return (uint64_t)number << 32 | (uint64_t)source;
}

static void set_events(struct dp_worker *worker, int fd, uint64_t what, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.u64 = what };

	/* Fails for a TUN that is gone and not asked any more, and for a socket that is leaving. */
	(void)epoll_ctl(worker->epoll_fd, EPOLL_CTL_MOD, fd, &event);
}

static uint64_t socket_token(const struct dp_socket *socket)
{
	return token(socket->six ? SOURCE_UDP6 : SOURCE_UDP4, socket->number);
}

/* A socket is full: packets wait in the TUN until it has room, or is not there any more. */
static void hold_tun(struct dp_worker *worker, const struct dp_socket *full)
{
	set_events(worker, worker->engine->tun_fd, token(SOURCE_TUN, 0), 0);
	set_events(worker, full->fd, socket_token(full), EPOLLIN | EPOLLOUT);
	worker->waits_for = full->number;
}

static void resume_tun(struct dp_worker *worker)
{
	worker->waits_for = 0;
	set_events(worker, worker->engine->tun_fd, token(SOURCE_TUN, 0), EPOLLIN);
}

static void take_room(struct dp_worker *worker, struct dp_socket *had_been_full)
{
	dp_room_back(&had_been_full->room, had_been_full->fd, clock_now_ns());
	set_events(worker, had_been_full->fd, socket_token(had_been_full), EPOLLIN);
	resume_tun(worker);
}

static void serve_tun(struct dp_worker *worker)
{
	struct dp_engine *engine = worker->engine;
	const struct dp_socket *full;

	dp_engine_begin(engine);
	full = dp_engine_full(engine);
	if (!full)
		dp_engine_read_tun(engine);
	else
		hold_tun(worker, full);
	dp_engine_end(engine);
}

static void serve_socket(struct dp_worker *worker, uint32_t number, bool six, uint32_t events)
{
	struct dp_engine *engine = worker->engine;
	struct dp_socket *socket;

	dp_engine_begin(engine);
	socket = dp_engine_socket(engine, number, six);
	if (socket && events & EPOLLOUT)
		take_room(worker, socket);
	if (socket && events & ~(uint32_t)EPOLLOUT)
		dp_engine_receive(engine, socket);
	dp_engine_end(engine);
}

/* A socket was released, perhaps the one whose room was waited for. False: it is over. */
static bool serve_wake(struct dp_worker *worker)
{
	struct dp_engine *engine = worker->engine;
	uint64_t count;
	bool gone;

	if (atomic_load(&worker->stopping))
		return false;
	if (read(worker->wake_fd, &count, sizeof(count)) < 0)
		return true;
	dp_rcu_enter();
	gone = worker->waits_for && !dp_adopted_find(engine->dp, worker->waits_for);
	dp_rcu_leave();
	if (gone)
		resume_tun(worker);
	return true;
}

/* A device that was deleted is ready for ever: its queue is not asked again. */
static void drop_gone_tun(struct dp_worker *worker, uint32_t events)
{
	if (events & (EPOLLERR | EPOLLHUP))
		epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, worker->engine->tun_fd, NULL);
}

static bool serve(struct dp_worker *worker, uint64_t what, uint32_t events)
{
	enum source source = (enum source)(uint32_t)what;

	switch (source) {
	case SOURCE_WAKE:
		return serve_wake(worker);
	case SOURCE_TUN:
		drop_gone_tun(worker, events);
		serve_tun(worker);
		break;
	case SOURCE_UDP4:
	case SOURCE_UDP6:
		serve_socket(worker, (uint32_t)(what >> 32), source == SOURCE_UDP6, events);
		break;
	}
	return true;
}

static void *run(void *arg)
{
	struct dp_worker *worker = arg;
	struct epoll_event events[TURN_EVENTS];

	for (;;) {
		int n = epoll_wait(worker->epoll_fd, events, TURN_EVENTS, -1);

		for (int i = 0; i < n; i++)
			if (!serve(worker, events[i].data.u64, events[i].events))
				return NULL;
	}
}

static int watch(struct dp_worker *worker, int fd, uint64_t what)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = what };

	if (fd < 0)
		return 0;
	return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int watch_socket(struct dp_worker *worker, const struct dp_socket *socket)
{
	return watch(worker, socket->fd, socket_token(socket));
}

static int watch_all(struct dp_worker *worker)
{
	struct dp_engine *engine = worker->engine;
	int err = watch(worker, worker->wake_fd, token(SOURCE_WAKE, 0));

	if (!err)
		err = watch(worker, engine->tun_fd, token(SOURCE_TUN, 0));
	for (int i = 0; !err && i < 2; i++)
		err = watch_socket(worker, &engine->udp[i]);
	for (int i = 0; !err && i < DP_SOCKETS_MAX; i++)
		if (engine->dp->adopted[i])
			err = watch_socket(worker, &engine->dp->adopted[i]->socket[engine->number]);
	return err;
}

/* Signals belong to the control thread's loop. */
static int start_thread(struct dp_worker *worker)
{
	char name[16];
	sigset_t all;
	sigset_t before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&worker->thread, NULL, run, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		return -err;
	snprintf(name, sizeof(name), "worker%u", worker->engine->number);
	pthread_setname_np(worker->thread, name);
	return 0;
}

int dp_worker_start(struct dp_worker *worker, struct dp_engine *engine)
{
	int err;

	*worker = (struct dp_worker){ .engine = engine };
	for (int i = 0; i < 2; i++)
		dp_room_init(&engine->udp[i].room, engine->udp[i].fd);
	worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	err = worker->wake_fd < 0 || worker->epoll_fd < 0 ? -EMFILE : watch_all(worker);
	if (!err)
		err = start_thread(worker);
	if (err) {
		if (worker->wake_fd >= 0)
			close(worker->wake_fd);
		if (worker->epoll_fd >= 0)
			close(worker->epoll_fd);
		return err;
	}
	worker->running = true;
	return 0;
}

static void wake(const struct dp_worker *worker)
{
	uint64_t one = 1;

	if (write(worker->wake_fd, &one, sizeof(one)) < 0)
		return; /* the counter is at its end, which wakes as well */
}

void dp_worker_stop(struct dp_worker *worker)
{
	if (!worker->running)
		return;
	atomic_store(&worker->stopping, true);
	wake(worker);
	pthread_join(worker->thread, NULL);
	close(worker->wake_fd);
	close(worker->epoll_fd);
	worker->running = false;
}

int dp_worker_watch(struct dp_worker *worker, const struct dp_socket *socket)
{
	return worker->running ? watch_socket(worker, socket) : 0;
}

void dp_worker_unwatch(struct dp_worker *worker, const struct dp_socket *socket)
{
	if (!worker->running)
		return;
	epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, socket->fd, NULL);
	wake(worker);
}
