/* What a node offers to carry, and what it is told of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/route_offer.h"

static struct prefix prefix(const char *text)
{
	struct prefix parsed;

	assert_int_equal(prefix_parse(&parsed, text), 0);
	return parsed;
}

static void test_networks_and_exits_in_one_list(void **state)
{
	struct prefix routes[] = { prefix("10.77.1.0/24"), prefix("2001:db8::/32") };
	struct route_facts facts[] = { { .weight = 7 }, { .weight = 100 } };
	struct route_offer offer = { .count = 0 };
	struct control_update update = { .ticket_number = 0 };
	struct prefix all4 = prefix("0.0.0.0/0");
	struct prefix all6 = prefix("::/0");

	(void)state;
	addr_parse(&facts[0].real, "192.168.1.0");
	assert_int_equal(route_offer_set_networks(&offer, routes, facts, 2), 0);
	assert_int_equal(route_offer_set_exit(&offer, true, true), 0);
	route_offer_fill(&offer, &update);
	assert_true(update.has_routes);
	assert_int_equal(update.route_count, 4);
	assert_memory_equal(update.routes, routes, sizeof(routes));
	assert_memory_equal(update.route_facts, facts, sizeof(facts));
	assert_true(prefix_equal(&update.routes[2], &all4));
	assert_true(prefix_equal(&update.routes[3], &all6));
	/* It replaces what was there; nothing is a list, too. */
	assert_int_equal(route_offer_set_networks(&offer, NULL, NULL, 0), 0);
	assert_int_equal(route_offer_set_exit(&offer, false, false), 0);
	memset(&update, 0, sizeof(update));
	route_offer_fill(&offer, &update);
	assert_true(update.has_routes);
	assert_int_equal(update.route_count, 0);
}

static void test_more_than_there_can_be(void **state)
{
	struct prefix routes[CERT_ROUTES_MAX];
	struct route_facts facts[CERT_ROUTES_MAX] = { { .weight = 1 } };
	struct route_offer offer = { .count = 0 };
	struct control_update update = { .ticket_number = 0 };

	(void)state;
	for (unsigned int i = 0; i < CERT_ROUTES_MAX; i++) {
		struct ip_addr addr = addr_from_v4(0x0a000000u | i << 8);

		routes[i] = prefix_from_addr(&addr, 24);
	}
	assert_int_equal(route_offer_set_exit(&offer, true, false), 0);
	assert_int_equal(route_offer_set_networks(&offer, routes, facts, CERT_ROUTES_MAX), -ENOSPC);
	assert_int_equal(offer.count, 0);
	assert_int_equal(route_offer_set_networks(&offer, routes, facts, CERT_ROUTES_MAX - 1), 0);
	assert_int_equal(route_offer_set_exit(&offer, true, true), -ENOSPC);
	assert_false(offer.exit6);
	route_offer_fill(&offer, &update);
	assert_int_equal(update.route_count, CERT_ROUTES_MAX);
}

static void test_answers(void **state)
{
	struct control_route routes[2] = { { .state = CONTROL_ROUTE_APPROVED },
					   { .state = CONTROL_ROUTE_REFUSED, .why = "no" } };
	struct control_routes answer = { .routes = routes, .count = 2 };
	struct route_offer offer = { .count = 0 };
	struct control_update update = { .ticket_number = 0 };
	struct prefix lan = prefix("10.20.0.0/16");
	struct prefix other = prefix("10.20.0.0/17");

	(void)state;
	routes[0].prefix = lan;
	routes[1].prefix = prefix("10.30.0.0/16");
	route_offer_fill(&offer, &update);
	assert_true(offer.unanswered);
	assert_null(route_offer_find(&offer, &lan));
	route_offer_answer(&offer, &answer);
	assert_false(offer.unanswered);
	assert_int_equal(route_offer_find(&offer, &lan)->state, CONTROL_ROUTE_APPROVED);
	assert_string_equal(route_offer_find(&offer, &routes[1].prefix)->why, "no");
	assert_null(route_offer_find(&offer, &other));
	/* The last word counts. */
	answer.count = 0;
	strcpy(answer.problem, "too many");
	route_offer_answer(&offer, &answer);
	assert_null(route_offer_find(&offer, &lan));
	assert_string_equal(offer.problem, "too many");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_networks_and_exits_in_one_list),
		cmocka_unit_test(test_more_than_there_can_be),
		cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
