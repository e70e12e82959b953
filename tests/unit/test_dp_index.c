#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sodium.h>
#include <urcu-bp.h>

#include "daemon/dp_index.h"

#define MANY 20000

static struct dp_keypair *fake(size_t n)
{
	return (struct dp_keypair *)(uintptr_t)(0x1000 + n);
}

static void test_finds_what_was_bound(void **state)
{
	static uint32_t indexes[MANY];
	struct dp_index_table *table = dp_index_table_new();

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(dp_index_new(table, (uint8_t)(i % 7), &indexes[i]), 0);
		assert_int_equal(indexes[i] & 0xFF, i % 7);
		assert_null(dp_index_find(table, indexes[i])); /* only reserved */
		dp_index_set(table, indexes[i], fake(i));
	}
	for (size_t i = 0; i < MANY; i += 2)
		dp_index_remove(table, indexes[i]);
	for (size_t i = 0; i < MANY; i++)
		assert_ptr_equal(dp_index_find(table, indexes[i]), i % 2 ? fake(i) : NULL);
	dp_index_set(table, indexes[1], NULL);
	assert_null(dp_index_find(table, indexes[1]));
	dp_index_remove(table, indexes[0]); /* twice is once */
	rcu_barrier();
	dp_index_table_free(table);
	dp_index_table_free(NULL);
}

static void test_never_gives_an_index_twice(void **state)
{
	static uint32_t indexes[MANY];
	struct dp_index_table *table = dp_index_table_new();

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(dp_index_new(table, 0, &indexes[i]), 0);
		dp_index_set(table, indexes[i], fake(i));
	}
	/* A second entry of the same number would hide the first. */
	for (size_t i = 0; i < MANY; i++)
		assert_ptr_equal(dp_index_find(table, indexes[i]), fake(i));
	dp_index_table_free(table);
}

static void test_the_lowest_byte_is_not_asked(void **state)
{
	struct dp_index_table *table = dp_index_table_new();
	uint32_t index;

	(void)state;
	assert_int_equal(dp_index_new(table, 3, &index), 0);
	assert_int_equal(index & 0xFF, 3);
	dp_index_set(table, index, fake(1));
	for (uint32_t low = 0; low < 256; low++)
		assert_ptr_equal(dp_index_find(table, (index & ~0xFFU) | low), fake(1));
	assert_null(dp_index_find(table, index + 0x100));
	/* So none may be given out that differs in it alone. */
	for (size_t i = 0; i < 3 * MANY; i++) {
		uint32_t other;

		assert_int_equal(dp_index_new(table, (uint8_t)i, &other), 0);
		assert_int_not_equal(other >> 8, index >> 8);
	}
	dp_index_table_free(table);
}

static void test_the_table_has_an_end(void **state)
{
	struct dp_index_table *table = dp_index_table_new();
	uint32_t index = 0;
	size_t given = 0;
	uint32_t last;

	(void)state;
	while (given < DP_INDEXES_MAX + 1 && dp_index_new(table, (uint8_t)given, &index) == 0)
		given++;
	assert_int_equal(given, DP_INDEXES_MAX);
	last = index;
	assert_int_equal(dp_index_new(table, 0, &index), -ENOSPC);
	assert_int_equal(index, last);
	dp_index_remove(table, last);
	assert_int_equal(dp_index_new(table, 0, &index), 0);
	rcu_barrier();
	dp_index_table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds_what_was_bound),
		cmocka_unit_test(test_never_gives_an_index_twice),
		cmocka_unit_test(test_the_lowest_byte_is_not_asked),
		cmocka_unit_test(test_the_table_has_an_end),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
