#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <net/if.h>

#include "kernel-iface/tun_mtu.h"
#include "tests/support/netns.h"

static struct tun_mtu *mtu;
static uint32_t list[TUN_MTU_MAX];

static int setup(void **state)
{
	(void)state;
	netns_enter();
	netns_run("ip tuntap add dev wmtu0 mode tun");
	netns_run("ip link set wmtu0 mtu 1420 up");
	return tun_mtu_new(&mtu, if_nametoindex("wmtu0"));
}

static int teardown(void **state)
{
	(void)state;
	tun_mtu_free(mtu);
	tun_mtu_free(NULL);
	return 0;
}

static void test_the_device_comes_first(void **state)
{
	(void)state;
	assert_int_equal(tun_mtu_list(mtu, list), 0);
	assert_int_equal(list[0], 1420);
	assert_int_equal(list[1], 0);
	netns_run("ip link set wmtu0 mtu 1300");
	assert_true(tun_mtu_changed(mtu));
	assert_false(tun_mtu_changed(mtu));
	assert_int_equal(tun_mtu_list(mtu, list), 0);
	assert_int_equal(list[0], 1300);
}

static void test_routes_of_both_families_and_every_table(void **state)
{
	(void)state;
	netns_run("ip route add 10.0.0.0/8 dev wmtu0 mtu 1200");
	netns_run("ip -6 route add fd01::/64 dev wmtu0 mtu 1290");
	netns_run("ip -6 route add fd02::/64 dev wmtu0 mtu 1200 table 99");
	assert_true(tun_mtu_changed(mtu));
	assert_int_equal(tun_mtu_list(mtu, list), 0);
	assert_int_equal(list[1] + list[2], 1200 + 1290); /* each once */
	assert_int_equal(list[3], 0);
	netns_run("ip -6 route del fd01::/64 dev wmtu0");
	assert_true(tun_mtu_changed(mtu));
	assert_int_equal(tun_mtu_list(mtu, list), 0);
	assert_int_equal(list[1], 1200);
	assert_int_equal(list[2], 0);
}

static void test_what_is_elsewhere_is_no_change(void **state)
{
	(void)state;
	netns_run("ip route add 10.0.0.0/8 dev wmtu0");
	netns_run("ip route add 127.1.0.0/16 dev lo mtu 1111");
	netns_run("ip link set lo mtu 30000");
	assert_false(tun_mtu_changed(mtu));
	assert_int_equal(tun_mtu_list(mtu, list), 0);
	assert_int_equal(list[1], 0);
}

static void test_the_list_has_an_end(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++)
		netns_run("ip route add 10.%d.0.0/16 dev wmtu0 mtu %d", i, 1000 + i);
	assert_int_equal(tun_mtu_list(mtu, list), 0);
	assert_int_equal(list[0], 1420);
	assert_in_range(list[TUN_MTU_MAX - 1], 1000, 1019);
}

static void test_a_device_that_is_gone(void **state)
{
	(void)state;
	list[0] = 77;
	netns_run("ip link del wmtu0");
	assert_int_equal(tun_mtu_list(mtu, list), -ENODEV);
	assert_int_equal(list[0], 77);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_device_comes_first),
		TEST(test_routes_of_both_families_and_every_table),
		TEST(test_what_is_elsewhere_is_no_change),
		TEST(test_the_list_has_an_end),
		TEST(test_a_device_that_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
