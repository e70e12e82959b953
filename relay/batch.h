#ifndef WARREN_RELAY_BATCH_H
#define WARREN_RELAY_BATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/relay_server.h"

/*
 * Datagrams on their way out of one socket: what goes to one place with one size is joined, also
 * when packets for others came between, so that one system call and one pass through the kernel
 * carry many. What goes to one place stays in order.
 */
struct batch;

/* Packets back to back for one place: each of segment bytes, the last may be shorter. */
struct batch_run {
	const struct relay_address *to;
	atomic_int *gso_error; /* as in udp_route, to be remembered for the place; may be NULL */
	const uint8_t *data;
	size_t len;
	size_t segment;
	uint8_t tos; /* the IP byte */
};

/* fd may be -1: then everything is dropped. NULL when out of memory. */
struct batch *batch_new(int fd);
/* Accepts NULL. */
void batch_free(struct batch *batch);
/*
 * Sends first when there is no room. Of a run of several packets only the pointer is kept: data and
 * gso_error must live until batch_flush. Single packets are copied.
 */
void batch_add(struct batch *batch, const struct batch_run *run);
/* Whether data of what was added lies where it was. */
bool batch_borrows(const struct batch *batch);
/* Sends everything. What the kernel does not take is lost, as datagrams may be. */
void batch_flush(struct batch *batch);

#endif
