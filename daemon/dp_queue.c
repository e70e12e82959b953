#include "daemon/dp_queue.h"

_Static_assert((DP_QUEUE_SIZE & (DP_QUEUE_SIZE - 1)) == 0, "a power of two");

int dp_queue_init(struct dp_queue *queue, int wake_fd)
{
	return queue_init(&queue->queue, DP_QUEUE_SIZE, wake_fd);
}

void dp_queue_clear(struct dp_queue *queue)
{
	queue_clear(&queue->queue);
}

bool dp_queue_push(struct dp_queue *queue, const struct dp_event *event, const uint8_t *data)
{
	return queue_push(&queue->queue, event, sizeof(*event), data, event->len);
}

void dp_queue_begin(struct dp_queue *queue)
{
	queue_begin(&queue->queue);
}

const struct dp_event *dp_queue_peek(struct dp_queue *queue)
{
	return queue_peek(&queue->queue);
}

void dp_queue_pop(struct dp_queue *queue)
{
	queue_pop(&queue->queue);
}
