#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "daemon/route_conflict.h"

static struct host_view host;
static struct route routes[8];
static struct ip_addr nodes[8];
static struct overlay_view overlay;
static bool site;

static int setup(void **state)
{
	(void)state;
	memset(&host, 0, sizeof(host));
	host.routes = routes;
	site = false;
	overlay = (struct overlay_view){ .addrs = nodes };
	return 0;
}

static struct prefix prefix(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(&p, text), 0);
	return p;
}

/* "10.20.0.7/24" on a link. */
static void network(const char *addr, unsigned int len, const char *name, bool lan)
{
	struct host_network *network = &host.networks[host.network_count++];

	assert_int_equal(addr_parse(&network->addr, addr), 0);
	network->network = prefix_from_addr(&network->addr, len);
	network->lan = lan;
	snprintf(network->name, sizeof(network->name), "%s", name);
}

static void route(const char *dst)
{
	routes[host.route_count++].dst = prefix(dst);
}

static void node(const char *addr)
{
	assert_int_equal(addr_parse(&nodes[overlay.count++], addr), 0);
	overlay_view_sort(&overlay);
}

static void expect(const char *text, const char *kind, bool whole, const char *with)
{
	struct prefix p = prefix(text);
	struct route_conflict conflict;

	route_conflict_find(&conflict, &p, &host, &overlay, site);
	assert_string_equal(route_conflict_text(conflict.kind), kind);
	assert_int_equal(conflict.whole, whole);
	assert_string_equal(conflict.with, with);
}

static void test_nothing(void **state)
{
	(void)state;
	expect("10.20.0.0/16", "", false, "");
	network("192.168.1.7", 24, "eth0", true);
	route("172.16.0.0/12");
	node("100.64.0.1");
	expect("10.20.0.0/16", "", false, "");
	expect("192.168.2.0/24", "", false, "");
	expect("fd00::/8", "", false, "");
	/* An exit stands against nothing. */
	expect("0.0.0.0/0", "", false, "");
	expect("::/0", "", false, "");
}

static void test_at_home(void **state)
{
	(void)state;
	network("10.20.5.7", 24, "eth0", true);
	expect("10.20.5.0/24", "at-home", true, "10.20.5.7/24 on eth0");
	/* A part of the prefix: that site, or a hotel that is numbered like a part of it. */
	expect("10.20.0.0/16", "at-home", false, "10.20.5.7/24 on eth0");
	site = true;
	expect("10.20.0.0/16", "at-home", true, "10.20.5.7/24 on eth0");
	site = false;
	expect("10.20.5.0/25", "at-home", true, "10.20.5.7/24 on eth0");
	/* The rest of a larger network of ours is on our link, but we are not in it. */
	expect("10.20.5.128/25", "local-network", true, "10.20.5.7/24 on eth0");
	network("fd12::7", 64, "eth0", true);
	expect("fd12::/64", "at-home", true, "fd12::7/64 on eth0");
	expect("fd12::/48", "at-home", false, "fd12::7/64 on eth0");
}

static void test_bridge_of_containers(void **state)
{
	(void)state;
	network("172.17.0.1", 16, "docker0", false);
	expect("172.17.0.0/16", "local-network", true, "172.17.0.1/16 on docker0");
	expect("172.17.3.0/24", "local-network", true, "172.17.0.1/16 on docker0");
	/* The rest of it can be used. */
	expect("172.16.0.0/12", "local-network", false, "172.17.0.1/16 on docker0");
	network("172.18.4.4", 24, "wlan0", true);
	expect("172.16.0.0/12", "at-home", false, "172.18.4.4/24 on wlan0");
}

static void test_other_route(void **state)
{
	(void)state;
	route("10.20.30.0/24");
	expect("10.20.0.0/16", "other-route", false, "10.20.30.0/24");
	expect("10.20.30.0/24", "other-route", true, "10.20.30.0/24");
	expect("10.20.30.64/26", "other-route", true, "10.20.30.0/24");
	route("10.0.0.0/8");
	expect("10.20.0.0/16", "other-route", true, "10.0.0.0/8");
	/* A network of our own says more, if it is as grave. */
	network("10.20.1.1", 24, "eth0", true);
	expect("10.20.0.0/16", "other-route", true, "10.0.0.0/8");
	site = true;
	expect("10.20.0.0/16", "at-home", true, "10.20.1.1/24 on eth0");
}

static void test_overlay(void **state)
{
	(void)state;
	node("100.64.7.9");
	node("100.64.0.1");
	node("fd77::1");
	node("100.127.0.3");
	expect("100.64.0.0/10", "overlay", true, "100.64.0.1");
	expect("100.64.7.0/24", "overlay", true, "100.64.7.9");
	expect("100.127.0.3/32", "overlay", true, "100.127.0.3");
	expect("100.64.8.0/24", "", false, "");
	expect("100.128.0.0/16", "", false, "");
	expect("fd77::/16", "overlay", true, "fd77::1");
	expect("fd78::/16", "", false, "");
	network("100.64.7.1", 24, "eth0", true);
	expect("100.64.7.0/24", "overlay", true, "100.64.7.9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nothing, setup),
		cmocka_unit_test_setup(test_at_home, setup),
		cmocka_unit_test_setup(test_bridge_of_containers, setup),
		cmocka_unit_test_setup(test_other_route, setup),
		cmocka_unit_test_setup(test_overlay, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
