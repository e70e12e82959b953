#include "base/timerheap.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"

void timer_heap_init(struct timer_heap *heap)
{
	*heap = (struct timer_heap){ 0 };
}

void timer_heap_clear(struct timer_heap *heap)
{
	free(heap->nodes);
	timer_heap_init(heap);
}

static void place(struct timer_heap *heap, struct timer_node *node, size_t i)
{
	heap->nodes[i] = node;
	node->pos = i + 1;
}

static void sift_up(struct timer_heap *heap, struct timer_node *node, size_t i)
{
	while (i > 0) {
		size_t parent = (i - 1) / 2;

		if (heap->nodes[parent]->deadline_ns <= node->deadline_ns)
			break;
		place(heap, heap->nodes[parent], i);
		i = parent;
	}
	place(heap, node, i);
}

static void sift_down(struct timer_heap *heap, struct timer_node *node, size_t i)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= heap->count)
			break;
		if (child + 1 < heap->count &&
		    heap->nodes[child + 1]->deadline_ns < heap->nodes[child]->deadline_ns)
			child++;
		if (node->deadline_ns <= heap->nodes[child]->deadline_ns)
			break;
		place(heap, heap->nodes[child], i);
		i = child;
	}
	place(heap, node, i);
}

static void settle(struct timer_heap *heap, struct timer_node *node, size_t i)
{
	sift_up(heap, node, i);
	sift_down(heap, node, node->pos - 1);
}

int timer_heap_set(struct timer_heap *heap, struct timer_node *node, uint64_t deadline_ns)
{
	if (!node->pos) {
		if (heap->count == heap->cap) {
			size_t cap = heap->cap ? heap->cap * 2 : 16;
			struct timer_node **nodes = realloc(heap->nodes, cap * sizeof(*nodes));

			if (!nodes)
				return -ENOMEM;
			heap->nodes = nodes;
			heap->cap = cap;
		}
		place(heap, node, heap->count++);
	}
	node->deadline_ns = deadline_ns;
	settle(heap, node, node->pos - 1);
	return 0;
}

void timer_heap_remove(struct timer_heap *heap, struct timer_node *node)
{
	size_t i = node->pos;
	struct timer_node *last;

	if (!i)
		return;
	node->pos = 0;
	last = heap->nodes[--heap->count];
	if (last != node)
		settle(heap, last, i - 1);
}

struct timer_node *timer_heap_first(const struct timer_heap *heap)
{
	return heap->count ? heap->nodes[0] : NULL;
}

uint64_t timer_heap_next_ns(const struct timer_heap *heap)
{
	return heap->count ? heap->nodes[0]->deadline_ns : CLOCK_NEVER;
}

bool timer_node_queued(const struct timer_node *node)
{
	return node->pos != 0;
}
