#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/ice_agent.h"
#include "tests/support/ice_bench.h"

static struct endpoint other_port(const struct ice_bench *b)
{
	struct endpoint local = b->local;

	local.port = 50001;
	return local;
}

static void an_answer_makes_the_pair(void **state)
{
	struct endpoint hit = ice_bench_endpoint("198.51.100.77:34567");
	const struct ice_event *event;
	struct ice_bench b;
	struct ice_datagram check, other;
	uint64_t now = T0 + 100 * MS;

	(void)state;
	ice_bench_init(&b, true);
	assert_int_equal(ice_stray_check(b.agent, &b.local, &hit, &check, T0), -ENOTCONN);
	ice_bench_bind(&b, T0);
	assert_int_equal(ice_stray_check(b.agent, &b.local, &hit, &check, now), 0);
	hit.port++;
	assert_int_equal(ice_stray_check(b.agent, &b.local, &hit, &other, now + 2 * MS), 0);
	assert_memory_not_equal(check.data + 8, other.data + 8, STUN_TRANSACTION_SIZE);
	assert_true(ice_owns_transaction(b.agent, other.data + 8));

	/* Not from where it was sent to, not signed, an answer to something else. */
	ice_bench_drain(&b, now);
	assert_int_equal(ice_bench_answer_from(&b, &other, 0, ICE_BENCH_PWD, &check.remote,
					       now + 20 * MS),
			 -EPERM);
	assert_int_equal(ice_bench_answer_from(&b, &other, 0, NULL, &hit, now + 20 * MS), -EPERM);
	assert_null(ice_bench_find_event(&b, ICE_EVENT_PAIR_VALID));
	assert_int_equal(ice_bench_answer_from(&b, &other, 0, ICE_BENCH_PWD, &hit, now + 32 * MS),
			 0);
	event = ice_bench_find_event(&b, ICE_EVENT_PAIR_VALID);
	assert_non_null(event);
	assert_true(endpoint_equal(&event->pair.remote, &hit));
	assert_true(endpoint_equal(&event->pair.local, &b.local));
	assert_int_equal(event->pair.rtt_ns, 30 * MS);
	/* Whoever saw the answer cannot keep the pair alive with it. */
	assert_int_equal(ice_bench_answer_from(&b, &other, 0, ICE_BENCH_PWD, &hit, now + NS_PER_S),
			 -EPERM);
	ice_agent_free(b.agent);
}

static void another_port_of_ours_is_a_base(void **state)
{
	const struct ice_bench_request request = { 0 };
	struct endpoint hit = ice_bench_endpoint("198.51.100.77:34567");
	struct endpoint shared;
	const struct ice_event *event;
	struct ice_datagram check;
	struct ice_bench b;

	(void)state;
	ice_bench_init(&b, false);
	ice_bench_bind(&b, T0);
	ice_bench_drain(&b, T0);
	shared = b.local;
	b.local = other_port(&b);
	assert_int_equal(ice_stray_check(b.agent, &b.local, &hit, &check, T0), 0);
	assert_true(endpoint_equal(&check.local, &b.local));
	assert_false(ice_uses_port(b.agent, b.local.port));
	/* The peer's check comes to it: answered from there, and asked back from there. */
	assert_int_equal(ice_bench_request(&b, &request, &hit, T0 + 10 * MS), 0);
	assert_true(ice_uses_port(b.agent, b.local.port));
	assert_true(b.out_count >= 1);
	for (size_t i = 0; i < b.out_count; i++) {
		if (endpoint_equal(&b.out[i].remote, &hit))
			assert_true(endpoint_equal(&b.out[i].local, &b.local));
	}
	/* Our own check is answered. */
	assert_int_equal(ice_bench_answer_from(&b, &check, 0, ICE_BENCH_PWD, &hit, T0 + 30 * MS),
			 0);
	event = ice_bench_find_event(&b, ICE_EVENT_PAIR_VALID);
	assert_non_null(event);
	assert_true(endpoint_equal(&event->pair.local, &b.local));
	assert_false(endpoint_equal(&event->pair.local, &shared));
	ice_agent_free(b.agent);
}

static void nothing_goes_where_nothing_may_go(void **state)
{
	static const char *const refused[] = { "127.0.0.1:900", "224.0.0.1:900",
					       "255.255.255.255:900", "0.0.0.0:900" };
	struct endpoint remote, foreign = ice_bench_endpoint("198.51.100.66:41641");
	struct ice_datagram check;
	struct ice_bench b;

	(void)state;
	ice_bench_init(&b, true);
	ice_bench_bind(&b, T0);
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		remote = ice_bench_endpoint(refused[i]);
		assert_int_equal(ice_stray_check(b.agent, &b.local, &remote, &check, T0),
				 -EADDRNOTAVAIL);
	}
	remote = ice_bench_endpoint("198.51.100.77:34567");
	assert_int_equal(ice_stray_check(b.agent, &foreign, &remote, &check, T0), -EADDRNOTAVAIL);
	ice_agent_free(b.agent);
}

static void thousands_leave_the_check_list_as_it_is(void **state)
{
	struct endpoint remote = ice_bench_endpoint("198.51.100.77:1024");
	struct ice_datagram check;
	struct ice_bench b;

	(void)state;
	ice_bench_init(&b, true);
	ice_bench_bind(&b, T0);
	ice_bench_drain(&b, T0);
	for (unsigned int i = 0; i < 5000; i++) {
		remote.port++;
		assert_int_equal(ice_stray_check(b.agent, &b.local, &remote, &check, T0), 0);
	}
	assert_true(ice_next_timeout(b.agent) > T0);
	/* A restart makes them void. */
	assert_true(ice_owns_transaction(b.agent, check.data + 8));
	ice_restart(b.agent, T0);
	assert_false(ice_owns_transaction(b.agent, check.data + 8));
	ice_agent_free(b.agent);
}

/* The peer's check from that port of one address; our own to it, sent within a second. */
static struct ice_datagram ask_back(struct ice_bench *b, uint16_t port, bool nominating,
				    uint64_t *now)
{
	const struct ice_bench_request request = { .controlling = true,
						   .use_candidate = nominating };
	struct endpoint from = ice_bench_endpoint("198.51.100.77:1");
	uint64_t end = *now + NS_PER_S;

	from.port = port;
	assert_int_equal(ice_bench_request(b, &request, &from, *now), 0);
	for (;;) {
		for (size_t i = 0; i < b->out_count; i++) {
			if (ice_bench_is_request(&b->out[i]) &&
			    endpoint_equal(&b->out[i].remote, &from))
				return b->out[i];
		}
		*now = ice_next_timeout(b->agent);
		assert_true(*now < end);
		ice_expire(b->agent, *now);
		ice_bench_drain(b, *now);
	}
}

/* As many addresses as have a place are proven; the peer has more pairs than that. */
static uint64_t fill_with_proven(struct ice_bench *b)
{
	uint64_t now = T0;

	ice_bench_init(b, false);
	ice_bench_bind(b, now);
	ice_bench_drain(b, now);
	for (uint16_t i = 0; i < ICE_LEARNT_MAX; i++, now += MS) {
		struct ice_datagram check = ask_back(b, (uint16_t)(2000 + i), false, &now);

		assert_int_equal(ice_bench_answer_from(b, &check, 0, ICE_BENCH_PWD, &check.remote,
						       now),
				 0);
	}
	return now;
}

static void the_nominated_one_of_many_pairs_has_a_place(void **state)
{
	const struct ice_bench_request plain = { .controlling = true };
	struct endpoint more = ice_bench_endpoint("198.51.100.77:4000");
	const struct ice_event *event;
	struct ice_datagram check;
	struct ice_bench b;
	uint64_t now;

	(void)state;
	now = fill_with_proven(&b);
	assert_int_equal(ice_bench_request(&b, &plain, &more, now), 0);
	assert_null(ice_session_find(&b.agent->current, &b.local, &more));
	check = ask_back(&b, 3000, true, &now);
	/* Others do not push it out before it has answered. */
	for (; more.port < 4100; more.port++, now += MS)
		assert_int_equal(ice_bench_request(&b, &plain, &more, now), 0);
	assert_int_equal(ice_bench_answer_from(&b, &check, 0, ICE_BENCH_PWD, &check.remote, now),
			 0);
	event = ice_bench_find_event(&b, ICE_EVENT_SELECTED);
	assert_non_null(event);
	assert_int_equal(event->pair.remote.port, 3000);
	ice_agent_free(b.agent);
}

static void who_nominates_everything_gets_one_place_more(void **state)
{
	const struct ice_bench_request nominating = { .controlling = true, .use_candidate = true };
	struct endpoint from = ice_bench_endpoint("198.51.100.77:4000");
	struct ice_bench b;
	uint64_t now;

	(void)state;
	now = fill_with_proven(&b);
	for (; from.port < 5000; from.port++, now += MS) {
		assert_int_equal(ice_bench_request(&b, &nominating, &from, now), 0);
		/* With the one that was told. */
		assert_int_equal(b.agent->current.remote_count, 1 + ICE_LEARNT_MAX + 1);
	}
	ice_agent_free(b.agent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_makes_the_pair),
		cmocka_unit_test(another_port_of_ours_is_a_base),
		cmocka_unit_test(nothing_goes_where_nothing_may_go),
		cmocka_unit_test(thousands_leave_the_check_list_as_it_is),
		cmocka_unit_test(the_nominated_one_of_many_pairs_has_a_place),
		cmocka_unit_test(who_nominates_everything_gets_one_place_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
