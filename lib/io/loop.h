#ifndef WARREN_IO_LOOP_H
#define WARREN_IO_LOOP_H

#include <stdint.h>
#include <uv.h>

#include "base/timerheap.h"

/*
 * One event loop of a program: libuv for descriptors and signals, and one timerfd on CLOCK_BOOTTIME
 * that serves any number of timers, so that deadlines count through suspend. Single-threaded.
 */
struct loop;

/* 0 or -errno; *loop is the caller's to free. */
int loop_new(struct loop **loop);
/*
 * Stops and frees everything; watches and timers must have been cleared by their owners. Accepts
 * NULL. 0, or -EBUSY when a name look-up is still under way after LOOP_FREE_LIMIT_MS, since the C
 * library gives none back: then the loop stays as it is, may be freed later, and a program that
 * ends does so by _exit, because libuv waits for its threads at exit.
 */
#define LOOP_FREE_LIMIT_MS 500
int loop_free(struct loop *loop);
/* Runs until loop_stop. 0 or -errno. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/*
 * Calls back after this program did not run for a while (see base/absence.h), before the timers
 * that came due meanwhile. 0 or -errno.
 */
int loop_on_return(struct loop *loop, void (*back)(void *arg, uint64_t away_ns), void *arg);
/* The time of this turn: read from the clock once after each sleep. */
uint64_t loop_now_ns(struct loop *loop);
/* For libraries that attach themselves (libwebsockets). */
uv_loop_t *loop_uv(struct loop *loop);

/* A timer embedded in its owner. Zero-initialise, then loop_timer_init. */
struct loop_timer {
	struct timer_node node; /* first: the heap's node is the timer */
	struct loop *loop;
	void (*fire)(void *arg, uint64_t now_ns);
	void *arg;
};

void loop_timer_init(struct loop_timer *timer, struct loop *loop,
		     void (*fire)(void *arg, uint64_t now_ns), void *arg);
/* Absolute deadline; CLOCK_NEVER clears; a deadline in the past fires in the next turn. */
void loop_timer_set(struct loop_timer *timer, uint64_t deadline_ns);
void loop_timer_clear(struct loop_timer *timer);

/* A watched descriptor. events and revents are UV_READABLE | UV_WRITABLE. */
struct loop_watch;

/* The descriptor stays the caller's and must outlive the watch. 0 or -errno. */
int loop_watch_new(struct loop_watch **watch, struct loop *loop, int fd, int events,
		   void (*ready)(void *arg, int revents), void *arg);
int loop_watch_events(struct loop_watch *watch, int events);
/* Ends the watch at once; no callback comes after it. Accepts NULL. */
void loop_watch_free(struct loop_watch *watch);

/* Calls ready once for every signal received; ends with the loop. 0 or -errno. */
int loop_signal(struct loop *loop, int signum, void (*ready)(void *arg, int signum), void *arg);

#endif
