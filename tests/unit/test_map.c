#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/map.h"

#define KEYS 500

static void agrees_with_an_array(void **state)
{
	static int values[KEYS];
	uint8_t here[KEYS] = { 0 };
	struct map *map = map_new(sizeof(uint32_t), KEYS);
	size_t count = 0, step;
	uint32_t key;

	(void)state;
	srand(7);
	for (step = 0; step < 20000; step++) {
		key = (uint32_t)rand() % KEYS;
		if (rand() % 2) {
			assert_int_equal(map_insert(map, &key, &values[key]),
					 here[key] ? -EEXIST : 0);
			count += !here[key];
			here[key] = 1;
		} else {
			assert_ptr_equal(map_remove(map, &key), here[key] ? &values[key] : NULL);
			count -= here[key];
			here[key] = 0;
		}
		assert_int_equal(map_count(map), count);
	}
	for (key = 0; key < KEYS; key++)
		assert_ptr_equal(map_find(map, &key), here[key] ? &values[key] : NULL);
	map_free(map);
}

static void refuses_above_max(void **state)
{
	struct map *map = map_new(1, 2);
	int value;

	(void)state;
	assert_int_equal(map_insert(map, "a", &value), 0);
	assert_int_equal(map_insert(map, "b", &value), 0);
	assert_int_equal(map_insert(map, "c", &value), -ENOSPC);
	map_remove(map, "a");
	assert_int_equal(map_insert(map, "c", &value), 0);
	map_free(map);
}

static void walking_may_remove(void **state)
{
	struct map *map = map_new(sizeof(int), 100);
	int values[100];
	size_t cursor = 0, seen = 0;
	int *value;
	int i;

	(void)state;
	for (i = 0; i < 100; i++) {
		values[i] = i;
		assert_int_equal(map_insert(map, &i, &values[i]), 0);
	}
	while ((value = map_next(map, &cursor))) {
		assert_ptr_equal(map_remove(map, value), value);
		seen++;
	}
	assert_int_equal(seen, 100);
	assert_int_equal(map_count(map), 0);
	map_free(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_an_array),
		cmocka_unit_test(refuses_above_max),
		cmocka_unit_test(walking_may_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
