#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <stdio.h>

#include "kernel-iface/link.h"
#include "kernel-iface/netlink.h"
#include "kernel-iface/route.h"
#include "tests/support/netns.h"

static struct netlink *nl;
static uint32_t alpha, beta;

static int setup(void **state)
{
	struct link_info info;

	(void)state;
	netns_enter();
	netns_run("ip link add alpha type veth peer name beta && ip link set alpha up && "
		  "ip link set beta up && ip addr add 192.0.2.1/24 dev alpha");
	if (netlink_new(&nl) || link_find(nl, "alpha", &info))
		return -1;
	alpha = info.ifindex;
	if (link_find(nl, "beta", &info))
		return -1;
	beta = info.ifindex;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	netlink_free(nl);
	return 0;
}

static struct prefix net(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(&prefix, text), 0);
	return prefix;
}

static void test_add_and_remove(void **state)
{
	struct prefix v4 = net("100.64.0.0/10"), v6 = net("fd12::/48");
	struct ip_addr source = addr_from_v4(0xc0000201);

	(void)state;
	assert_int_equal(route_add(nl, alpha, &v4, &source), 0);
	assert_int_equal(route_add(nl, alpha, &v4, &source), 0); /* ours already */
	assert_int_equal(route_add(nl, alpha, &v6, NULL), 0);
	assert_true(netns_shows("ip route show proto 87", "100.64.0.0/10 dev alpha"));
	assert_true(netns_shows("ip route show proto 87", "src 192.0.2.1"));
	assert_true(netns_shows("ip -6 route show proto 87", "fd12::/48 dev alpha"));
	assert_int_equal(route_remove(nl, alpha, &v4), 0);
	assert_int_equal(route_remove(nl, alpha, &v6), 0);
	assert_int_equal(route_remove(nl, alpha, &v6), -ESRCH);
	assert_false(netns_shows("ip route", "100.64"));
	assert_false(netns_shows("ip -6 route", "fd12"));
}

static void test_an_mtu_is_set_and_taken_away(void **state)
{
	struct prefix v4 = net("10.9.0.7/32"), v6 = net("fd12::7/128");
	struct ip_addr source = addr_from_v4(0xc0000201);

	(void)state;
	assert_int_equal(route_set_mtu(nl, alpha, &v4, &source, 1340), -ESRCH);
	assert_int_equal(route_add(nl, alpha, &v4, &source), 0);
	assert_int_equal(route_add(nl, alpha, &v6, NULL), 0);
	for (uint32_t mtu = 1340; mtu >= 1280; mtu -= 60) {
		char text[32];

		snprintf(text, sizeof(text), "mtu %u", mtu);
		assert_int_equal(route_set_mtu(nl, alpha, &v4, &source, mtu), 0);
		assert_int_equal(route_set_mtu(nl, alpha, &v6, NULL, mtu), 0);
		assert_true(netns_shows("ip route show 10.9.0.7 proto 87", text));
		assert_true(netns_shows("ip route show 10.9.0.7 proto 87", "src 192.0.2.1"));
		assert_true(netns_shows("ip -6 route show fd12::7 proto 87", text));
	}
	assert_int_equal(route_set_mtu(nl, alpha, &v4, &source, 0), 0);
	assert_int_equal(route_set_mtu(nl, alpha, &v6, NULL, 0), 0);
	assert_false(netns_shows("ip route show 10.9.0.7; ip -6 route show fd12::7", "mtu 1"));
	assert_int_equal(route_remove(nl, alpha, &v4), 0);
	assert_int_equal(route_remove(nl, alpha, &v6), 0);
	assert_false(netns_shows("ip route; ip -6 route", "10.9.0.7"));
}

static void test_which_way_the_kernel_would_choose(void **state)
{
	struct ip_addr to = addr_from_v4(0xcb007109), near = addr_from_v4(0xc0000209);
	struct ip_addr source = addr_from_v4(0xc6336401), gateway = addr_from_v4(0xc63364fe);
	struct ip_addr v6 = net("2001:db8::9/128").addr;
	struct route_choice choice = { .ifindex = 99 };

	(void)state;
	assert_int_equal(route_choose(nl, &to, 0, &choice), -ENETUNREACH);
	assert_int_equal(route_choose(nl, &v6, 0, &choice), -ENETUNREACH);
	assert_int_equal(choice.ifindex, 99);
	assert_int_equal(route_choose(nl, &near, 0, &choice), 0);
	assert_int_equal(choice.ifindex, alpha);
	assert_int_equal(choice.gateway.family, 0);
	netns_run("ip addr add 198.51.100.1/24 dev beta && "
		  "ip route add default via 192.0.2.254 metric 20 && "
		  "ip route add default via 198.51.100.254 dev beta metric 10");
	assert_int_equal(route_choose(nl, &to, 0, &choice), 0);
	assert_int_equal(choice.ifindex, beta);
	assert_true(addr_equal(&choice.source, &source));
	assert_true(addr_equal(&choice.gateway, &gateway));
	/* By the other interface, as long as it has a way of its own. */
	assert_int_equal(route_choose(nl, &to, alpha, &choice), 0);
	assert_int_equal(choice.ifindex, alpha);
	netns_run("ip route del default via 192.0.2.254");
	assert_true(route_choose(nl, &to, alpha, &choice) < 0);
	netns_run("ip route del default && ip addr del 198.51.100.1/24 dev beta");
}

static void test_leaves_the_routes_of_others(void **state)
{
	struct prefix dst = net("10.9.0.0/16");

	(void)state;
	netns_run("ip route add 10.9.0.0/16 dev beta");
	assert_int_equal(route_add(nl, alpha, &dst, NULL), -EEXIST);
	assert_int_equal(route_remove(nl, beta, &dst), -ESRCH);
	assert_true(netns_shows("ip route", "10.9.0.0/16 dev beta"));
	netns_run("ip route del 10.9.0.0/16");
	assert_int_equal(route_add(nl, 0, &dst, NULL), -ENODEV);
	assert_int_equal(route_add(nl, 4711, &dst, NULL), -ENODEV);
}

static void test_cleanup_takes_only_ours(void **state)
{
	struct prefix dst = net("100.64.0.0/10");
	size_t removed = 99;

	(void)state;
	assert_int_equal(route_add(nl, alpha, &dst, NULL), 0);
	netns_run("ip route add blackhole 10.1.0.0/16 proto 87 metric 50");
	netns_run("ip -6 route add fd13::/64 dev beta proto 87");
	netns_run("ip route add 10.2.0.0/16 dev alpha proto static");
	assert_int_equal(route_cleanup(nl, alpha, &removed), 0);
	assert_int_equal(removed, 1);
	assert_true(netns_shows("ip route", "blackhole 10.1.0.0/16"));
	assert_int_equal(route_cleanup(nl, 0, &removed), 0);
	assert_int_equal(removed, 2);
	assert_false(netns_shows("ip route show proto 87; ip -6 route show proto 87", "/"));
	assert_true(netns_shows("ip route", "10.2.0.0/16 dev alpha"));
	assert_int_equal(route_cleanup(nl, 0, NULL), 0);
	netns_run("ip route del 10.2.0.0/16");
}

static void test_list_reads_gateway_and_metric(void **state)
{
	struct prefix dst = net("198.51.100.0/24"), everything = net("0.0.0.0/0");
	static struct route routes[ROUTE_MAX];
	struct ip_addr gateway = addr_from_v4(0xc00002fe);
	size_t count, seen = 0;

	(void)state;
	netns_run("ip route add default via 192.0.2.254 && "
		  "ip route add 198.51.100.0/24 via 192.0.2.254 metric 77");
	assert_int_equal(route_list(nl, routes, ROUTE_MAX, &count), 0);
	for (size_t i = 0; i < count; i++) {
		if (prefix_equal(&routes[i].dst, &dst)) {
			assert_true(addr_equal(&routes[i].gateway, &gateway));
			assert_int_equal(routes[i].metric, 77);
			assert_int_equal(routes[i].ifindex, alpha);
			seen++;
		}
		if (prefix_equal(&routes[i].dst, &everything))
			seen++;
		/* The local table, with 127.0.0.0/8 in it, is not the main one. */
		assert_false(addr_is_loopback(&routes[i].dst.addr));
	}
	assert_int_equal(seen, 2);
	netns_run("ip route del default; ip route del 198.51.100.0/24");
}

/* A mesh of thousands: what the host has besides must not be crowded out, nor ours be unknown. */
static void test_thousands_of_ours_crowd_nothing_out(void **state)
{
	static struct route routes[ROUTE_MAX];
	struct prefix other = net("fd77::/64"), last = net("100.100.19.255");
	size_t count, seen = 0;

	(void)state;
	netns_run("for i in $(seq 0 19); do for j in $(seq 0 255); do "
		  "echo route add 100.100.$i.$j dev alpha proto 87; done; done | ip -batch -");
	netns_run("ip -6 route add fd77::/64 dev alpha");
	assert_int_equal(route_list_others(nl, routes, ROUTE_MAX, &count), 0);
	for (size_t i = 0; i < count; i++) {
		assert_int_not_equal(routes[i].protocol, ROUTE_PROTOCOL);
		seen += prefix_equal(&routes[i].dst, &other);
	}
	assert_int_equal(seen, 1);
	assert_int_equal(route_add(nl, alpha, &last, NULL), 0);
	netns_run("ip route flush proto 87; ip -6 route del fd77::/64");
}

static void test_find_overlap(void **state)
{
	struct prefix pool = net("100.64.0.0/10"), wide = net("192.0.0.0/8"), v6 = net("fd00::/8");
	struct prefix part = net("192.0.2.128/25");
	struct route found;

	(void)state;
	netns_run("ip route add default via 192.0.2.254");
	/* A default route overlaps everything and hinders nothing. */
	assert_int_equal(route_find_overlap(nl, &pool, 0, &found), -ENOENT);
	assert_int_equal(route_find_overlap(nl, &v6, 0, &found), -ENOENT);
	assert_int_equal(route_find_overlap(nl, &wide, 0, &found), 0);
	assert_int_equal(found.ifindex, alpha);
	assert_int_equal(found.dst.len, 24);
	assert_int_equal(route_find_overlap(nl, &part, 0, &found), 0);
	/* What lies on the tunnel itself is ours. */
	assert_int_equal(route_find_overlap(nl, &part, alpha, &found), -ENOENT);
	netns_run("ip route del default");
}

static void test_the_gateway(void **state)
{
	struct route found;

	(void)state;
	assert_int_equal(route_default(nl, AF_INET, 0, &found), -ENOENT);
	netns_run("ip route add default via 192.0.2.254 metric 200 && "
		  "ip addr add 198.51.100.1/24 dev beta && "
		  "ip route add default via 198.51.100.254 metric 100 && "
		  "ip route add default dev alpha metric 50 && "
		  "ip -6 route add default via fe80::1 dev alpha");
	assert_int_equal(route_default(nl, AF_INET, 0, &found), 0);
	assert_int_equal(found.ifindex, beta);
	assert_memory_equal(found.gateway.bytes, "\xc6\x33\x64\xfe", 4);
	assert_int_equal(route_default(nl, AF_INET, beta, &found), 0);
	assert_int_equal(found.ifindex, alpha);
	assert_int_equal(route_default(nl, AF_INET6, 0, &found), 0);
	assert_true(addr_is_link_local(&found.gateway));
	netns_run("ip route del default; ip route del default; ip route del default; "
		  "ip -6 route del default; ip addr del 198.51.100.1/24 dev beta");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add_and_remove),
		cmocka_unit_test(test_an_mtu_is_set_and_taken_away),
		cmocka_unit_test(test_which_way_the_kernel_would_choose),
		cmocka_unit_test(test_leaves_the_routes_of_others),
		cmocka_unit_test(test_cleanup_takes_only_ours),
		cmocka_unit_test(test_list_reads_gateway_and_metric),
		cmocka_unit_test(test_find_overlap),
		cmocka_unit_test(test_thousands_of_ours_crowd_nothing_out),
		cmocka_unit_test(test_the_gateway),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
