#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/rng.h"
#include "proto/replay.h"

#define LIM (REPLAY_WINDOW + 1)

static struct replay window;

static int setup(void **state)
{
	(void)state;
	replay_init(&window);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	replay_clear(&window);
	return 0;
}

static void again(void)
{
	replay_clear(&window);
	replay_init(&window);
}

static void expect(uint64_t counter, bool accepted)
{
	if (replay_accept(&window, counter) != accepted)
		fail_msg("counter %llu was %s", (unsigned long long)counter,
			 accepted ? "refused" : "accepted");
}

/* Every edge: first, repeated, out of order, at the window's end, far jumps. */
static void test_edges(void **state)
{
	(void)state;
	expect(0, true);
	expect(1, true);
	expect(1, false);
	expect(9, true);
	expect(8, true);
	expect(7, true);
	expect(7, false);
	expect(LIM, true);
	expect(LIM - 1, true);
	expect(LIM - 1, false);
	expect(LIM - 2, true);
	expect(2, true);
	expect(2, false);
	expect(LIM + 16, true);
	expect(3, false);
	expect(LIM + 16, false);
	expect(LIM * 4, true);
	expect(LIM * 4 - (LIM - 1), true);
	expect(10, false);
	expect(LIM * 4 - LIM, false);
	expect(LIM * 4 - (LIM + 1), false);
	expect(LIM * 4 - (LIM - 2), true);
	expect(LIM * 4 + 1 - LIM, false);
	expect(0, false);
}

/* Ten thousand sessions that only say they are there must not hold ten thousand windows. */
static void test_few_counters_need_no_window(void **state)
{
	(void)state;
	for (uint64_t i = 64; i-- > 0;)
		expect(i, true);
	expect(63, false);
	expect(0, false);
	assert_null(window.bits);
	expect(64, true);
	assert_non_null(window.bits);
	/* What was marked before is still. */
	for (uint64_t i = 0; i <= 64; i++)
		expect(i, false);
	expect(REPLAY_WINDOW + 65, true);
	expect(64, false);
}

/* 2^64 - 2^13 - 1 ends a key: counters are 64 bits wide and never wrap. */
static void test_limit(void **state)
{
	(void)state;
	assert_true(REPLAY_COUNTER_LIMIT == UINT64_MAX - (1ULL << 13));
	expect(REPLAY_COUNTER_LIMIT, false);
	expect(UINT64_MAX, false);
	expect(0, true);
	expect(REPLAY_COUNTER_LIMIT - 1, true);
	expect(REPLAY_COUNTER_LIMIT, false);
	expect(REPLAY_COUNTER_LIMIT - 1, false);
	expect(REPLAY_COUNTER_LIMIT - 2, true);
	expect(0, false);
	expect(1, false);
}

static void test_wider_than_32_bits(void **state)
{
	(void)state;
	expect(5, true);
	expect((1ULL << 32) + 5, true);
	expect((1ULL << 32) + 5, false);
	expect(5, false);
	expect(6, false);
}

static void test_forwards_and_backwards(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= REPLAY_WINDOW; i++)
		expect(i, true);
	expect(0, true);
	expect(0, false);
	again();
	for (uint64_t i = 2; i <= REPLAY_WINDOW + 1; i++)
		expect(i, true);
	expect(1, true);
	expect(0, false);
	again();
	for (uint64_t i = REPLAY_WINDOW + 1; i-- > 0;)
		expect(i, true);
	again();
	for (uint64_t i = REPLAY_WINDOW + 2; i-- > 1;)
		expect(i, true);
	expect(0, false);
	again();
	for (uint64_t i = REPLAY_WINDOW + 1; i-- > 1;)
		expect(i, true);
	expect(REPLAY_WINDOW + 1, true);
	expect(0, false);
	again();
	for (uint64_t i = REPLAY_WINDOW + 1; i-- > 1;)
		expect(i, true);
	expect(0, true);
	expect(REPLAY_WINDOW + 1, true);
}

/* Against the plainest thing that could be right: a list of all counters seen. */
static void test_against_oracle(void **state)
{
	enum { SPAN = 40000 };
	static bool seen[SPAN];
	struct rng_seeded seeded;
	struct rng rng;
	uint64_t top = 0, counter;
	bool any = false, expected;

	(void)state;
	memset(seen, 0, sizeof(seen));
	rng_seeded_init(&seeded, 42);
	rng = rng_from_seeded(&seeded);
	for (int i = 0; i < 60000; i++) {
		/* Near the top mostly, sometimes anywhere, sometimes a jump ahead. */
		counter = top + rng_below(&rng, 4);
		if (rng_below(&rng, 2))
			counter -= rng_below(&rng, counter < 9000 ? (uint32_t)counter + 1 : 9000);
		if (rng_below(&rng, 2000) == 0)
			counter += rng_below(&rng, 9000);
		if (counter >= SPAN)
			break;
		expected =
			!seen[counter] && (!any || counter > top || top - counter <= REPLAY_WINDOW);
		expect(counter, expected);
		if (expected) {
			seen[counter] = true;
			any = true;
			top = counter > top ? counter : top;
		}
	}
	assert_true(top > 3 * REPLAY_WINDOW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_edges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_few_counters_need_no_window, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wider_than_32_bits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forwards_and_backwards, setup, teardown),
		cmocka_unit_test_setup_teardown(test_against_oracle, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
