#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/timerheap.h"

#define NODES 200

static void first_is_always_the_earliest(void **state)
{
	static struct timer_node nodes[NODES];
	struct timer_heap heap;
	uint64_t earliest;
	size_t step, i;

	(void)state;
	srand(3);
	timer_heap_init(&heap);
	for (step = 0; step < 5000; step++) {
		struct timer_node *node = &nodes[rand() % NODES];

		if (rand() % 3)
			assert_int_equal(timer_heap_set(&heap, node, (uint64_t)rand() % 1000), 0);
		else
			timer_heap_remove(&heap, node);
		earliest = CLOCK_NEVER;
		for (i = 0; i < NODES; i++) {
			if (timer_node_queued(&nodes[i]) && nodes[i].deadline_ns < earliest)
				earliest = nodes[i].deadline_ns;
		}
		assert_true(timer_heap_next_ns(&heap) == earliest);
	}
	timer_heap_clear(&heap);
}

static void removing_twice_is_harmless(void **state)
{
	struct timer_node node = { 0 };
	struct timer_heap heap;

	(void)state;
	timer_heap_init(&heap);
	assert_null(timer_heap_first(&heap));
	assert_int_equal(timer_heap_set(&heap, &node, 5), 0);
	timer_heap_remove(&heap, &node);
	timer_heap_remove(&heap, &node);
	assert_false(timer_node_queued(&node));
	assert_true(timer_heap_next_ns(&heap) == CLOCK_NEVER);
	timer_heap_clear(&heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_is_always_the_earliest),
		cmocka_unit_test(removing_twice_is_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
