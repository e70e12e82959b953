#ifndef WARREN_DAEMON_SPEED_CONNECTION_H
#define WARREN_DAEMON_SPEED_CONNECTION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/*
 * One connection of a measurement, served by a thread of its own, since it keeps a core busy and
 * the control thread has other things to do.
 */
struct speed_connection {
	int fd;              /* closed by speed_connection_end */
	int done_fd;         /* an eventfd that is written when the thread is done */
	atomic_int *load_ms; /* what is left of the measurement's load */
	pthread_t thread;
	bool running;
	atomic_bool done;
};

/* Takes over fd, which is blocking. 0 or -errno; fd is then closed. */
int speed_connection_begin(struct speed_connection *connection, int fd, int done_fd,
			   atomic_int *load_ms);
/* Breaks it off if it still runs, and waits for that. */
void speed_connection_end(struct speed_connection *connection);

#endif
