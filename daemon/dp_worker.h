#ifndef WARREN_DAEMON_DP_WORKER_H
#define WARREN_DAEMON_DP_WORKER_H

#include <pthread.h>
#include <stdbool.h>

struct dp_engine;

/* A thread that runs one engine to completion: its TUN queue and its two sockets. */
struct dp_worker {
	struct dp_engine *engine;
	pthread_t thread;
	int stop_fd;
	int epoll_fd;
	bool running;
};

/* 0 or -errno; the engine is borrowed. */
int dp_worker_start(struct dp_worker *worker, struct dp_engine *engine);
/* Waits for the thread. No-op when it does not run. */
void dp_worker_stop(struct dp_worker *worker);

#endif
