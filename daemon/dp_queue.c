#include "daemon/dp_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Every record begins with its size; SKIP sends the reader back to the start of the ring. */
#define SKIP   UINT32_MAX
#define ALIGN  16
#define MASK   (DP_QUEUE_SIZE - 1)
#define PREFIX ALIGN

_Static_assert((DP_QUEUE_SIZE & MASK) == 0, "a power of two");

int dp_queue_init(struct dp_queue *queue, int wake_fd)
{
	uint8_t *ring = aligned_alloc(64, DP_QUEUE_SIZE);

	if (!ring)
		return -ENOMEM;
	*queue = (struct dp_queue){ .ring = ring, .wake_fd = wake_fd };
	return 0;
}

void dp_queue_clear(struct dp_queue *queue)
{
	free(queue->ring);
	queue->ring = NULL;
}

static size_t record_size(const struct dp_event *event)
{
	return (PREFIX + sizeof(*event) + event->len + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static void wake(struct dp_queue *queue)
{
	uint64_t one = 1;

	/* One system call until the reader begins to read. */
	if (atomic_exchange(&queue->signalled, true))
		return;
	if (write(queue->wake_fd, &one, sizeof(one)) < 0)
		return; /* the counter is at its end, which wakes as well */
}

bool dp_queue_push(struct dp_queue *queue, const struct dp_event *event, const uint8_t *data)
{
	size_t head = atomic_load_explicit(&queue->head, memory_order_relaxed);
	size_t tail = atomic_load_explicit(&queue->tail, memory_order_acquire);
	size_t size = record_size(event);
	size_t at = head & MASK;
	size_t skip = at + size > DP_QUEUE_SIZE ? DP_QUEUE_SIZE - at : 0;
	uint32_t mark;

	if (head - tail + skip + size > DP_QUEUE_SIZE) {
		atomic_fetch_add_explicit(&queue->dropped, 1, memory_order_relaxed);
		return false;
	}
	if (skip) {
		mark = SKIP;
		memcpy(queue->ring + at, &mark, sizeof(mark));
		at = 0;
	}
	mark = (uint32_t)size;
	memcpy(queue->ring + at, &mark, sizeof(mark));
	memcpy(queue->ring + at + PREFIX, event, sizeof(*event));
	if (event->len)
		memcpy(queue->ring + at + PREFIX + sizeof(*event), data, event->len);
	atomic_store_explicit(&queue->head, head + skip + size, memory_order_release);
	wake(queue);
	return true;
}

void dp_queue_begin(struct dp_queue *queue)
{
	atomic_store(&queue->signalled, false);
}

/* The size of the record at tail, after stepping over a SKIP; 0 when empty. */
static size_t front(struct dp_queue *queue)
{
	size_t head = atomic_load_explicit(&queue->head, memory_order_acquire);
	size_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
	uint32_t mark;

	if (head == tail)
		return 0;
	memcpy(&mark, queue->ring + (tail & MASK), sizeof(mark));
	if (mark != SKIP)
		return mark;
	tail += DP_QUEUE_SIZE - (tail & MASK);
	atomic_store_explicit(&queue->tail, tail, memory_order_release);
	memcpy(&mark, queue->ring, sizeof(mark));
	return mark;
}

const struct dp_event *dp_queue_peek(struct dp_queue *queue)
{
	if (!front(queue))
		return NULL;
	return (const void *)(queue->ring +
			      (atomic_load_explicit(&queue->tail, memory_order_relaxed) & MASK) +
			      PREFIX);
}

void dp_queue_pop(struct dp_queue *queue)
{
	atomic_fetch_add_explicit(&queue->tail, front(queue), memory_order_release);
}
