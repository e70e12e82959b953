#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel-iface/ifaddr.h"
#include "kernel-iface/link.h"
#include "kernel-iface/netlink.h"
#include "tests/support/netns.h"

static struct netlink *nl;
static uint32_t alpha;

static int setup(void **state)
{
	struct link_info info;

	(void)state;
	netns_enter();
	netns_run(
		"ip link add alpha type veth peer name beta && ip link set alpha up && "
		"ip link set beta up && sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.alpha.accept_dad=0");
	if (netlink_new(&nl) || link_find(nl, "alpha", &info))
		return -1;
	alpha = info.ifindex;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	netlink_free(nl);
	return 0;
}

static struct ip_addr ip(const char *text)
{
	struct ip_addr addr;

	assert_int_equal(addr_parse(&addr, text), 0);
	return addr;
}

static const struct iface_addr *find(const struct iface_addr *list, size_t count, const char *text)
{
	struct ip_addr addr = ip(text);

	for (size_t i = 0; i < count; i++)
		if (addr_equal(&list[i].addr, &addr))
			return &list[i];
	return NULL;
}

static void test_add_and_remove(void **state)
{
	struct ip_addr v4 = ip("100.64.0.1"), v6 = ip("fd12::1"), other = ip("100.64.0.2");

	(void)state;
	assert_int_equal(iface_addr_add(nl, alpha, &v4, 32), 0);
	assert_int_equal(iface_addr_add(nl, alpha, &v4, 32), 0); /* there already */
	assert_int_equal(iface_addr_add(nl, alpha, &v6, 128), 0);
	assert_true(netns_shows("ip -4 addr show alpha", "100.64.0.1/32"));
	assert_true(netns_shows("ip -6 addr show alpha", "fd12::1/128"));
	/* Usable at once: duplicate detection was skipped. */
	assert_false(netns_shows("ip -6 addr show dev alpha to fd12::1", "tentative"));
	assert_int_equal(iface_addr_remove(nl, alpha, &other, 32), -EADDRNOTAVAIL);
	assert_int_equal(iface_addr_remove(nl, alpha, &v4, 32), 0);
	assert_int_equal(iface_addr_remove(nl, alpha, &v6, 128), 0);
	assert_false(netns_shows("ip addr show alpha", "100.64.0.1"));
	assert_false(netns_shows("ip addr show alpha", "fd12::1"));
}

static void test_refuses_nonsense(void **state)
{
	struct ip_addr v4 = ip("100.64.0.1"), none = { 0 };

	(void)state;
	assert_int_equal(iface_addr_add(nl, 0, &v4, 32), -ENODEV);
	assert_int_equal(iface_addr_add(nl, 4711, &v4, 32), -ENODEV);
	assert_int_equal(iface_addr_add(nl, alpha, &v4, 33), -EINVAL);
	assert_int_equal(iface_addr_add(nl, alpha, &none, 0), -EINVAL);
	assert_int_equal(iface_addr_remove(nl, alpha, &v4, 33), -EINVAL);
}

static void test_list(void **state)
{
	struct iface_addr list[IFADDR_MAX];
	const struct iface_addr *entry;
	size_t count;

	(void)state;
	netns_run("ip addr add 192.0.2.7/24 dev alpha");
	/* Point to point: ours is the local one, not the other end's. */
	netns_run("ip addr add 198.51.100.1 peer 198.51.100.2/32 dev alpha");
	assert_int_equal(iface_addr_list(nl, list, IFADDR_MAX, &count), 0);
	entry = find(list, count, "192.0.2.7");
	assert_non_null(entry);
	assert_int_equal(entry->ifindex, alpha);
	assert_int_equal(entry->prefix_len, 24);
	assert_non_null(find(list, count, "198.51.100.1"));
	assert_null(find(list, count, "198.51.100.2"));
	assert_non_null(find(list, count, "127.0.0.1"));
	/* A full array stops the listing, it does not fail it. */
	assert_int_equal(iface_addr_list(nl, list, 1, &count), 0);
	assert_int_equal(count, 1);
	netns_run("ip addr flush dev alpha");
}

static void test_candidates(void **state)
{
	struct iface_addr list[IFADDR_MAX];
	size_t count;

	(void)state;
	netns_run("ip link add tunnel type veth peer name far && ip link set tunnel up && "
		  "ip link set far up");
	netns_run("ip link add unused type veth peer name away");
	netns_run("ip addr add 100.64.0.9/32 dev tunnel && ip addr add 203.0.113.9/24 dev unused");
	netns_run("ip addr add 192.0.2.7/24 dev alpha && ip addr add 169.254.1.1/16 dev alpha");
	netns_run("ip addr add 2001:db8::7/64 dev alpha nodad && "
		  "ip addr add 2001:db8:1::7/64 dev alpha nodad preferred_lft 0");
	struct link_info tunnel;
	assert_int_equal(link_find(nl, "tunnel", &tunnel), 0);
	assert_int_equal(iface_addr_candidates(nl, tunnel.ifindex, list, IFADDR_MAX, &count), 0);
	assert_int_equal(count, 2);
	assert_non_null(find(list, count, "192.0.2.7"));
	assert_non_null(find(list, count, "2001:db8::7"));
	assert_int_equal(find(list, count, "192.0.2.7")->ifindex, alpha);
	/* Without a tunnel of ours that device is one like any other. */
	assert_int_equal(iface_addr_candidates(nl, 0, list, IFADDR_MAX, &count), 0);
	assert_non_null(find(list, count, "100.64.0.9"));
	assert_int_equal(iface_addr_candidates(nl, 0, list, 1, &count), 0);
	assert_int_equal(count, 1);
	netns_run("ip link del tunnel; ip link del unused; ip addr flush dev alpha");
}

static void test_temporary_displaces_stable(void **state)
{
	struct iface_addr list[IFADDR_MAX];
	size_t count;

	(void)state;
	netns_run("sysctl -qw net.ipv6.conf.alpha.use_tempaddr=2");
	/* mngtmpaddr makes the kernel derive a temporary address of the same prefix. */
	netns_run("ip addr add 2001:db8:2:0:7::7/64 dev alpha mngtmpaddr nodad");
	netns_run("for i in $(seq 100); do ip -6 addr show dev alpha temporary -tentative | "
		  "grep -q 2001:db8:2: && break; sleep 0.05; done");
	assert_int_equal(iface_addr_candidates(nl, 0, list, IFADDR_MAX, &count), 0);
	assert_int_equal(count, 1);
	assert_true(list[0].temporary);
	assert_null(find(list, count, "2001:db8:2:0:7::7"));
	netns_run("ip addr flush dev alpha");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add_and_remove),
		cmocka_unit_test(test_refuses_nonsense),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_candidates),
		cmocka_unit_test(test_temporary_displaces_stable),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
