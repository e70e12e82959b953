#include "io/loop.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/absence.h"
#include "base/clock.h"

#define FREE_POLL_US 1000
#define WAKE_NEVER_S (1LL << 40) /* beyond any wall clock */

struct loop {
	uv_loop_t uv;
	uv_prepare_t prepare; /* rearms the timerfd before the loop sleeps */
	struct loop_watch *timer_watch;
	struct timer_heap timers;
	uint64_t now_ns; /* 0: to be read when somebody asks */
	uint64_t armed_ns;
	int timer_fd;
	struct absence absence;
	void (*back)(void *arg, uint64_t away_ns);
	void *back_arg;
	struct loop_watch *wake_watch;
	int wake_fd; /* readable when the machine wakes up; negative: nobody asked */
};

struct loop_watch {
	uv_poll_t poll; /* first: libuv's handle is the watch */
	void (*ready)(void *arg, int revents);
	void *arg;
};

struct loop_signal_handle {
	uv_signal_t handle; /* first */
	void (*ready)(void *arg, int signum);
	void *arg;
};

static void arm_timer_fd(struct loop *loop)
{
	uint64_t next_ns = timer_heap_next_ns(&loop->timers);
	struct itimerspec spec = { 0 };

	if (next_ns == loop->armed_ns)
		return;
	if (next_ns != CLOCK_NEVER) {
		/* Zero would disarm. */
		uint64_t at_ns = next_ns ? next_ns : 1;

		spec.it_value.tv_sec = (time_t)(at_ns / NS_PER_S);
		spec.it_value.tv_nsec = (long)(at_ns % NS_PER_S);
	}
	timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
	loop->armed_ns = next_ns;
}

/* Every callback after this one comes out of the sleep, so the time is no longer known. */
static void on_prepare(uv_prepare_t *handle)
{
	struct loop *loop = handle->data;

	arm_timer_fd(loop);
	loop->now_ns = 0;
}

static void look_for_absence(struct loop *loop, uint64_t due_ns)
{
	uint64_t away_ns = absence_note(&loop->absence, loop->now_ns, clock_awake_ns(), due_ns);

	if (away_ns && loop->back)
		loop->back(loop->back_arg, away_ns);
}

static void on_timer_fd(void *arg, int revents)
{
	struct loop *loop = arg;
	struct timer_node *node;
	uint64_t expirations;

	(void)revents;
	if (read(loop->timer_fd, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
		return;
	loop->armed_ns = CLOCK_NEVER;
	loop->now_ns = clock_now_ns();
	look_for_absence(loop, timer_heap_next_ns(&loop->timers));
	while ((node = timer_heap_first(&loop->timers)) && node->deadline_ns <= loop->now_ns) {
		struct loop_timer *timer = (struct loop_timer *)node;

		timer_heap_remove(&loop->timers, node);
		timer->fire(timer->arg, loop->now_ns);
	}
}

/* The kernel cancels timers of the wall clock when that is set, as it is after every sleep. */
static int arm_wake_fd(const struct loop *loop)
{
	const struct itimerspec never = { .it_value.tv_sec = WAKE_NEVER_S };

	return timerfd_settime(loop->wake_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never,
			       NULL) < 0 &&
			       errno != ECANCELED
		       ? -errno
		       : 0;
}

static void on_wake_fd(void *arg, int revents)
{
	struct loop *loop = arg;
	uint64_t expirations;

	(void)revents;
	if (read(loop->wake_fd, &expirations, sizeof(expirations)) < 0 && errno == EAGAIN)
		return;
	if (arm_wake_fd(loop) < 0)
		loop_watch_events(loop->wake_watch, 0);
	loop->now_ns = clock_now_ns();
	look_for_absence(loop, CLOCK_NEVER);
}

int loop_on_return(struct loop *loop, void (*back)(void *arg, uint64_t away_ns), void *arg)
{
	int err;

	loop->back = back;
	loop->back_arg = arg;
	absence_note(&loop->absence, clock_now_ns(), clock_awake_ns(), CLOCK_NEVER);
	if (loop->wake_fd >= 0)
		return 0;
	loop->wake_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (loop->wake_fd < 0)
		return -errno;
	err = arm_wake_fd(loop);
	if (err == 0)
		err = loop_watch_new(&loop->wake_watch, loop, loop->wake_fd, UV_READABLE,
				     on_wake_fd, loop);
	return err;
}

int loop_new(struct loop **out)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int err;

	if (!loop)
		return -ENOMEM;
	timer_heap_init(&loop->timers);
	loop->armed_ns = CLOCK_NEVER;
	loop->wake_fd = -1;
	loop->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (loop->timer_fd < 0) {
		err = -errno;
		goto fail_alloc;
	}
	err = uv_loop_init(&loop->uv);
	if (err < 0)
		goto fail_fd;
	uv_prepare_init(&loop->uv, &loop->prepare);
	loop->prepare.data = loop;
	uv_prepare_start(&loop->prepare, on_prepare);
	err = loop_watch_new(&loop->timer_watch, loop, loop->timer_fd, UV_READABLE, on_timer_fd,
			     loop);
	if (err < 0)
		goto fail_loop;
	*out = loop;
	return 0;

fail_loop:
	loop_free(loop);
	return err;
fail_fd:
	close(loop->timer_fd);
fail_alloc:
	free(loop);
	return err;
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

static void close_leftover(uv_handle_t *handle, void *arg)
{
	struct loop *loop = arg;
	bool embedded = (void *)handle == (void *)&loop->prepare;

	if (!uv_is_closing(handle))
		uv_close(handle, embedded ? NULL : free_handle);
}

int loop_free(struct loop *loop)
{
	uint64_t limit_ns = clock_now_ns() + LOOP_FREE_LIMIT_MS * NS_PER_MS;

	if (!loop)
		return 0;
	loop_watch_free(loop->timer_watch);
	loop->timer_watch = NULL;
	loop_watch_free(loop->wake_watch);
	loop->wake_watch = NULL;
	uv_walk(&loop->uv, close_leftover, loop);
	while (uv_loop_close(&loop->uv) == UV_EBUSY) {
		if (!uv_run(&loop->uv, UV_RUN_NOWAIT))
			continue;
		if (clock_now_ns() > limit_ns)
			return -EBUSY;
		usleep(FREE_POLL_US);
	}
	timer_heap_clear(&loop->timers);
	close(loop->timer_fd);
	if (loop->wake_fd >= 0)
		close(loop->wake_fd);
	free(loop);
	return 0;
}

int loop_run(struct loop *loop)
{
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	return 0;
}

void loop_stop(struct loop *loop)
{
	uv_stop(&loop->uv);
}

uint64_t loop_now_ns(struct loop *loop)
{
	if (!loop->now_ns)
		loop->now_ns = clock_now_ns();
	return loop->now_ns;
}

uv_loop_t *loop_uv(struct loop *loop)
{
	return &loop->uv;
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop,
		     void (*fire)(void *arg, uint64_t now_ns), void *arg)
{
	*timer = (struct loop_timer){ .loop = loop, .fire = fire, .arg = arg };
}

void loop_timer_set(struct loop_timer *timer, uint64_t deadline_ns)
{
	if (deadline_ns == CLOCK_NEVER) {
		loop_timer_clear(timer);
		return;
	}
	/* Later than this turn, or a callback that sets itself again would hold the loop forever.
	 */
	if (deadline_ns <= loop_now_ns(timer->loop))
		deadline_ns = timer->loop->now_ns + 1;
	if (timer_heap_set(&timer->loop->timers, &timer->node, deadline_ns) < 0)
		abort(); /* a lost timer would be a silent hang */
}

void loop_timer_clear(struct loop_timer *timer)
{
	if (timer->loop)
		timer_heap_remove(&timer->loop->timers, &timer->node);
}

static void on_poll(uv_poll_t *handle, int status, int revents)
{
	struct loop_watch *watch = (struct loop_watch *)handle;

	/* On an error the owner finds out by its own read or write. */
	watch->ready(watch->arg, status < 0 ? UV_READABLE | UV_WRITABLE : revents);
}

int loop_watch_new(struct loop_watch **out, struct loop *loop, int fd, int events,
		   void (*ready)(void *arg, int revents), void *arg)
{
	struct loop_watch *watch = calloc(1, sizeof(*watch));
	int err;

	if (!watch)
		return -ENOMEM;
	watch->ready = ready;
	watch->arg = arg;
	err = uv_poll_init(&loop->uv, &watch->poll, fd);
	if (err < 0) {
		free(watch);
		return err;
	}
	err = uv_poll_start(&watch->poll, events, on_poll);
	if (err < 0) {
		uv_close((uv_handle_t *)&watch->poll, free_handle);
		return err;
	}
	*out = watch;
	return 0;
}

int loop_watch_events(struct loop_watch *watch, int events)
{
	return uv_poll_start(&watch->poll, events, on_poll);
}

void loop_watch_free(struct loop_watch *watch)
{
	if (!watch)
		return;
	uv_poll_stop(&watch->poll);
	uv_close((uv_handle_t *)&watch->poll, free_handle);
}

static void on_signal(uv_signal_t *handle, int signum)
{
	struct loop_signal_handle *signal = (struct loop_signal_handle *)handle;

	signal->ready(signal->arg, signum);
}

int loop_signal(struct loop *loop, int signum, void (*ready)(void *arg, int signum), void *arg)
{
	struct loop_signal_handle *signal = calloc(1, sizeof(*signal));
	int err;

	if (!signal)
		return -ENOMEM;
	signal->ready = ready;
	signal->arg = arg;
	err = uv_signal_init(&loop->uv, &signal->handle);
	if (err < 0) {
		free(signal);
		return err;
	}
	err = uv_signal_start(&signal->handle, on_signal, signum);
	uv_unref((uv_handle_t *)&signal->handle);
	return err;
}
