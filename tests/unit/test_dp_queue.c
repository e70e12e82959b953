#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "daemon/dp_queue.h"
#include "tests/support/packet.h"

static int wake_fd;

static int setup(void **state)
{
	static struct dp_queue queue;

	wake_fd = eventfd(0, EFD_NONBLOCK);
	*state = &queue;
	return dp_queue_init(&queue, wake_fd);
}

static int teardown(void **state)
{
	dp_queue_clear(*state);
	close(wake_fd);
	return 0;
}

static bool woken(void)
{
	uint64_t count;

	return read(wake_fd, &count, sizeof(count)) == sizeof(count);
}

static void test_keeps_order_and_content(void **state)
{
	struct dp_queue *queue = *state;
	struct dp_event event = { .kind = DP_EVENT_OTHER };
	uint8_t data[3000];
	uint32_t write_seed = 1;
	uint32_t read_seed = 1;
	const struct dp_event *got;

	/* Often round the ring. */
	for (uint64_t i = 0; i < 5000; i++) {
		event.peer_id = i;
		event.len = packet_random(&write_seed) % sizeof(data);
		memset(data, (int)i, event.len);
		assert_true(dp_queue_push(queue, &event, data));
		if (i < 100)
			continue;
		got = dp_queue_peek(queue);
		assert_non_null(got);
		assert_int_equal(got->peer_id, i - 100);
		assert_int_equal(got->len, packet_random(&read_seed) % sizeof(data));
		memset(data, (int)(i - 100), got->len);
		assert_memory_equal(got + 1, data, got->len);
		dp_queue_pop(queue);
	}
	for (int i = 0; i < 100; i++) {
		assert_non_null(dp_queue_peek(queue));
		dp_queue_pop(queue);
	}
	assert_null(dp_queue_peek(queue));
}

static void test_a_full_queue_drops_and_counts(void **state)
{
	struct dp_queue *queue = *state;
	struct dp_event event = { .kind = DP_EVENT_STREAM, .len = 1400 };
	uint8_t data[1400] = { 0 };
	size_t taken = 0;
	size_t found = 0;

	while (dp_queue_push(queue, &event, data))
		taken++;
	assert_in_range(taken, 200, DP_QUEUE_SIZE / 1400);
	assert_int_equal(atomic_load(&queue->queue.dropped), 1);
	while (dp_queue_peek(queue)) {
		dp_queue_pop(queue);
		found++;
	}
	assert_int_equal(found, taken);
	assert_true(dp_queue_push(queue, &event, data));
}

static void test_wakes_once_until_read(void **state)
{
	struct dp_queue *queue = *state;
	struct dp_event event = { .kind = DP_EVENT_NEED_SESSION };

	assert_false(woken());
	dp_queue_push(queue, &event, NULL);
	assert_true(woken());
	dp_queue_push(queue, &event, NULL);
	assert_false(woken());
	dp_queue_begin(queue);
	dp_queue_push(queue, &event, NULL);
	assert_true(woken());
}

#define THREADED 200000

static void *write_many(void *arg)
{
	struct dp_event event = { .kind = DP_EVENT_OTHER };

	for (uint64_t i = 0; i < THREADED;) {
		event.peer_id = i;
		event.len = i % 50;
		if (dp_queue_push(arg, &event,
				  (const uint8_t *)"0123456789012345678901234567890123"
						   "4567890123456789"))
			i++;
	}
	return NULL;
}

static void test_one_thread_writes_while_another_reads(void **state)
{
	struct dp_queue *queue = *state;
	const struct dp_event *event;
	pthread_t writer;

	pthread_create(&writer, NULL, write_many, queue);
	for (uint64_t i = 0; i < THREADED;) {
		event = dp_queue_peek(queue);
		if (!event)
			continue;
		assert_int_equal(event->peer_id, i);
		assert_int_equal(event->len, i % 50);
		dp_queue_pop(queue);
		i++;
	}
	pthread_join(writer, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_keeps_order_and_content, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_full_queue_drops_and_counts, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_wakes_once_until_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_thread_writes_while_another_reads, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
