#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "kernel-iface/link.h"
#include "kernel-iface/monitor.h"
#include "kernel-iface/netlink.h"
#include "tests/support/netns.h"

static struct monitor *monitor;
static uint32_t alpha;
static uint64_t now_ns;

/* The kernel delivers these events before the command that caused them returns. */
static unsigned int gather(void)
{
	now_ns += 10000 * NS_PER_S; /* each the first of a burst */
	assert_int_equal(monitor_read(monitor, now_ns), 0);
	return monitor_take(monitor, now_ns);
}

static int setup(void **state)
{
	struct link_info info;
	struct netlink *nl;
	int err;

	(void)state;
	netns_enter();
	netns_run(
		"ip link add alpha type veth peer name beta && ip link set beta up && "
		"ip link set alpha up && sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.alpha.accept_dad=0");
	err = netlink_new(&nl);
	if (err)
		return err;
	err = link_find(nl, "alpha", &info);
	netlink_free(nl);
	alpha = info.ifindex;
	return err ? err : monitor_new(&monitor);
}

static int teardown(void **state)
{
	(void)state;
	monitor_free(monitor);
	monitor_free(NULL);
	return 0;
}

static void test_says_what_changed(void **state)
{
	(void)state;
	gather(); /* what the setup left behind */
	netns_run("ip link set alpha mtu 1400");
	assert_int_equal(gather(), MONITOR_LINK);
	netns_run("ip addr add 192.0.2.1/32 dev alpha");
	assert_true(gather() & MONITOR_ADDR);
	netns_run("ip route add 10.9.0.0/16 dev alpha");
	assert_int_equal(gather(), MONITOR_ROUTE);
	netns_run("ip route del 10.9.0.0/16 && ip addr del 192.0.2.1/32 dev alpha");
	assert_true(gather() & MONITOR_ADDR);
	assert_int_equal(gather(), 0);
}

static uint64_t read_at(uint64_t at_ns)
{
	netns_run("ip link set alpha mtu %u", 1400 + (unsigned int)(at_ns / NS_PER_MS % 64));
	assert_int_equal(monitor_read(monitor, at_ns), 0);
	return monitor_next_ns(monitor);
}

static void test_the_first_event_is_told_at_once(void **state)
{
	uint64_t start;
	struct pollfd poll_fd = { .fd = monitor_fd(monitor), .events = POLLIN };

	(void)state;
	gather();
	start = now_ns + 1000 * NS_PER_S;
	assert_int_equal(monitor_next_ns(monitor), CLOCK_NEVER);
	netns_run("ip link set alpha mtu 1399");
	assert_int_equal(poll(&poll_fd, 1, 0), 1);
	assert_int_equal(monitor_read(monitor, start), 0);
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
	assert_int_equal(monitor_next_ns(monitor), start);
	assert_int_equal(monitor_take(monitor, start), MONITOR_LINK);
	assert_int_equal(monitor_next_ns(monitor), CLOCK_NEVER);
}

static void test_a_burst_is_gathered(void **state)
{
	uint64_t at, gap = MONITOR_GAP_MS * NS_PER_MS;

	(void)state;
	gather();
	at = now_ns + 1000 * NS_PER_S;
	assert_int_equal(read_at(at), at);
	assert_int_equal(monitor_take(monitor, at), MONITOR_LINK);
	for (int i = 0; i < 6; i++) {
		uint64_t due = at + gap;

		assert_int_equal(read_at(at + NS_PER_MS), due);
		netns_run("ip route add 10.9.0.0/16 dev alpha");
		/* Later events join and do not put it off. */
		assert_int_equal(monitor_read(monitor, due - 1), 0);
		assert_int_equal(monitor_next_ns(monitor), due);
		assert_int_equal(monitor_take(monitor, due - 1), 0);
		assert_int_equal(monitor_take(monitor, due), MONITOR_LINK | MONITOR_ROUTE);
		netns_run("ip route del 10.9.0.0/16");
		monitor_read(monitor, due);
		at = due + 2 * gap;
		if (at < due + MONITOR_COALESCE_MS * NS_PER_MS)
			at = due + MONITOR_COALESCE_MS * NS_PER_MS;
		assert_int_equal(monitor_take(monitor, at), MONITOR_ROUTE);
		gap = 4 * gap < MONITOR_COALESCE_MS * NS_PER_MS ? 4 * gap
								: MONITOR_COALESCE_MS * NS_PER_MS;
	}
	/* After a pause the first one counts again. */
	at += MONITOR_BURST_MS * NS_PER_MS;
	assert_int_equal(read_at(at), at);
	assert_int_equal(monitor_take(monitor, at), MONITOR_LINK);
}

static void test_own_device(void **state)
{
	(void)state;
	gather();
	monitor_set_tunnel(monitor, alpha);
	/* What we do to our own device is no news. */
	netns_run("ip addr add 100.64.0.1/32 dev alpha && ip route add 10.9.0.0/16 dev alpha && "
		  "ip link set alpha mtu 1402");
	assert_int_equal(gather() & ~(unsigned int)MONITOR_ROUTE, 0);
	netns_run("ip addr del 100.64.0.1/32 dev alpha");
	assert_true(gather() & MONITOR_TUNNEL);
	netns_run("ip link set alpha down");
	assert_true(gather() & MONITOR_TUNNEL);
	netns_run("ip link set alpha up");
	gather();
	netns_run("ip link del alpha");
	assert_true(gather() & MONITOR_TUNNEL);
}

static void test_overrun_means_everything(void **state)
{
	const unsigned int all =
		MONITOR_LINK | MONITOR_ADDR | MONITOR_ROUTE | MONITOR_TUNNEL | MONITOR_RULE;
	unsigned int seen = 0;

	(void)state;
	gather();
	netns_run(
		"ip link add gamma type veth peer name delta && ip link set gamma up && "
		"for i in $(seq 4000); do echo route add blackhole 10.$((i/250)).$((i%%250)).0/24; "
		"done | ip -batch -");
	for (int i = 0; i < 100 && seen != all; i++)
		seen |= gather();
	assert_int_equal(seen, all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_says_what_changed),
		cmocka_unit_test(test_the_first_event_is_told_at_once),
		cmocka_unit_test(test_a_burst_is_gathered),
		cmocka_unit_test(test_own_device),
		cmocka_unit_test(test_overrun_means_everything),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
