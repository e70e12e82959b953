#ifndef WARREN_RELAY_BATCH_H
#define WARREN_RELAY_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/relay_server.h"

/*
 * Datagrams on their way out: copied, and joined while they go to one place with one size, so that
 * one system call and one pass through the kernel carry many.
 */
struct batch;

/* NULL when out of memory. */
struct batch *batch_new(void);
/* Accepts NULL. */
void batch_free(struct batch *batch);
/* Sends what waits on fd first when there is no room. tos: the IP byte. */
void batch_add(struct batch *batch, int fd, const struct relay_address *to, const uint8_t *data,
	       size_t len, uint8_t tos);
/* Sends everything. What the kernel does not take is lost, as datagrams may be. */
void batch_flush(struct batch *batch);

#endif
