#ifndef WARREN_BASE_QUEUE_H
#define WARREN_BASE_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Records from one thread to another: a bounded byte ring with one writer and one reader. It is
 * lock-free, and wakes the reader at most once until that begins to read.
 */
struct queue {
	uint8_t *ring;
	size_t size;
	int wake_fd;                     /* eventfd of the reader, borrowed */
	_Alignas(64) atomic_size_t head; /* written by the writer */
	_Alignas(64) atomic_size_t tail; /* written by the reader */
	atomic_bool signalled;
	atomic_uint_least64_t dropped;
};

/* size: bytes, a power of two. 0 or -ENOMEM. */
int queue_init(struct queue *queue, size_t size, int wake_fd);
void queue_clear(struct queue *queue);
/*
 * Appends one record: a fixed part and then data. False when there is no room; counted. Both are
 * aligned to 16 bytes as far as the fixed part's size allows.
 */
bool queue_push(struct queue *queue, const void *fixed, size_t fixed_len, const void *data,
		size_t data_len);
/* To be called before reading until empty, so that later records wake again. */
void queue_begin(struct queue *queue);
/* The oldest record, valid until queue_pop and writable until then; NULL when empty. */
void *queue_peek(struct queue *queue);
void queue_pop(struct queue *queue);

#endif
