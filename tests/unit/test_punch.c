#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "proto/punch.h"

#define T0 (1000 * NS_PER_S)
#define MS NS_PER_MS

static struct rng_seeded seeded;
static struct punch_budget budget;

static const struct nat_report unknown = { .mapping = NAT_UNKNOWN, .punch = true };
static const struct nat_report easy = { .mapping = NAT_ENDPOINT_INDEPENDENT, .punch = true };
static const struct nat_report hard = { .mapping = NAT_ADDRESS_PORT_DEPENDENT, .punch = true };
static const struct nat_report counting = {
	.mapping = NAT_ADDRESS_PORT_DEPENDENT, .stride = 1, .port = 30000, .punch = true
};

static struct ip_addr outside(void)
{
	return addr_from_v4(0xc6330202u); /* 198.51.2.2 */
}

static struct candidate candidate(const char *text, enum candidate_type type)
{
	struct candidate c = { .type = type };

	assert_int_equal(endpoint_parse(&c.addr, text), 0);
	return c;
}

static struct punch *start(bool first)
{
	struct punch_config config = { .budget = &budget, .first = first };
	struct punch *punch;

	rng_seeded_init(&seeded, 7);
	config.rng = rng_from_seeded(&seeded);
	punch_budget_init(&budget, 0, T0);
	punch = punch_new(&config);
	assert_non_null(punch);
	return punch;
}

/* As when both descriptions are through. */
static void meet(struct punch *punch, const struct nat_report *ours,
		 const struct nat_report *theirs, uint64_t now)
{
	const struct ip_addr addr = outside();
	const struct candidate candidates[] = {
		candidate("192.168.1.5:41641", CANDIDATE_HOST),
		candidate("198.51.3.2:4000", CANDIDATE_SRFLX),
		candidate("198.51.3.9:4000", CANDIDATE_HOST),
	};

	punch_set_own(punch, ours, &addr, now);
	punch_report(punch, now);
	punch_set_peer(punch, theirs, candidates, 3, now);
}

struct sent {
	unsigned int opened, closed, sends;
	struct punch_order orders[8192];
};

static struct sent sent;

/* Lets time pass up to that time, deadline by deadline. */
static void run(struct punch *punch, uint64_t from, uint64_t until)
{
	uint64_t now = from;

	memset(&sent, 0, sizeof(sent));
	for (unsigned int turns = 0; turns < 50000; turns++) {
		struct punch_order order;

		punch_expire(punch, now);
		while (punch_poll_order(punch, &order, now)) {
			if (order.type == PUNCH_ORDER_OPEN) {
				sent.opened += (unsigned int)order.count;
				punch_opened(punch, order.count, now);
			} else if (order.type == PUNCH_ORDER_CLOSE) {
				sent.closed++;
			} else if (sent.sends < 8192) {
				sent.orders[sent.sends++] = order;
			}
		}
		if (punch_next_timeout(punch) > until)
			return;
		if (punch_next_timeout(punch) > now)
			now = punch_next_timeout(punch);
		else
			now++; /* news wait to be told */
	}
	fail_msg("a busy loop");
}

static void the_hard_side_opens_many(void **state)
{
	struct punch *punch = start(true);
	bool seen[PUNCH_SOCKETS] = { false };
	unsigned int low = 0;

	(void)state;
	meet(punch, &hard, &easy, T0);
	assert_int_equal(punch_next_timeout(punch), T0 + 120 * MS);
	run(punch, T0, T0 + 120 * MS - 1);
	assert_int_equal(sent.opened, 0);
	run(punch, T0 + 120 * MS, T0 + 248 * MS);
	assert_int_equal(sent.opened, PUNCH_SOCKETS);
	assert_int_equal(sent.sends, PUNCH_SOCKETS);
	for (unsigned int i = 0; i < sent.sends; i++) {
		assert_int_equal(sent.orders[i].remote.port, 4000);
		assert_false(seen[sent.orders[i].socket]);
		seen[sent.orders[i].socket] = true;
		low += sent.orders[i].ttl != 0;
	}
	assert_int_equal(low, PUNCH_SOCKETS / 2);
	assert_int_equal(budget.sockets, PUNCH_SOCKETS);
	/* Once more, should one have been lost; then again, to the end. */
	run(punch, T0 + 248 * MS, T0 + 1619 * MS);
	assert_int_equal(sent.sends, 0);
	run(punch, T0 + 1619 * MS, T0 + 1800 * MS);
	assert_int_equal(sent.sends, PUNCH_SOCKETS);
	run(punch, T0 + 1800 * MS, T0 + 10120 * MS);
	assert_int_equal(sent.closed, 1);
	assert_int_equal(budget.sockets, 0);
	punch_free(punch);
}

static void the_easy_side_asks_every_port_once(void **state)
{
	static bool asked[65536];
	struct punch *punch = start(true);

	(void)state;
	memset(asked, 0, sizeof(asked));
	meet(punch, &easy, &hard, T0);
	assert_int_equal(punch_next_timeout(punch), T0 + 160 * MS);
	run(punch, T0, T0 + 1160 * MS);
	assert_in_range(sent.sends, 1000, 1018); /* a thousand a second, and the burst */
	run(punch, T0 + 1160 * MS, T0 + 30000 * MS);
	assert_in_range(sent.sends, PUNCH_PROBES_MAX - 1018, PUNCH_PROBES_MAX - 1000);
	for (unsigned int i = 0; i < sent.sends; i++) {
		const struct punch_order *o = &sent.orders[i];

		assert_true(o->socket == PUNCH_SHARED && o->remote.port >= 1024);
		assert_false(asked[o->remote.port]);
		asked[o->remote.port] = true;
	}
	assert_int_equal(sent.opened, 0);
	punch_free(punch);
}

static void foreseen_ports_go_first(void **state)
{
	struct punch *punch = start(true);

	(void)state;
	meet(punch, &easy, &counting, T0);
	run(punch, T0, T0 + 300 * MS);
	for (unsigned int i = 0; i < 48; i++)
		assert_int_equal(sent.orders[i].remote.port, 30001 + 5 * i);
	assert_true(sent.orders[48].remote.port < 30000 || sent.orders[48].remote.port > 30300);
	punch_free(punch);
}

static void nobody_knows_so_each_in_turn(void **state)
{
	struct punch *a = start(true), *b = start(false);

	(void)state;
	meet(a, &unknown, &unknown, T0);
	meet(b, &unknown, &unknown, T0);
	run(a, T0, T0 + 1119 * MS);
	assert_int_equal(sent.sends + sent.opened, 0);
	run(a, T0 + 1120 * MS, T0 + 2000 * MS);
	assert_int_equal(sent.opened, PUNCH_SOCKETS);
	run(a, T0 + 2000 * MS, T0 + 5000 * MS);
	assert_false(punch_is_hopeless(a));
	run(a, T0 + 5000 * MS, T0 + 6000 * MS);
	assert_int_equal(sent.closed, 1);
	assert_true(sent.sends > 0 && sent.orders[0].socket == PUNCH_SHARED);
	punch_budget_init(&budget, 0, T0);
	run(b, T0, T0 + 2000 * MS);
	assert_true(sent.sends > 0 && sent.orders[0].socket == PUNCH_SHARED);
	run(b, T0 + 2000 * MS, T0 + 5700 * MS);
	assert_int_equal(sent.opened, PUNCH_SOCKETS);
	assert_int_equal(sent.orders[sent.sends - 1].remote.port,
			 4000); /* not one that was asked */
	punch_free(a);
	punch_free(b);
}

static void who_knows_its_nat_leaves_the_other_to_be_hard(void **state)
{
	struct punch *punch = start(true);

	(void)state;
	meet(punch, &easy, &unknown, T0);
	run(punch, T0, T0 + 20000 * MS);
	assert_int_equal(sent.opened, 0);
	assert_int_equal(sent.sends, PUNCH_PROBES_MAX);
	punch_free(punch);
	punch = start(false);
	meet(punch, &unknown, &easy, T0);
	run(punch, T0, T0 + 20000 * MS);
	assert_int_equal(sent.opened, PUNCH_SOCKETS);
	punch_free(punch);
}

static void no_run(const struct nat_report *ours, const struct nat_report *theirs)
{
	struct punch *punch = start(true);

	meet(punch, ours, theirs, T0);
	run(punch, T0, T0 + 60000 * MS);
	assert_int_equal(sent.sends + sent.opened, 0);
	punch_free(punch);
}

static void who_was_wrong_changes_sides(void **state)
{
	struct punch *punch = start(true);

	(void)state;
	meet(punch, &unknown, &unknown, T0);
	run(punch, T0, T0 + 1300 * MS);
	assert_int_equal(sent.opened, PUNCH_SOCKETS);
	/* The peer has learnt that it is the hard one. */
	meet(punch, &unknown, &hard, T0 + 1300 * MS);
	assert_int_equal(budget.sockets, 0);
	run(punch, T0 + 1300 * MS, T0 + 1650 * MS);
	assert_int_equal(sent.closed, 1);
	assert_true(sent.sends > 100 && sent.orders[0].socket == PUNCH_SHARED);
	punch_free(punch);
}

static void where_there_is_no_hope_nothing_is_sent(void **state)
{
	const struct nat_report not_now = { .mapping = NAT_ENDPOINT_INDEPENDENT };
	const struct ip_addr nowhere = { 0 }, lan = addr_from_v4(0xc0a80101u), addr = outside();
	const struct candidate ours = candidate("198.51.2.2:900", CANDIDATE_SRFLX);
	const struct candidate inner[] = { candidate("10.0.0.1:900", CANDIDATE_SRFLX),
					   candidate("127.0.0.1:900", CANDIDATE_SRFLX),
					   candidate("224.0.0.1:900", CANDIDATE_SRFLX),
					   candidate("[2001:db8::1]:900", CANDIDATE_SRFLX),
					   candidate("198.51.3.2:900", CANDIDATE_RELAY) };
	struct punch *punch = start(true);

	(void)state;
	no_run(&hard, &hard);
	no_run(&hard, &not_now);
	meet(punch, &hard, &hard, T0);
	assert_true(punch_is_hopeless(punch));
	punch_restart(punch, T0);
	assert_true(punch_is_hopeless(punch));
	/* Addresses that are nobody's, or our own. */
	punch_set_own(punch, &hard, &addr, T0);
	punch_report(punch, T0);
	punch_set_peer(punch, &easy, inner, 5, T0);
	punch_set_peer(punch, &easy, &ours, 1, T0);
	run(punch, T0, T0 + 60000 * MS);
	assert_int_equal(sent.sends + sent.opened, 0);
	punch_set_own(punch, &hard, &nowhere, T0);
	assert_false(punch_report(punch, T0).punch);
	punch_set_own(punch, &hard, &lan, T0);
	assert_false(punch_report(punch, T0).punch);
	punch_free(punch);
}

static void a_pair_ends_it(void **state)
{
	struct punch *punch = start(true);

	(void)state;
	meet(punch, &hard, &easy, T0);
	run(punch, T0, T0 + 220 * MS);
	punch_set_direct(punch, true, T0 + 220 * MS);
	assert_int_equal(budget.sockets, 0);
	run(punch, T0 + 220 * MS, T0 + 20000 * MS);
	assert_int_equal(sent.closed, 1);
	assert_int_equal(sent.sends, 0);
	assert_false(punch_report(punch, T0 + 220 * MS).punch);
	/* Lost again: ten seconds between two runs all the same. */
	punch_set_direct(punch, false, T0 + 5000 * MS);
	assert_false(punch_report(punch, T0 + 10219 * MS).punch);
	assert_true(punch_report(punch, T0 + 10220 * MS).punch);
	punch_free(punch);
}

static void a_run_that_fails_waits_ever_longer(void **state)
{
	struct punch *punch = start(true);
	uint64_t now = T0;

	(void)state;
	for (unsigned int minutes = 2; minutes <= 32; minutes *= 2) {
		uint64_t end = now + 10160 * MS;

		meet(punch, &easy, &hard, now);
		run(punch, now, end);
		assert_int_equal(sent.sends, PUNCH_PROBES_MAX);
		assert_false(punch_report(punch, end + (minutes * 60 * NS_PER_S) - 1).punch);
		/* The peer alone cannot begin it. */
		meet(punch, &easy, &hard, end + NS_PER_S);
		run(punch, end + NS_PER_S, end + 60 * NS_PER_S);
		assert_int_equal(sent.sends, 0);
		now = end + minutes * 60 * NS_PER_S;
		assert_true(punch_has_news(punch, now));
		assert_true(punch_report(punch, now).punch);
	}
	/* It gets no longer than that. */
	meet(punch, &easy, &hard, now);
	run(punch, now, now + 10160 * MS);
	now += 10160 * MS + 32 * 60 * NS_PER_S;
	assert_true(punch_report(punch, now).punch);
	punch_free(punch);
}

static void another_network_is_another_chance(void **state)
{
	const struct ip_addr other = addr_from_v4(0xc6330707u);
	const struct candidate moved = candidate("198.51.8.8:4000", CANDIDATE_SRFLX);
	struct punch *punch = start(true);
	uint64_t now = T0 + 20000 * MS;

	(void)state;
	meet(punch, &easy, &hard, T0);
	run(punch, T0, now);
	assert_false(punch_report(punch, now).punch);
	punch_set_own(punch, &easy, &other, now);
	assert_true(punch_report(punch, now).punch);
	punch_set_peer(punch, &hard, &moved, 1, now);
	run(punch, now, now + 20000 * MS);
	assert_int_equal(sent.sends, PUNCH_PROBES_MAX);
	/* The peer's. */
	now += 20000 * MS;
	assert_false(punch_report(punch, now).punch);
	punch_restart(punch, now);
	punch_set_peer(punch, &hard, &moved, 1, now);
	assert_false(punch_report(punch, now).punch);
	punch_restart(punch, now);
	meet(punch, &easy, &hard, now);
	assert_true(punch_report(punch, now).punch);
	punch_free(punch);
}

static void restarts_are_no_way_around_it(void **state)
{
	struct punch *punch = start(true);
	uint64_t now = T0;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		meet(punch, &easy, &hard, now);
		run(punch, now, now + 200 * MS);
		assert_true(sent.sends > 0);
		now += 200 * MS;
		punch_restart(punch, now);
	}
	meet(punch, &easy, &hard, now);
	run(punch, now, now + 10000 * MS);
	assert_int_equal(sent.sends, 0);
	punch_free(punch);
}

static void runs_share_one_budget(void **state)
{
	struct punch *punch[4];
	unsigned int opened = 0, sends = 0;

	(void)state;
	for (unsigned int i = 0; i < 4; i++)
		punch[i] = start(true);
	punch_budget_init(&budget, 250, T0);
	for (unsigned int i = 0; i < 4; i++)
		meet(punch[i], i < 3 ? &hard : &easy, i < 3 ? &easy : &hard, T0);
	for (unsigned int i = 0; i < 4; i++) {
		run(punch[i], T0, T0 + 1000 * MS);
		opened += sent.opened;
		sends += sent.sends;
	}
	assert_int_equal(opened, PUNCH_SOCKETS_MAX);
	assert_int_equal(budget.sockets, PUNCH_SOCKETS_MAX);
	/* Who got none begins as soon as another ends. */
	punch_set_direct(punch[0], true, T0 + 1000 * MS);
	run(punch[2], T0 + 1000 * MS, T0 + 1160 * MS);
	assert_int_equal(sent.opened, PUNCH_SOCKETS);
	for (unsigned int i = 0; i < 4; i++)
		punch_free(punch[i]);
	assert_int_equal(budget.sockets, 0);
	/* All mappings of the router's are not ours. */
	sends = 0;
	punch_budget_init(&budget, 0, T0);
	for (uint64_t now = T0; now < T0 + 40 * NS_PER_S; now += MS)
		sends += punch_budget_take(&budget, false, now) == 0;
	assert_in_range(sends, PUNCH_MAPPINGS_MAX, PUNCH_MAPPINGS_MAX + 40 * PUNCH_MAPPINGS_PER_S);
	assert_false(punch_budget_allows(&budget, T0 + 40 * NS_PER_S));
	assert_true(punch_budget_allows(&budget, T0 + 60 * NS_PER_S));
}

static void news_are_told_within_bounds(void **state)
{
	const struct ip_addr addr = outside();
	struct punch *punch = start(true);

	(void)state;
	meet(punch, &unknown, &unknown, T0);
	assert_false(punch_has_news(punch, T0));
	punch_set_own(punch, &hard, &addr, T0 + 10 * MS);
	assert_false(punch_has_news(punch, T0 + 10 * MS)); /* not so soon again */
	assert_true(punch_next_timeout(punch) <= T0 + 500 * MS);
	assert_true(punch_has_news(punch, T0 + 500 * MS));
	assert_int_equal(punch_report(punch, T0 + 500 * MS).mapping, NAT_ADDRESS_PORT_DEPENDENT);
	assert_false(punch_has_news(punch, T0 + 9000 * MS));
	punch_free(punch);
	punch_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_hard_side_opens_many),
		cmocka_unit_test(the_easy_side_asks_every_port_once),
		cmocka_unit_test(foreseen_ports_go_first),
		cmocka_unit_test(nobody_knows_so_each_in_turn),
		cmocka_unit_test(who_knows_its_nat_leaves_the_other_to_be_hard),
		cmocka_unit_test(who_was_wrong_changes_sides),
		cmocka_unit_test(where_there_is_no_hope_nothing_is_sent),
		cmocka_unit_test(a_pair_ends_it),
		cmocka_unit_test(a_run_that_fails_waits_ever_longer),
		cmocka_unit_test(another_network_is_another_chance),
		cmocka_unit_test(restarts_are_no_way_around_it),
		cmocka_unit_test(runs_share_one_budget),
		cmocka_unit_test(news_are_told_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
