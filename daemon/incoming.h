#ifndef WARREN_DAEMON_INCOMING_H
#define WARREN_DAEMON_INCOMING_H

#include <stddef.h>
#include <stdint.h>

struct device;
struct dp_path;

/*
 * Handshake messages on their way in: a bounded queue worked off a few at a time, so that data and
 * timers come between, and the load mode that asks for cookies when the queue grows.
 */
struct incoming;

#define INCOMING_QUEUE_MAX  4096
#define INCOMING_LOAD_FROM  512
#define INCOMING_STICKY_NS  1000000000ULL /* load lasts at least this long */
#define INCOMING_TURN_COUNT 16            /* messages of one turn of the loop */

/* NULL when out of memory. */
struct incoming *incoming_new(struct device *device);
/* Accepts NULL. */
void incoming_free(struct incoming *incoming);
/* Checks type and mac1, then queues a copy. */
void incoming_push(struct incoming *incoming, const uint8_t *data, size_t len,
		   const struct dp_path *from);

#endif
