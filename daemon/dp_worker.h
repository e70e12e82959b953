#ifndef WARREN_DAEMON_DP_WORKER_H
#define WARREN_DAEMON_DP_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct dp_engine;

struct dp_socket;

/* A thread that runs one engine to completion: its TUN queue and its sockets. */
struct dp_worker {
	struct dp_engine *engine;
	pthread_t thread;
	int wake_fd; /* readable: to stop, or an adopted socket was released */
	int epoll_fd;
	uint32_t waits_for; /* the thread's: the adopted socket that has no room; 0: none */
	atomic_bool stopping;
	bool running;
};

/* 0 or -errno; the engine is borrowed. */
int dp_worker_start(struct dp_worker *worker, struct dp_engine *engine);
/* Waits for the thread. No-op when it does not run. */
void dp_worker_stop(struct dp_worker *worker);

/* While it runs: an adopted socket is served as well. 0 or -errno. */
int dp_worker_watch(struct dp_worker *worker, const struct dp_socket *socket);
/*
 * It is not any more, and may be closed after a grace period. The socket was taken from where
 * engines find it. No-op when the worker does not run.
 */
void dp_worker_unwatch(struct dp_worker *worker, const struct dp_socket *socket);

#endif
