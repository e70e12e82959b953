#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/loop.h"

struct fixture {
	struct loop *loop;
	struct loop_timer timer;
	struct loop_timer other;
	int fired;
	int other_fired;
};

static void count_and_repeat(void *arg, uint64_t now_ns)
{
	struct fixture *f = arg;

	if (++f->fired == 3)
		loop_stop(f->loop);
	else
		loop_timer_set(&f->timer, now_ns); /* already past: next turn, not an endless one */
}

static void count_other(void *arg, uint64_t now_ns)
{
	(void)now_ns;
	((struct fixture *)arg)->other_fired++;
}

static void timers_fire_in_order_and_can_be_cleared(void **state)
{
	struct fixture f = { 0 };
	uint64_t start = clock_now_ns();

	(void)state;
	assert_int_equal(loop_new(&f.loop), 0);
	loop_timer_init(&f.timer, f.loop, count_and_repeat, &f);
	loop_timer_init(&f.other, f.loop, count_other, &f);
	loop_timer_set(&f.timer, start + 10 * NS_PER_MS);
	loop_timer_set(&f.other, start + 5 * NS_PER_MS);
	loop_timer_clear(&f.other);
	loop_run(f.loop);
	assert_int_equal(f.fired, 3);
	assert_int_equal(f.other_fired, 0);
	assert_true(clock_now_ns() >= start + 10 * NS_PER_MS);
	loop_free(f.loop);
}

static void stop_on_readable(void *arg, int revents)
{
	struct fixture *f = arg;

	assert_true(revents & UV_READABLE);
	f->fired++;
	loop_stop(f->loop);
}

static void a_watch_tells_of_data(void **state)
{
	struct fixture f = { 0 };
	struct loop_watch *watch;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(loop_new(&f.loop), 0);
	assert_int_equal(loop_watch_new(&watch, f.loop, fds[0], UV_READABLE, stop_on_readable, &f),
			 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	loop_run(f.loop);
	assert_int_equal(f.fired, 1);
	loop_watch_free(watch);
	loop_free(f.loop);
	close(fds[0]);
	close(fds[1]);
}

static void check_time(void *arg, int revents)
{
	struct fixture *f = arg;
	uint64_t turn_ns = loop_now_ns(f->loop);

	(void)revents;
	assert_true(clock_now_ns() - turn_ns < 100 * NS_PER_MS);
	loop_stop(f->loop);
}

static void time_is_fresh_after_a_sleep(void **state)
{
	struct fixture f = { 0 };
	struct loop_watch *watch;
	int fds[2];
	pid_t child;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(loop_new(&f.loop), 0);
	loop_now_ns(f.loop);
	assert_int_equal(loop_watch_new(&watch, f.loop, fds[0], UV_READABLE, check_time, &f), 0);
	child = fork();
	if (child == 0) {
		usleep(200000);
		_exit(write(fds[1], "x", 1) != 1);
	}
	loop_run(f.loop);
	waitpid(child, NULL, 0);
	loop_watch_free(watch);
	loop_free(f.loop);
	close(fds[0]);
	close(fds[1]);
}

static void stop_on_signal(void *arg, int signum)
{
	struct fixture *f = arg;

	f->fired = signum;
	loop_stop(f->loop);
}

static void a_signal_arrives_on_the_loop(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	assert_int_equal(loop_new(&f.loop), 0);
	assert_int_equal(loop_signal(f.loop, SIGUSR1, stop_on_signal, &f), 0);
	loop_timer_init(&f.timer, f.loop, count_other, &f); /* keeps the loop alive meanwhile */
	loop_timer_set(&f.timer, clock_now_ns() + 5 * NS_PER_S);
	raise(SIGUSR1);
	loop_run(f.loop);
	assert_int_equal(f.fired, SIGUSR1);
	loop_timer_clear(&f.timer);
	loop_free(f.loop);
}

/* Like a name look-up that gets no answer. */
static void sleep_long(uv_work_t *work)
{
	(void)work;
	usleep(1500 * 1000);
}

static void note_done(uv_work_t *work, int status)
{
	(void)status;
	*(bool *)work->data = true;
}

static void what_cannot_be_called_off_does_not_hold_the_end_up(void **state)
{
	uint64_t start = clock_now_ns();
	bool done = false;
	uv_work_t work = { .data = &done };
	struct loop *loop;

	(void)state;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(uv_queue_work(loop_uv(loop), &work, sleep_long, note_done), 0);
	assert_int_equal(loop_free(loop), -EBUSY);
	assert_true(clock_now_ns() - start < 1200 * NS_PER_MS);
	assert_false(done);
	usleep(1500 * 1000);
	assert_int_equal(loop_free(loop), 0);
	assert_true(done);
}

static void spend_in_suspension(void)
{
	struct fixture f = { 0 };
	struct timespec awake;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &awake);
	now = clock_now_ns();
	/* An hour of sleep counts, */
	if (now < ((uint64_t)awake.tv_sec + 3600) * NS_PER_S || loop_new(&f.loop) < 0)
		_exit(1);
	loop_timer_init(&f.timer, f.loop, count_and_repeat, &f);
	f.fired = 2;
	loop_timer_set(&f.timer, now + 10 * NS_PER_MS);
	/* and a deadline is one of the same clock, not an hour late. */
	alarm(2);
	loop_run(f.loop);
	loop_free(f.loop);
	_exit(f.fired == 3 ? 0 : 2);
}

/* A machine that slept is one whose boot-time clock is ahead of the monotonic one. */
static void time_goes_on_through_suspend(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		int fd;

		if (unshare(CLONE_NEWTIME) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWTIME) < 0)
			_exit(3);
		fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "boottime 3700 0\n", 16) != 16)
			_exit(4);
		pid = fork(); /* children are in it */
		if (!pid)
			spend_in_suspension();
		waitpid(pid, &status, 0);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 5);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_in_order_and_can_be_cleared),
		cmocka_unit_test(a_watch_tells_of_data),
		cmocka_unit_test(time_is_fresh_after_a_sleep),
		cmocka_unit_test(a_signal_arrives_on_the_loop),
		cmocka_unit_test(time_goes_on_through_suspend),
		cmocka_unit_test(what_cannot_be_called_off_does_not_hold_the_end_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
