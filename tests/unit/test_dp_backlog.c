#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "daemon/dp_backlog.h"
#include "daemon/dp_room.h"

#define START     (1000 * NS_PER_S)
#define STEP      NS_PER_MS
#define LARGE     DP_BACKLOG_LARGE
#define SMALL     (DP_BACKLOG_LARGE - 1)
#define UNTOLD    UINT64_MAX
#define STANDS_NS (CODEL_TARGET_NS + CODEL_INTERVAL_NS)

static struct dp_backlog backlog;

static int setup(void **state)
{
	(void)state;
	dp_backlog_init(&backlog);
	return 0;
}

static bool take(size_t len, uint64_t waited_ns, uint64_t now_ns)
{
	dp_backlog_turn(&backlog, now_ns);
	return dp_backlog_take(&backlog, len, waited_ns, now_ns);
}

/* Takes one every millisecond of [from, to). Returns how many were signalled. */
static unsigned int take_all(size_t len, uint64_t waited_ns, uint64_t from_ns, uint64_t to_ns)
{
	unsigned int signals = 0;

	for (uint64_t t = from_ns; t < to_ns; t += STEP)
		signals += take(len, waited_ns, t);
	return signals;
}

/* Never empty: the first signal comes when the wait can have been bad for an interval. */
static void test_never_empty(void **state)
{
	(void)state;
	assert_int_equal(take_all(LARGE, UNTOLD, START, START + STANDS_NS), 0);
	assert_true(take(LARGE, UNTOLD, START + STANDS_NS));
	assert_int_equal(take_all(LARGE, UNTOLD, START + STANDS_NS, START + 2 * STANDS_NS), 1);
}

static void test_empty_now_and_then(void **state)
{
	(void)state;
	for (uint64_t t = START; t < START + 20 * STANDS_NS; t += STANDS_NS - STEP) {
		assert_int_equal(take_all(LARGE, UNTOLD, t, t + STANDS_NS - STEP), 0);
		dp_backlog_emptied(&backlog);
	}
}

/* What comes after a long silence has not waited through it. */
static void test_silence_is_no_wait(void **state)
{
	(void)state;
	assert_false(take(LARGE, UNTOLD, START));
	dp_backlog_emptied(&backlog);
	assert_int_equal(take_all(LARGE, UNTOLD, START + NS_PER_S, START + NS_PER_S + STANDS_NS),
			 0);
}

/* Never empty, but short: the kernel's word counts. */
static void test_busy_but_short(void **state)
{
	(void)state;
	assert_int_equal(take_all(LARGE, CODEL_TARGET_NS - 1, START,
				  START + 20 * CODEL_INTERVAL_NS),
			 0);
}

/* A clock that jumped ahead makes no packet older than the queue. */
static void test_told_too_much(void **state)
{
	(void)state;
	for (uint64_t t = START; t < START + NS_PER_S; t += STEP) {
		assert_false(take(LARGE, NS_PER_S, t));
		dp_backlog_emptied(&backlog);
	}
}

static void test_small_ones_are_spared(void **state)
{
	(void)state;
	assert_int_equal(take_all(SMALL, UNTOLD, START, START + 2 * STANDS_NS), 0);
	assert_true(take(LARGE, UNTOLD, START + 2 * STANDS_NS));
	assert_false(take(LARGE, UNTOLD, START + 2 * STANDS_NS));
}

static void test_no_debt_of_a_queue_that_is_gone(void **state)
{
	(void)state;
	take_all(SMALL, UNTOLD, START, START + 2 * STANDS_NS);
	dp_backlog_emptied(&backlog);
	assert_false(take(LARGE, UNTOLD, START + 2 * STANDS_NS));
}

/* Five milliseconds' worth, within bounds. */
static void test_room_fits_the_rate(void **state)
{
	(void)state;
	/* 1 Gbit/s: 125 kB in a millisecond. */
	assert_int_equal(dp_room_fit(125000, NS_PER_MS), 625000);
	assert_int_equal(dp_room_fit(1250000, 10 * NS_PER_MS), 625000);
	/* 50 Mbit/s, and nothing at all. */
	assert_int_equal(dp_room_fit(62500, 10 * NS_PER_MS), DP_ROOM_MIN);
	assert_int_equal(dp_room_fit(0, NS_PER_S), DP_ROOM_MIN);
	/* 100 Gbit/s, and in no time. */
	assert_int_equal(dp_room_fit(12500000, NS_PER_MS), DP_ROOM_MAX);
	assert_int_equal(dp_room_fit(1, 0), DP_ROOM_MAX);
	assert_int_equal(dp_room_fit(UINT32_MAX, 1), DP_ROOM_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_never_empty, setup),
		cmocka_unit_test_setup(test_empty_now_and_then, setup),
		cmocka_unit_test_setup(test_silence_is_no_wait, setup),
		cmocka_unit_test_setup(test_busy_but_short, setup),
		cmocka_unit_test_setup(test_told_too_much, setup),
		cmocka_unit_test_setup(test_small_ones_are_spared, setup),
		cmocka_unit_test_setup(test_no_debt_of_a_queue_that_is_gone, setup),
		cmocka_unit_test(test_room_fits_the_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
