#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/router_lan.h"
#include "daemon/router_rules.h"
#include "kernel-iface/route.h"
#include "proto/carrier.h"

#define TUNNEL 9

static struct prefix prefix(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(&p, text), 0);
	return p;
}

static void expect_way(const char *real, const char *dst, uint32_t ifindex, bool runs,
		       enum router_way way)
{
	const struct prefix p = prefix(real);
	const struct route routes[] = { { .dst = prefix("198.51.100.0/24"), .ifindex = 1 },
					{ .dst = prefix(dst), .ifindex = ifindex } };
	const bool running[] = { true, runs };

	assert_int_equal(router_lan_way(&p, routes, running, 2, TUNNEL), way);
}

static void test_what_is_a_way(void **state)
{
	(void)state;
	expect_way("10.20.0.0/16", "10.20.0.0/16", 2, true, ROUTER_WAY_OWN);
	expect_way("10.20.0.0/16", "10.20.3.0/24", 2, true, ROUTER_WAY_OWN);
	expect_way("10.20.0.0/16", "10.0.0.0/8", 2, true, ROUTER_WAY_OWN);
	expect_way("10.20.0.0/16", "10.20.0.0/16", 2, false, ROUTER_WAY_NO_CARRIER);
	expect_way("10.20.0.0/16", "10.20.0.0/16", TUNNEL, true, ROUTER_WAY_NONE);
	expect_way("10.20.0.0/16", "10.21.0.0/16", 2, true, ROUTER_WAY_NONE);
	expect_way("10.20.0.0/16", "0.0.0.0/0", 2, true, ROUTER_WAY_DEFAULT);
	expect_way("10.20.0.0/16", "0.0.0.0/0", 2, false, ROUTER_WAY_NONE);
	expect_way("10.20.0.0/16", "::/0", 2, true, ROUTER_WAY_NONE);
	expect_way("fd20:1::/48", "::/0", 2, true, ROUTER_WAY_DEFAULT);
	expect_way("fd20:1::/48", "fd20:1::/64", 2, true, ROUTER_WAY_OWN);
	expect_way("fd20:1::/48", "fd20:1::/64", 2, false, ROUTER_WAY_NO_CARRIER);
}

static struct router_lan planned(void)
{
	struct router_plan plan = { .route_count = 1 };
	struct router_lan lan = { 0 };

	plan.routes[0] =
		(struct router_route){ prefix("10.77.1.0/24"), prefix("192.168.1.0/24"), true };
	router_lan_plan(&lan, &plan);
	return lan;
}

static void test_what_has_gone_is_given_up_at_once_and_comes_back_late(void **state)
{
	const struct prefix seen = prefix("10.77.1.0/24");
	struct router_lan lan = planned();
	uint64_t at = 100 * NS_PER_S;

	(void)state;
	assert_false(router_lan_step(&lan, 0, ROUTER_WAY_OWN, at));
	assert_null(router_lan_problem(&lan, &seen));
	assert_null(router_lan_first(&lan));
	assert_true(router_lan_step(&lan, 0, ROUTER_WAY_NO_CARRIER, at));
	assert_non_null(strstr(router_lan_problem(&lan, &seen), "cable"));
	assert_true(prefix_equal(router_lan_first(&lan), &seen));
	/* The way out is none into that LAN. */
	assert_false(router_lan_step(&lan, 0, ROUTER_WAY_DEFAULT, at));
	assert_non_null(strstr(router_lan_problem(&lan, &seen), "no route"));
	assert_true(router_lan_next_ns(&lan) == CLOCK_NEVER);
	assert_false(router_lan_step(&lan, 0, ROUTER_WAY_OWN, at));
	assert_true(router_lan_next_ns(&lan) == at + CARRIER_HOLD_NS);
	assert_false(router_lan_step(&lan, 0, ROUTER_WAY_OWN, at + CARRIER_HOLD_NS - 1));
	assert_true(router_lan_step(&lan, 0, ROUTER_WAY_OWN, at + CARRIER_HOLD_NS));
	assert_null(router_lan_problem(&lan, &seen));
	/* The next time twice as long, and from the last return on. */
	at += 2 * CARRIER_HOLD_NS;
	assert_true(router_lan_step(&lan, 0, ROUTER_WAY_NONE, at));
	assert_false(router_lan_step(&lan, 0, ROUTER_WAY_OWN, at));
	assert_false(router_lan_step(&lan, 0, ROUTER_WAY_NONE, at + 1));
	assert_false(router_lan_step(&lan, 0, ROUTER_WAY_OWN, at + 2));
	assert_true(router_lan_next_ns(&lan) == at + 2 + 2 * CARRIER_HOLD_NS);
}

static void test_behind_the_default_route_may_be_anything(void **state)
{
	struct router_lan lan = planned();

	(void)state;
	assert_false(router_lan_step(&lan, 0, ROUTER_WAY_DEFAULT, 1));
	assert_true(router_lan_step(&lan, 0, ROUTER_WAY_NONE, 2));
	assert_false(router_lan_step(&lan, 0, ROUTER_WAY_DEFAULT, 3));
	assert_true(router_lan_step(&lan, 0, ROUTER_WAY_DEFAULT, 3 + CARRIER_HOLD_NS));
}

static void test_a_new_plan_keeps_what_is_known(void **state)
{
	struct router_plan plan = { .route_count = 2 };
	struct router_lan lan = planned();

	(void)state;
	router_lan_step(&lan, 0, ROUTER_WAY_NO_CARRIER, 1);
	plan.routes[0] =
		(struct router_route){ prefix("10.1.0.0/16"), prefix("10.1.0.0/16"), true };
	plan.routes[1] =
		(struct router_route){ prefix("10.77.1.0/24"), prefix("192.168.1.0/24"), false };
	router_lan_plan(&lan, &plan);
	assert_true(lan.states[0].works);
	assert_false(lan.states[1].works);
	/* Mapped elsewhere it is another network. */
	plan.routes[1].real = prefix("192.168.2.0/24");
	router_lan_plan(&lan, &plan);
	assert_true(lan.states[1].works);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_a_way),
		cmocka_unit_test(test_what_has_gone_is_given_up_at_once_and_comes_back_late),
		cmocka_unit_test(test_behind_the_default_route_may_be_anything),
		cmocka_unit_test(test_a_new_plan_keeps_what_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
