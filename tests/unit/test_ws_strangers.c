#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/ws_strangers.h"

#define GRACE_NS (WS_STRANGER_GRACE_S * NS_PER_S)

static struct ws_strangers *strangers;
static struct ws_stranger some[8];
static struct ws_stranger *out;

static int begin(void **state)
{
	(void)state;
	strangers = ws_strangers_new(4, 2);
	assert_non_null(strangers);
	for (size_t i = 0; i < 8; i++)
		some[i] = (struct ws_stranger){ .since_ns = 0 };
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (size_t i = 0; i < 8; i++)
		ws_strangers_remove(strangers, &some[i]);
	assert_int_equal(ws_strangers_count(strangers), 0);
	ws_strangers_free(strangers);
	return 0;
}

static int add(size_t i, const char *text, uint64_t now_ns)
{
	struct ip_addr addr;

	assert_int_equal(addr_parse(&addr, text), 0);
	return ws_strangers_add(strangers, &some[i], &addr, now_ns, &out);
}

static void test_each_address_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(add(0, "192.0.2.1", 0), 0);
	assert_int_equal(add(1, "192.0.2.1", 1), 0);
	assert_int_equal(add(2, "192.0.2.1", GRACE_NS - 1), -EBUSY);
	assert_null(out);
	assert_int_equal(add(2, "192.0.2.2", GRACE_NS - 1), 0);
	/* The oldest of the same address gives way, to the nanosecond. */
	assert_int_equal(add(3, "192.0.2.1", GRACE_NS), 0);
	assert_ptr_equal(out, &some[0]);
	assert_int_equal(add(4, "192.0.2.1", GRACE_NS), -EBUSY);
	assert_int_equal(ws_strangers_count(strangers), 3);
}

static void test_all_are_bounded(void **state)
{
	(void)state;
	assert_int_equal(add(0, "192.0.2.1", 0), 0);
	assert_int_equal(add(1, "192.0.2.2", 5), 0);
	assert_int_equal(add(2, "192.0.2.3", 6), 0);
	assert_int_equal(add(3, "192.0.2.4", 7), 0);
	assert_int_equal(add(4, "192.0.2.5", 8), -EBUSY);
	ws_strangers_remove(strangers, &some[1]);
	assert_int_equal(add(4, "192.0.2.5", 8), 0);
	assert_null(out);
	assert_int_equal(add(5, "192.0.2.6", GRACE_NS), 0);
	assert_ptr_equal(out, &some[0]);
	/* A full address makes room among its own, although others are older. */
	assert_int_equal(add(6, "192.0.2.6", GRACE_NS + 6), 0);
	assert_ptr_equal(out, &some[2]);
	assert_int_equal(add(7, "192.0.2.6", GRACE_NS + 7), -EBUSY);
}

static bool is_even(const struct ws_stranger *stranger, uint64_t now_ns)
{
	assert_true(now_ns >= stranger->since_ns);
	return (stranger - some) % 2 == 0;
}

static void test_who_is_at_work_is_counted(void **state)
{
	(void)state;
	assert_int_equal(ws_strangers_at_work(strangers, 0, 9, is_even), 0);
	assert_int_equal(add(0, "192.0.2.1", 0), 0);
	assert_int_equal(add(1, "192.0.2.1", 1), 0);
	assert_int_equal(add(2, "192.0.2.2", 2), 0);
	assert_int_equal(add(4, "192.0.2.3", 3), 0);
	assert_int_equal(ws_strangers_at_work(strangers, 3, 9, is_even), 3);
	assert_int_equal(ws_strangers_at_work(strangers, 3, 2, is_even), 2);
	/* Who may give way is not waited for. */
	assert_int_equal(ws_strangers_at_work(strangers, GRACE_NS - 1, 9, is_even), 3);
	assert_int_equal(ws_strangers_at_work(strangers, GRACE_NS, 9, is_even), 2);
	assert_int_equal(ws_strangers_at_work(strangers, GRACE_NS + 3, 9, is_even), 0);
	ws_strangers_remove(strangers, &some[2]);
	assert_int_equal(ws_strangers_at_work(strangers, 3, 9, is_even), 2);
}

static void test_a_v6_network_is_one_address(void **state)
{
	(void)state;
	assert_int_equal(add(0, "2001:db8::1", 0), 0);
	assert_int_equal(add(1, "2001:db8::ffff:2", 0), 0);
	assert_int_equal(add(2, "2001:db8::3", 0), -EBUSY);
	assert_int_equal(add(2, "2001:db8:0:1::3", 0), 0);
}

static void test_removing_twice(void **state)
{
	(void)state;
	assert_int_equal(add(0, "192.0.2.1", 0), 0);
	ws_strangers_remove(strangers, &some[0]);
	ws_strangers_remove(strangers, &some[0]);
	assert_int_equal(ws_strangers_count(strangers), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_each_address_is_bounded),
		TEST(test_all_are_bounded),
		TEST(test_who_is_at_work_is_counted),
		TEST(test_a_v6_network_is_one_address),
		TEST(test_removing_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
