#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "coord/pool.h"

static struct prefix prefix4;
static struct prefix prefix6;

static struct pool make(const char *text4, const char *text6)
{
	struct pool pool;

	prefix_parse(&prefix4, text4);
	prefix_parse(&prefix6, text6);
	assert_int_equal(pool_init(&pool, &prefix4, &prefix6), 0);
	return pool;
}

static void test_addresses_are_distinct_and_inside(void **state)
{
	struct pool pool = make("10.0.0.0/29", "fd00:1::/48");
	struct ip_addr a4[6];
	struct ip_addr a6[6];
	struct ip_addr more4;
	struct ip_addr more6;

	(void)state;
	for (unsigned int i = 0; i < 6; i++) {
		assert_int_equal(pool_allocate(&pool, &a4[i], &a6[i]), 0);
		assert_true(prefix_contains(&prefix4, &a4[i]));
		assert_true(prefix_contains(&prefix6, &a6[i]));
		assert_int_not_equal(a4[i].bytes[3], 0);
		assert_int_not_equal(a4[i].bytes[3], 7);
		for (unsigned int j = 0; j < i; j++) {
			assert_false(addr_equal(&a4[i], &a4[j]));
			assert_false(addr_equal(&a6[i], &a6[j]));
		}
	}
	assert_int_equal(pool_allocate(&pool, &more4, &more6), -ENOSPC);
	pool_release(&pool, &a4[2]);
	assert_int_equal(pool_allocate(&pool, &more4, &more6), 0);
	assert_true(addr_equal(&more4, &a4[2]));
	assert_true(addr_equal(&more6, &a6[2]));
	pool_clear(&pool);
}

static void test_a_released_address_rests(void **state)
{
	struct pool pool = make("10.0.0.0/24", "fd00:1::/96");
	struct ip_addr a4;
	struct ip_addr b4;
	struct ip_addr a6;

	(void)state;
	assert_int_equal(pool_allocate(&pool, &a4, &a6), 0);
	pool_release(&pool, &a4);
	assert_int_equal(pool_allocate(&pool, &b4, &a6), 0);
	assert_false(addr_equal(&a4, &b4));
	pool_clear(&pool);
}

static void test_addresses_that_are_there_already(void **state)
{
	struct pool pool = make("10.0.0.0/29", "fd00:1::/48");
	struct ip_addr a4;
	struct ip_addr a6;
	struct ip_addr taken;

	(void)state;
	addr_parse(&taken, "10.0.0.2");
	assert_int_equal(pool_take(&pool, &taken), 0);
	assert_int_equal(pool_take(&pool, &taken), -EEXIST);
	for (unsigned int i = 0; i < 5; i++) {
		assert_int_equal(pool_allocate(&pool, &a4, &a6), 0);
		assert_false(addr_equal(&a4, &taken));
	}
	assert_int_equal(pool_allocate(&pool, &a4, &a6), -ENOSPC);
	addr_parse(&taken, "10.0.0.9");
	assert_int_equal(pool_take(&pool, &taken), -EINVAL);
	pool_clear(&pool);
}

static void test_bad_pools(void **state)
{
	struct pool pool;
	struct prefix p4;
	struct prefix p6;

	(void)state;
	prefix_parse(&p4, "10.0.0.0/31");
	prefix_parse(&p6, "fd00::/48");
	assert_int_equal(pool_init(&pool, &p4, &p6), -EINVAL);
	assert_int_equal(pool_init(&pool, &p6, &p6), -EINVAL);
	prefix_parse(&p4, "10.0.0.0/8");
	prefix_parse(&p6, "fd00::/97");
	assert_int_equal(pool_init(&pool, &p4, &p6), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_are_distinct_and_inside),
		cmocka_unit_test(test_a_released_address_rests),
		cmocka_unit_test(test_addresses_that_are_there_already),
		cmocka_unit_test(test_bad_pools),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
