#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "proto/mapping_lifetime.h"

#define MOST  (MAPPING_INTERVAL_MS * NS_PER_MS)
#define LEAST (MAPPING_INTERVAL_MIN_MS * NS_PER_MS)

static void hold(struct mapping_lifetime *lifetime, unsigned int times)
{
	for (unsigned int i = 0; i < times; i++)
		mapping_lifetime_held(lifetime, lifetime->interval_ns);
}

static void test_a_death_halves_down_to_the_least(void **state)
{
	struct mapping_lifetime lifetime;

	(void)state;
	mapping_lifetime_init(&lifetime);
	assert_int_equal(lifetime.interval_ns, MOST);
	mapping_lifetime_died(&lifetime, MOST);
	assert_int_equal(lifetime.interval_ns, MOST / 2);
	mapping_lifetime_died(&lifetime, MOST / 2);
	assert_int_equal(lifetime.interval_ns, LEAST);
	mapping_lifetime_died(&lifetime, LEAST);
	assert_int_equal(lifetime.interval_ns, LEAST);
}

static void test_what_dies_amid_traffic_says_nothing(void **state)
{
	struct mapping_lifetime lifetime;

	(void)state;
	mapping_lifetime_init(&lifetime);
	mapping_lifetime_died(&lifetime, MOST / 2 - 1);
	assert_int_equal(lifetime.interval_ns, MOST);
	mapping_lifetime_died(&lifetime, MOST / 2);
	assert_int_equal(lifetime.interval_ns, MOST / 2);
}

static void test_it_grows_slowly_and_below_what_was_fatal(void **state)
{
	struct mapping_lifetime lifetime;

	(void)state;
	mapping_lifetime_init(&lifetime);
	hold(&lifetime, 1000);
	assert_int_equal(lifetime.interval_ns, MOST);
	mapping_lifetime_died(&lifetime, MOST);
	hold(&lifetime, MAPPING_GROW_AFTER - 1);
	assert_int_equal(lifetime.interval_ns, MOST / 2);
	/* Traffic is no trial. */
	mapping_lifetime_held(&lifetime, NS_PER_S);
	assert_int_equal(lifetime.interval_ns, MOST / 2);
	hold(&lifetime, 1);
	assert_int_equal(lifetime.interval_ns, MOST / 2 + MOST / 16);
	hold(&lifetime, 1000);
	assert_int_equal(lifetime.interval_ns, MOST - MOST / 4);
}

static void test_another_network_is_another_matter(void **state)
{
	struct mapping_lifetime lifetime;

	(void)state;
	mapping_lifetime_init(&lifetime);
	mapping_lifetime_died(&lifetime, MOST);
	mapping_lifetime_init(&lifetime);
	assert_int_equal(lifetime.interval_ns, MOST);
	assert_int_equal(lifetime.fatal_ns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_death_halves_down_to_the_least),
		cmocka_unit_test(test_what_dies_amid_traffic_says_nothing),
		cmocka_unit_test(test_it_grows_slowly_and_below_what_was_fatal),
		cmocka_unit_test(test_another_network_is_another_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
