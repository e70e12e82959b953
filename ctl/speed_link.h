#ifndef WARREN_CTL_SPEED_LINK_H
#define WARREN_CTL_SPEED_LINK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/speed.h"

struct ip_addr;

/*
 * A connection to a node's measuring service (proto/speed.h). A descriptor; -EBUSY: it measures
 * with somebody else; -EPROTO: what answers is no such service; or -errno.
 */
int speed_link_open(const struct ip_addr *addresses, size_t count, const struct speed_hello *hello,
		    uint64_t timeout_ms);

/* One probe there and back on an echo connection, in milliseconds; negative: none came. */
double speed_link_echo(int fd);

/* A load in one direction, in a thread of its own. */
struct speed_load {
	int fd;
	struct speed_hello hello;
	atomic_ullong bytes; /* so far */
	atomic_bool done;
	int err;                    /* when done */
	struct speed_result result; /* as its receiver saw it */
	pthread_t thread;
};

/* Begins with fd that speed_link_open gave for the hello; 0 or -errno, fd is then closed. */
int speed_load_begin(struct speed_load *load, int fd, const struct speed_hello *hello);
/* Waits for the end and closes. 0 or -errno. */
int speed_load_end(struct speed_load *load);

#endif
