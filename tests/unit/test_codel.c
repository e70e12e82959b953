#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "proto/codel.h"

#define BAD   CODEL_TARGET_NS
#define GOOD  (CODEL_TARGET_NS - 1)
#define START (1000 * NS_PER_S)

static struct codel codel;

static int setup(void **state)
{
	(void)state;
	memset(&codel, 0, sizeof(codel));
	return 0;
}

/* Packets leave at both sides of the deadline; only the later one is signalled. */
static void expect_signal_at(uint64_t at_ns)
{
	assert_false(codel_leave(&codel, BAD, at_ns - 1));
	assert_true(codel_leave(&codel, BAD, at_ns));
	assert_false(codel_leave(&codel, BAD, at_ns));
}

static void test_signals_after_an_interval(void **state)
{
	(void)state;
	assert_false(codel_leave(&codel, BAD, START));
	expect_signal_at(START + CODEL_INTERVAL_NS);
}

static void test_below_target_is_no_queue(void **state)
{
	(void)state;
	for (uint64_t t = 0; t < 10 * NS_PER_S; t += NS_PER_MS)
		assert_false(codel_leave(&codel, GOOD, START + t));
}

static void test_one_good_packet_starts_the_interval_again(void **state)
{
	const uint64_t good = START + CODEL_INTERVAL_NS - 1;

	(void)state;
	assert_false(codel_leave(&codel, BAD, START));
	assert_false(codel_leave(&codel, GOOD, good));
	assert_false(codel_leave(&codel, BAD, good + 1));
	expect_signal_at(good + 1 + CODEL_INTERVAL_NS);
}

/* Interval / sqrt(count): 100 ms, 70.7, 57.7, 50, 44.7, ... */
static void test_signals_come_faster(void **state)
{
	static const uint64_t gap[] = {
		100000000, 70710678, 57735026, 50000000, 44721359, 40824829
	};
	uint64_t at = START + CODEL_INTERVAL_NS;

	(void)state;
	assert_false(codel_leave(&codel, BAD, START));
	assert_true(codel_leave(&codel, BAD, at));
	for (size_t i = 0; i < sizeof(gap) / sizeof(gap[0]); i++) {
		at += gap[i];
		expect_signal_at(at);
	}
}

/* Packets that leave late do not shift the schedule: what was missed is made up for. */
static void test_schedule_does_not_drift(void **state)
{
	uint64_t first = START + CODEL_INTERVAL_NS;

	(void)state;
	assert_false(codel_leave(&codel, BAD, START));
	assert_true(codel_leave(&codel, BAD, first));
	assert_true(codel_leave(&codel, BAD, first + 180000000));  /* due at 100 */
	assert_true(codel_leave(&codel, BAD, first + 180000000));  /* due at 170.7 */
	assert_false(codel_leave(&codel, BAD, first + 180000000)); /* due at 228.4 */
	expect_signal_at(first + 100000000 + 70710678 + 57735026);
}

/* Signals until the count is n, as late as they are due; returns the time of the last. */
static uint64_t signal_until(uint32_t n)
{
	uint64_t at = START + CODEL_INTERVAL_NS;

	assert_false(codel_leave(&codel, BAD, START));
	assert_true(codel_leave(&codel, BAD, at));
	while (codel.count < n) {
		at = codel.next_ns;
		assert_true(codel_leave(&codel, BAD, at));
	}
	return at;
}

static void test_goes_on_at_the_rate_reached(void **state)
{
	uint64_t at = signal_until(5) + 1;

	(void)state;
	assert_false(codel_leave(&codel, GOOD, at));
	assert_false(codel_leave(&codel, BAD, at));
	assert_true(codel_leave(&codel, BAD, at + CODEL_INTERVAL_NS));
	/* 5 less the 1 it began with. */
	expect_signal_at(at + CODEL_INTERVAL_NS + 50000000);
	assert_int_equal(codel.count, 5);
}

static void test_forgets_the_rate_after_sixteen_intervals(void **state)
{
	uint64_t next;
	uint64_t at;

	(void)state;
	signal_until(5);
	next = codel.next_ns;
	assert_false(codel_leave(&codel, GOOD, next));
	at = next + 15 * CODEL_INTERVAL_NS;
	assert_false(codel_leave(&codel, BAD, at));
	assert_true(codel_leave(&codel, BAD, at + CODEL_INTERVAL_NS));
	assert_int_equal(codel.count, 1);
}

static void test_remembers_the_rate_until_then(void **state)
{
	uint64_t next;
	uint64_t at;

	(void)state;
	signal_until(5);
	next = codel.next_ns;
	assert_false(codel_leave(&codel, GOOD, next));
	at = next + 15 * CODEL_INTERVAL_NS - 1;
	assert_false(codel_leave(&codel, BAD, at));
	assert_true(codel_leave(&codel, BAD, at + CODEL_INTERVAL_NS));
	assert_int_equal(codel.count, 4);
}

/* A queue that stands for hours neither overflows nor divides by zero. */
static void test_highest_count(void **state)
{
	(void)state;
	signal_until(3);
	codel.count = UINT32_MAX;
	assert_true(codel_leave(&codel, BAD, codel.next_ns));
	assert_int_equal(codel.count, UINT32_MAX);
	assert_true(codel_leave(&codel, UINT64_MAX, codel.next_ns));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_signals_after_an_interval, setup),
		cmocka_unit_test_setup(test_below_target_is_no_queue, setup),
		cmocka_unit_test_setup(test_one_good_packet_starts_the_interval_again, setup),
		cmocka_unit_test_setup(test_signals_come_faster, setup),
		cmocka_unit_test_setup(test_schedule_does_not_drift, setup),
		cmocka_unit_test_setup(test_goes_on_at_the_rate_reached, setup),
		cmocka_unit_test_setup(test_forgets_the_rate_after_sixteen_intervals, setup),
		cmocka_unit_test_setup(test_remembers_the_rate_until_then, setup),
		cmocka_unit_test_setup(test_highest_count, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
