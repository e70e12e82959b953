#include "daemon/dp_worker.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/dp_engine.h"

enum source {
	SOURCE_STOP,
	SOURCE_TUN,
	SOURCE_UDP4,
	SOURCE_UDP6,
	SOURCES,
};

static void set_events(struct dp_worker *worker, int fd, enum source source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.u32 = source };

	/* Fails for a TUN that is gone and not asked any more. */
	(void)epoll_ctl(worker->epoll_fd, EPOLL_CTL_MOD, fd, &event);
}

/* A socket is full: packets wait in the TUN until it has room. */
static void hold_tun(struct dp_worker *worker, int full)
{
	struct dp_engine *engine = worker->engine;

	set_events(worker, engine->tun_fd, SOURCE_TUN, 0);
	set_events(worker, engine->udp_fd[full], SOURCE_UDP4 + (enum source)full,
		   EPOLLIN | EPOLLOUT);
}

static void resume_tun(struct dp_worker *worker, int had_been_full)
{
	struct dp_engine *engine = worker->engine;

	dp_room_back(&engine->room[had_been_full], engine->udp_fd[had_been_full], clock_now_ns());
	set_events(worker, engine->udp_fd[had_been_full], SOURCE_UDP4 + (enum source)had_been_full,
		   EPOLLIN);
	set_events(worker, engine->tun_fd, SOURCE_TUN, EPOLLIN);
}

static void serve_tun(struct dp_worker *worker)
{
	struct dp_engine *engine = worker->engine;
	int full;

	dp_engine_begin(engine);
	full = dp_engine_full(engine);
	if (full < 0)
		dp_engine_read_tun(engine);
	else
		hold_tun(worker, full);
	dp_engine_end(engine);
}

static void serve_socket(struct dp_worker *worker, int which, uint32_t events)
{
	struct dp_engine *engine = worker->engine;

	if (events & EPOLLOUT)
		resume_tun(worker, which);
	if (!(events & ~(uint32_t)EPOLLOUT))
		return;
	dp_engine_begin(engine);
	dp_engine_receive(engine, which);
	dp_engine_end(engine);
}

/* A device that was deleted is ready for ever: its queue is not asked again. */
static bool tun_is_gone(const struct epoll_event *event)
{
	return event->data.u32 == SOURCE_TUN && event->events & (EPOLLERR | EPOLLHUP);
}

static void *run(void *arg)
{
	struct dp_worker *worker = arg;
	struct epoll_event events[SOURCES];

	for (;;) {
		int n = epoll_wait(worker->epoll_fd, events, SOURCES, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.u32 == SOURCE_STOP)
				return NULL;
			if (tun_is_gone(&events[i]))
				epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, worker->engine->tun_fd,
					  NULL);
			if (events[i].data.u32 == SOURCE_TUN)
				serve_tun(worker);
			else
				serve_socket(worker, (int)(events[i].data.u32 - SOURCE_UDP4),
					     events[i].events);
		}
	}
}

static int watch(struct dp_worker *worker, int fd, enum source source)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = source };

	if (fd < 0)
		return 0;
	return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int watch_all(struct dp_worker *worker)
{
	int err = watch(worker, worker->stop_fd, SOURCE_STOP);

	if (!err)
		err = watch(worker, worker->engine->tun_fd, SOURCE_TUN);
	if (!err)
		err = watch(worker, worker->engine->udp_fd[0], SOURCE_UDP4);
	if (!err)
		err = watch(worker, worker->engine->udp_fd[1], SOURCE_UDP6);
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
		dp_room_init(&engine->room[i], engine->udp_fd[i]);
	worker->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	err = worker->stop_fd < 0 || worker->epoll_fd < 0 ? -EMFILE : watch_all(worker);
	if (!err)
		err = start_thread(worker);
	if (err) {
		if (worker->stop_fd >= 0)
			close(worker->stop_fd);
		if (worker->epoll_fd >= 0)
			close(worker->epoll_fd);
		return err;
	}
	worker->running = true;
	return 0;
}

void dp_worker_stop(struct dp_worker *worker)
{
	uint64_t one = 1;

	if (!worker->running)
		return;
	if (write(worker->stop_fd, &one, sizeof(one)) < 0)
		return; /* cannot be: the counter was 0 */
	pthread_join(worker->thread, NULL);
	close(worker->stop_fd);
	close(worker->epoll_fd);
	worker->running = false;
}
