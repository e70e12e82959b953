#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/clock_skew.h"

#define NOW 1800000000u

static void a_wrong_clock_is_told_in_fitting_units(void **state)
{
	char text[CLOCK_SKEW_TEXT_SIZE] = "";

	(void)state;
	assert_false(clock_skew_text(text, NOW, NOW));
	assert_false(clock_skew_text(text, NOW + 60, NOW));
	assert_true(clock_skew_text(text, NOW + 61, NOW));
	assert_string_equal(text, "61 s");
	assert_true(clock_skew_text(text, NOW - 600, NOW));
	assert_string_equal(text, "600 s");
	assert_true(clock_skew_text(text, NOW - 3 * 3600, NOW));
	assert_string_equal(text, "3 h");
	assert_true(clock_skew_text(text, NOW + 400 * 86400, NOW));
	assert_string_equal(text, "400 d");
	assert_true(clock_skew_text(text, 0, UINT64_MAX)); /* whatever a coordinator says */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wrong_clock_is_told_in_fitting_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
