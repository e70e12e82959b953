#ifndef WARREN_DAEMON_DP_QUEUE_H
#define WARREN_DAEMON_DP_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/queue.h"
#include "daemon/dataplane.h"

/*
 * Events from one engine to the control thread, in a bounded ring with one writer and one reader.
 * They name peers and keypairs by number, because either may be gone when the event is read.
 */
enum dp_event_kind {
	DP_EVENT_NEED_SESSION,
	DP_EVENT_HANDSHAKE,
	DP_EVENT_OTHER,
	DP_EVENT_CONFIRMED,
	DP_EVENT_PATH_SEEN,
	DP_EVENT_ACTIVITY,
	DP_EVENT_GSO_OFF,
	DP_EVENT_STREAM,
	DP_EVENT_LARGE,   /* a large packet was sent, see dp_path_mtu.c */
	DP_EVENT_MESSAGE, /* followed by a struct peer_message */
	DP_EVENT_INPUT,   /* control thread to itself: a packet that a stream brought */
};

struct dp_event {
	enum dp_event_kind kind;
	unsigned int notices; /* DP_EVENT_ACTIVITY */
	int error;            /* DP_EVENT_GSO_OFF */
	uint64_t peer_id;
	uint32_t local_index; /* DP_EVENT_CONFIRMED */
	uint32_t stream;      /* DP_EVENT_STREAM */
	struct dp_path path;
	size_t len; /* of data that follows */
};

#define DP_QUEUE_SIZE (512U * 1024)

struct dp_queue {
	struct queue queue;
};

/* 0 or -ENOMEM. */
int dp_queue_init(struct dp_queue *queue, int wake_fd);
void dp_queue_clear(struct dp_queue *queue);
/* False when there is no room; counted. data: event->len bytes. */
bool dp_queue_push(struct dp_queue *queue, const struct dp_event *event, const uint8_t *data);
/* To be called before reading until empty, so that later events wake again. */
void dp_queue_begin(struct dp_queue *queue);
/* NULL when empty. The event is followed by its data and valid until dp_queue_pop. */
const struct dp_event *dp_queue_peek(struct dp_queue *queue);
void dp_queue_pop(struct dp_queue *queue);

#endif
