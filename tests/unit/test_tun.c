#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "kernel-iface/tun.h"
#include "proto/vnet.h"
#include "tests/support/netns.h"

static int setup(void **state)
{
	(void)state;
	netns_enter();
	return 0;
}

static void test_opens_and_leaves_nothing(void **state)
{
	struct tun tun;

	(void)state;
	assert_int_equal(tun_open(&tun, "wtest0", 4, true), 0);
	assert_string_equal(tun.name, "wtest0");
	assert_int_equal(tun.queues, 4);
	assert_int_equal(tun.ifindex, if_nametoindex("wtest0"));
	assert_true(tun.tso);
	assert_int_equal(tun_set_mtu(&tun, 1380), 0);
	assert_true(netns_shows("ip link show wtest0", "mtu 1380"));
	assert_true(netns_shows("ip link show wtest0", "qlen 1000"));
	tun_close(&tun);
	tun_close(&tun);
	assert_int_equal(if_nametoindex("wtest0"), 0);
}

static void test_the_kernel_chooses_a_name(void **state)
{
	struct tun a;
	struct tun b;

	(void)state;
	assert_int_equal(tun_open(&a, NULL, 1, false), 0);
	assert_int_equal(tun_open(&b, "", 1, false), 0);
	assert_string_not_equal(a.name, b.name);
	assert_false(a.tso);
	tun_close(&a);
	tun_close(&b);
}

static void test_a_taken_name_is_not_joined(void **state)
{
	struct tun a;
	struct tun b = { .queues = 0 };

	(void)state;
	assert_int_equal(tun_open(&a, "wtest1", 1, true), 0);
	assert_int_equal(tun_open(&b, "wtest1", 1, true), -EBUSY);
	netns_run("ip link add wtest2 type veth peer name wtest3");
	assert_int_not_equal(tun_open(&b, "wtest2", 1, true), 0);
	tun_close(&b);
	tun_close(&a);
	netns_run("ip link del wtest2");
}

static void test_bad_arguments(void **state)
{
	struct tun tun = { .queues = 0 };

	(void)state;
	assert_int_equal(tun_open(&tun, "a-name-that-is-too-long", 1, true), -EINVAL);
	assert_int_equal(tun_open(&tun, "wtest3", 0, true), -EINVAL);
	assert_int_equal(tun_open(&tun, "wtest3", TUN_QUEUES_MAX + 1, true), -EINVAL);
	assert_int_equal(tun_open(&tun, "a/b", 1, true), -EINVAL);
	assert_int_equal(tun.queues, 0);
}

static void test_packets_have_a_header(void **state)
{
	uint8_t packet[2000];
	struct tun tun;
	ssize_t n = -1;

	(void)state;
	assert_int_equal(tun_open(&tun, "wtest4", 1, true), 0);
	netns_run("ip link set wtest4 up");
	netns_run("ip addr add 10.66.0.1/24 dev wtest4");
	netns_run("ping -c 1 -W 1 10.66.0.2 > /dev/null || true");
	/* Router solicitations of v6 come in between. */
	for (int i = 0; i < 50; i++) {
		n = read(tun.fds[0], packet, sizeof(packet));
		if (n > VNET_HDR_SIZE && packet[VNET_HDR_SIZE] == 0x45)
			break;
	}
	assert_int_equal(n, VNET_HDR_SIZE + 84);
	assert_int_equal(packet[VNET_HDR_SIZE + 9], 1);
	tun_close(&tun);
}

static void test_without_the_right_to(void **state)
{
	struct tun tun = { .queues = 0 };

	(void)state;
	/* Last: there is no way back. */
	assert_int_equal(setuid(65534), 0);
	assert_int_equal(tun_open(&tun, "wtest5", 1, true), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opens_and_leaves_nothing),
		cmocka_unit_test(test_the_kernel_chooses_a_name),
		cmocka_unit_test(test_a_taken_name_is_not_joined),
		cmocka_unit_test(test_bad_arguments),
		cmocka_unit_test(test_packets_have_a_header),
		cmocka_unit_test(test_without_the_right_to),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
