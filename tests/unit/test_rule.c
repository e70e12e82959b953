#include <errno.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "kernel-iface/link.h"
#include "kernel-iface/netlink.h"
#include "kernel-iface/route.h"
#include "kernel-iface/rule.h"
#include "tests/support/netns.h"

#define TABLE 0x57000007u

static struct netlink *nl;
static uint32_t alpha;

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
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	netlink_free(nl);
	return 0;
}

static const struct rule mark = { AF_INET, 5200, 0x5752, RT_TABLE_MAIN, 0 };
static const struct rule local = { AF_INET6, 5210, 0, RT_TABLE_MAIN, 1 };
static const struct rule table = { AF_INET, 5220, 0, TABLE, 0 };

static void test_rules(void **state)
{
	struct rule list[8];
	size_t count;

	(void)state;
	assert_int_equal(rule_add(nl, &mark), 0);
	assert_int_equal(rule_add(nl, &mark), 0); /* once is enough */
	assert_int_equal(rule_add(nl, &local), 0);
	assert_int_equal(rule_add(nl, &table), 0);
	assert_true(netns_shows("ip rule", "5200:\tfrom all fwmark 0x5752 lookup main proto 87"));
	assert_true(netns_shows("ip -6 rule",
				"5210:\tfrom all lookup main suppress_prefixlength 0 proto 87"));
	assert_true(netns_shows("ip rule", "5220:\tfrom all lookup 1459617799 proto 87"));
	netns_run("ip rule add pref 5230 lookup main proto 4");
	assert_int_equal(rule_list(nl, list, 8, &count), 0);
	assert_int_equal(count, 3);
	assert_memory_equal(&list[0], &mark, sizeof(mark));
	assert_memory_equal(&list[1], &table, sizeof(table));
	assert_memory_equal(&list[2], &local, sizeof(local));
	assert_int_equal(rule_list(nl, list, 1, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(rule_remove(nl, &mark), 0);
	assert_int_equal(rule_remove(nl, &mark), -ENOENT);
	assert_int_equal(rule_remove(nl, &local), 0);
	assert_int_equal(rule_remove(nl, &table), 0);
	assert_int_equal(rule_list(nl, list, 8, &count), 0);
	assert_int_equal(count, 0);
	assert_true(netns_shows("ip rule", "5230:"));
}

/* Somebody else's rule of the same number is not ours to remove. */
static void test_rule_of_others(void **state)
{
	(void)state;
	netns_run("ip rule add pref 5220 lookup 1459617799 proto 4");
	assert_int_equal(rule_remove(nl, &table), -ENOENT);
	assert_true(netns_shows("ip rule", "5220:"));
	netns_run("ip rule del pref 5220");
}

static void test_own_table(void **state)
{
	struct ip_addr source = addr_from_v4(0xc0000201);
	struct prefix lan;

	(void)state;
	assert_int_equal(prefix_parse(&lan, "10.20.0.0/16"), 0);
	assert_int_equal(route_table_put(nl, TABLE, alpha, &lan, &source, 1380), 0);
	assert_true(
		netns_shows("ip route show table 1459617799",
			    "10.20.0.0/16 dev alpha proto 87 scope link src 192.0.2.1 mtu 1380"));
	assert_true(netns_shows("ip -o route show table main", "192.0.2.0/24"));
	assert_false(netns_shows("ip -o route show table main", "10.20"));
	assert_int_equal(route_table_put(nl, TABLE, alpha, &lan, NULL, 0), 0);
	assert_false(netns_shows("ip route show table 1459617799", "mtu"));
	assert_int_equal(route_table_remove(nl, TABLE, alpha, &lan), 0);
	assert_int_equal(route_table_remove(nl, TABLE, alpha, &lan), -ESRCH);
	assert_int_equal(route_table_put(nl, TABLE, 0, &lan, NULL, 0), -ENODEV);
	assert_int_equal(prefix_parse(&lan, "fd20::/48"), 0);
	assert_int_equal(route_table_put(nl, TABLE, alpha, &lan, NULL, 1300), 0);
	assert_true(netns_shows("ip -6 route show table 1459617799", "fd20::/48 dev alpha"));
	assert_int_equal(route_table_put(nl, TABLE, alpha, &lan, NULL, 1400), 0);
	assert_true(netns_shows("ip -6 route show table 1459617799", "mtu 1400"));
	assert_false(netns_shows("ip -6 route show table 1459617799", "mtu 1300"));
	assert_int_equal(route_table_remove(nl, TABLE, alpha, &lan), 0);
}

static void test_kind_of_link(void **state)
{
	struct link_info info;

	(void)state;
	netns_run("ip link add docker0 type bridge");
	assert_int_equal(link_find(nl, "docker0", &info), 0);
	assert_string_equal(info.kind, "bridge");
	assert_int_equal(link_find(nl, "lo", &info), 0);
	assert_string_equal(info.kind, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_rule_of_others),
		cmocka_unit_test(test_own_table),
		cmocka_unit_test(test_kind_of_link),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
