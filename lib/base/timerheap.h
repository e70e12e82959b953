#ifndef WARREN_BASE_TIMERHEAP_H
#define WARREN_BASE_TIMERHEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A binary min-heap of deadlines. Nodes are embedded in their owners; the heap holds pointers.
 * Inserting may allocate; moving and removing never do.
 */
struct timer_node {
	uint64_t deadline_ns;
	size_t pos; /* place in the heap + 1; 0 when not queued */
};

struct timer_heap {
	struct timer_node **nodes;
	size_t count;
	size_t cap;
};

void timer_heap_init(struct timer_heap *heap);
/* Frees the array; nodes stay the property of their owners and must not be used with it again. */
void timer_heap_clear(struct timer_heap *heap);
/* Queues node, or moves it when it is queued already. 0 or -ENOMEM (node unchanged). */
int timer_heap_set(struct timer_heap *heap, struct timer_node *node, uint64_t deadline_ns);
/* No-op for a node that is not queued. */
void timer_heap_remove(struct timer_heap *heap, struct timer_node *node);
/* The earliest node or NULL; stays queued. */
struct timer_node *timer_heap_first(const struct timer_heap *heap);
/* The earliest deadline, or CLOCK_NEVER. */
uint64_t timer_heap_next_ns(const struct timer_heap *heap);
bool timer_node_queued(const struct timer_node *node);

#endif
