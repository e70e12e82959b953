#include "base/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Every record begins with its size; SKIP sends the reader back to the start of the ring. */
#define SKIP   UINT32_MAX
#define ALIGN  16
#define PREFIX ALIGN

int queue_init(struct queue *queue, size_t size, int wake_fd)
{
	uint8_t *ring = aligned_alloc(64, size);

	if (!ring)
		return -ENOMEM;
	*queue = (struct queue){ .ring = ring, .size = size, .wake_fd = wake_fd };
	return 0;
}

void queue_clear(struct queue *queue)
{
	free(queue->ring);
	queue->ring = NULL;
}

static void wake(struct queue *queue)
{
	uint64_t one = 1;

	/* One system call until the reader begins to read. */
	if (atomic_exchange(&queue->signalled, true))
		return;
	if (write(queue->wake_fd, &one, sizeof(one)) < 0)
		return; /* the counter is at its end, which wakes as well */
}

bool queue_push(struct queue *queue, const void *fixed, size_t fixed_len, const void *data,
		size_t data_len)
{
	size_t head = atomic_load_explicit(&queue->head, memory_order_relaxed);
	size_t tail = atomic_load_explicit(&queue->tail, memory_order_acquire);
	size_t size = (PREFIX + fixed_len + data_len + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	size_t at = head & (queue->size - 1);
	size_t skip = at + size > queue->size ? queue->size - at : 0;
	uint32_t mark;

	if (head - tail + skip + size > queue->size) {
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
	memcpy(queue->ring + at + PREFIX, fixed, fixed_len);
	if (data_len)
		memcpy(queue->ring + at + PREFIX + fixed_len, data, data_len);
	atomic_store_explicit(&queue->head, head + skip + size, memory_order_release);
	wake(queue);
	return true;
}

void queue_begin(struct queue *queue)
{
	atomic_store(&queue->signalled, false);
}

/* The size of the record at tail, after stepping over a SKIP; 0 when empty. */
static size_t front(struct queue *queue)
{
	size_t head = atomic_load_explicit(&queue->head, memory_order_acquire);
	size_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
	size_t at = tail & (queue->size - 1);
	uint32_t mark;

	if (head == tail)
		return 0;
	memcpy(&mark, queue->ring + at, sizeof(mark));
	if (mark != SKIP)
		return mark;
	atomic_store_explicit(&queue->tail, tail + queue->size - at, memory_order_release);
	memcpy(&mark, queue->ring, sizeof(mark));
	return mark;
}

void *queue_peek(struct queue *queue)
{
	size_t tail;

	if (!front(queue))
		return NULL;
	tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
	return queue->ring + (tail & (queue->size - 1)) + PREFIX;
}

void queue_pop(struct queue *queue)
{
	atomic_fetch_add_explicit(&queue->tail, front(queue), memory_order_release);
}
