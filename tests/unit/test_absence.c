#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/absence.h"
#include "base/clock.h"

#define LEAST (ABSENCE_MIN_MS * NS_PER_MS)

static const uint64_t start = 5000 * NS_PER_S;

static void test_time_that_passes_is_no_absence(void **state)
{
	struct absence a = { 0 };

	(void)state;
	assert_int_equal(absence_note(&a, start, start - 70, CLOCK_NEVER), 0);
	assert_int_equal(absence_note(&a, start + 3600 * NS_PER_S, start + 3600 * NS_PER_S - 90,
				      CLOCK_NEVER),
			 0);
	assert_int_equal(absence_note(&a, start + 3700 * NS_PER_S, start + 3700 * NS_PER_S - 70,
				      start + 3700 * NS_PER_S - 5 * NS_PER_MS),
			 0);
}

static void test_sleep_shows_between_the_clocks(void **state)
{
	struct absence a = { 0 };
	uint64_t now = start, slept = 3600 * NS_PER_S;

	(void)state;
	assert_int_equal(absence_note(&a, now, now, CLOCK_NEVER), 0);
	now += NS_PER_S;
	assert_int_equal(absence_note(&a, now + LEAST - 1, now, CLOCK_NEVER), 0);
	/* Little by little is as much in the end. */
	assert_int_equal(absence_note(&a, now + LEAST, now, CLOCK_NEVER), LEAST);
	assert_int_equal(absence_note(&a, now + LEAST, now, CLOCK_NEVER), 0);
	assert_int_equal(absence_note(&a, now + LEAST + slept, now, CLOCK_NEVER), slept);
	assert_int_equal(absence_note(&a, now + LEAST + slept, now, CLOCK_NEVER), 0);
}

static void test_a_stopped_process_finds_its_timers_late(void **state)
{
	struct absence a = { 0 };

	(void)state;
	assert_int_equal(absence_note(&a, start, start, start), 0);
	assert_int_equal(absence_note(&a, start + LEAST - 1, start + LEAST - 1, start), 0);
	assert_int_equal(absence_note(&a, start + LEAST, start + LEAST, start), LEAST);
	assert_int_equal(absence_note(&a, start + 9 * NS_PER_S, start + 9 * NS_PER_S, start),
			 9 * NS_PER_S);
}

static void test_the_longer_of_both_counts(void **state)
{
	struct absence a = { 0 };

	(void)state;
	absence_note(&a, start, start, CLOCK_NEVER);
	assert_int_equal(absence_note(&a, start + 60 * NS_PER_S, start, start + 40 * NS_PER_S),
			 60 * NS_PER_S);
	assert_int_equal(absence_note(&a, start + 125 * NS_PER_S, start + 61 * NS_PER_S,
				      start + 65 * NS_PER_S),
			 60 * NS_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time_that_passes_is_no_absence),
		cmocka_unit_test(test_sleep_shows_between_the_clocks),
		cmocka_unit_test(test_a_stopped_process_finds_its_timers_late),
		cmocka_unit_test(test_the_longer_of_both_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
