#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel-iface/link.h"
#include "kernel-iface/netlink.h"
#include "tests/support/netns.h"

static struct netlink *nl;

static int setup(void **state)
{
	(void)state;
	netns_enter();
	return netlink_new(&nl);
}

static int teardown(void **state)
{
	(void)state;
	netlink_free(nl);
	netlink_free(NULL);
	return 0;
}

static void test_finds_by_name_and_index(void **state)
{
	struct link_info by_name, by_index;

	(void)state;
	netns_run("ip link add alpha mtu 1300 type veth peer name beta");
	assert_int_equal(link_find(nl, "alpha", &by_name), 0);
	assert_int_equal(by_name.mtu, 1300);
	assert_false(by_name.up);
	assert_false(by_name.loopback);
	assert_string_equal(by_name.name, "alpha");
	assert_int_equal(link_get(nl, by_name.ifindex, &by_index), 0);
	assert_memory_equal(&by_name, &by_index, sizeof(by_name));
	assert_int_equal(link_find(nl, "lo", &by_name), 0);
	assert_true(by_name.loopback);
	netns_run("ip link del alpha");
}

static void test_refuses_what_is_not_there(void **state)
{
	struct link_info info, before;

	(void)state;
	memset(&info, 0x5a, sizeof(info));
	before = info;
	assert_int_equal(link_find(nl, "nowhere", &info), -ENODEV);
	assert_int_equal(link_find(nl, "", &info), -EINVAL);
	assert_int_equal(link_find(nl, "a-name-too-long-for-it", &info), -EINVAL);
	assert_int_equal(link_get(nl, 0, &info), -ENODEV);
	assert_int_equal(link_get(nl, 4711, &info), -ENODEV);
	assert_memory_equal(&info, &before, sizeof(info));
	assert_int_equal(link_set_up(nl, 0, 0), -ENODEV);
	assert_int_equal(link_set_up(nl, 4711, 0), -ENODEV);
	assert_int_equal(link_delete(nl, 0), -ENODEV);
	assert_int_equal(link_delete(nl, 4711), -ENODEV);
}

static void test_up_down_mtu(void **state)
{
	struct link_info info;

	(void)state;
	netns_run("ip link add alpha type veth peer name beta");
	assert_int_equal(link_find(nl, "alpha", &info), 0);
	assert_int_equal(link_set_up(nl, info.ifindex, 1420), 0);
	assert_true(netns_shows("ip link show alpha", "mtu 1420"));
	assert_true(netns_shows("ip link show alpha", ",UP"));
	/* No mtu given: it stays. */
	assert_int_equal(link_set_up(nl, info.ifindex, 0), 0);
	assert_int_equal(link_get(nl, info.ifindex, &info), 0);
	assert_int_equal(info.mtu, 1420);
	assert_true(info.up);
	assert_int_equal(link_set_up(nl, info.ifindex, 9), -EINVAL);
	assert_int_equal(link_set_down(nl, info.ifindex), 0);
	assert_false(netns_shows("ip link show alpha", ",UP"));
	netns_run("ip link del alpha");
}

static void test_delete(void **state)
{
	struct link_info info;

	(void)state;
	netns_run("ip link add alpha type veth peer name beta");
	assert_int_equal(link_find(nl, "alpha", &info), 0);
	assert_int_equal(link_delete(nl, info.ifindex), 0);
	assert_int_equal(link_find(nl, "alpha", &info), -ENODEV);
	assert_false(netns_shows("ip link", "beta"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds_by_name_and_index),
		cmocka_unit_test(test_refuses_what_is_not_there),
		cmocka_unit_test(test_up_down_mtu),
		cmocka_unit_test(test_delete),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
