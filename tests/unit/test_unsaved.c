#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "daemon/unsaved.h"

static void one_file_that_was_written_says_nothing_of_others(void **state)
{
	struct unsaved unsaved = { 0 };

	(void)state;
	assert_null(unsaved_latest(&unsaved));
	unsaved_note(&unsaved, "map", -ENOSPC);
	unsaved_note(&unsaved, "timestamp", 0);
	assert_string_equal(unsaved_latest(&unsaved)->name, "map");
	assert_int_equal(unsaved_latest(&unsaved)->err, -ENOSPC);
	unsaved_note(&unsaved, "timestamp", -EROFS);
	assert_string_equal(unsaved_latest(&unsaved)->name, "timestamp");
	unsaved_note(&unsaved, "timestamp", 0);
	assert_string_equal(unsaved_latest(&unsaved)->name, "map");
	unsaved_note(&unsaved, "map", 0);
	assert_null(unsaved_latest(&unsaved));
}

static void no_more_than_there_is_room_for(void **state)
{
	struct unsaved unsaved = { 0 };
	char name[UNSAVED_NAME_SIZE];
	int i;

	(void)state;
	for (i = 0; i < 2 * UNSAVED_MAX; i++) {
		snprintf(name, sizeof(name), "file%d", i);
		unsaved_note(&unsaved, name, -EIO);
	}
	assert_int_equal(unsaved.count, UNSAVED_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_file_that_was_written_says_nothing_of_others),
		cmocka_unit_test(no_more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
