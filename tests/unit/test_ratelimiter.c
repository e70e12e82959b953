#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/clock.h"
#include "proto/ratelimiter.h"

static struct ratelimiter *limiter;
static const uint64_t start = 500 * NS_PER_S;
static const uint64_t cost = NS_PER_S / RATELIMITER_PER_SECOND;

static int setup(void **state)
{
	(void)state;
	limiter = ratelimiter_new();
	return limiter ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	ratelimiter_free(limiter);
	ratelimiter_free(NULL);
	return 0;
}

static bool allow(const char *text, uint64_t at)
{
	struct ip_addr addr;

	assert_int_equal(addr_parse(&addr, text), 0);
	return ratelimiter_allow(limiter, &addr, at);
}

static void drain(const char *text, uint64_t at)
{
	for (int i = 0; i < RATELIMITER_BURST; i++)
		assert_true(allow(text, at));
	assert_false(allow(text, at));
}

static void test_burst_then_rate(void **state)
{
	(void)state;
	drain("192.0.2.1", start);
	assert_false(allow("192.0.2.1", start + cost - 1));
	assert_true(allow("192.0.2.1", start + cost));
	assert_false(allow("192.0.2.1", start + cost));
	/* Never more than the burst, however long it was quiet. */
	drain("192.0.2.1", start + 100 * NS_PER_S);
}

static void test_addresses_are_apart(void **state)
{
	(void)state;
	drain("192.0.2.1", start);
	drain("192.0.2.2", start);
}

static void test_v6_by_64(void **state)
{
	(void)state;
	drain("2001:db8:0:1::1", start);
	assert_false(allow("2001:db8:0:1:ffff::2", start));
	assert_true(allow("2001:db8:0:2::1", start));
}

static void test_twenty_a_second(void **state)
{
	int allowed = 0;

	(void)state;
	for (uint64_t at = start; at < start + 10 * NS_PER_S; at += NS_PER_MS)
		allowed += allow("192.0.2.1", at);
	assert_in_range(allowed, 10 * RATELIMITER_PER_SECOND + RATELIMITER_BURST - 1,
			10 * RATELIMITER_PER_SECOND + RATELIMITER_BURST);
}

static void test_table_is_bounded(void **state)
{
	struct ip_addr addr;

	(void)state;
	for (uint32_t i = 0; i < RATELIMITER_ENTRIES_MAX; i++) {
		addr = addr_from_v4(0x0a000000 + i);
		assert_true(ratelimiter_allow(limiter, &addr, start));
	}
	assert_false(allow("192.0.2.1", start));
	/* Known ones go on, and idle ones make room. */
	assert_true(allow("10.0.0.0", start));
	assert_true(allow("192.0.2.1", start + 2 * NS_PER_S));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_burst_then_rate), TEST(test_addresses_are_apart), TEST(test_v6_by_64),
		TEST(test_twenty_a_second), TEST(test_table_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
