/*
 * One agent, clause by clause, against a peer played by hand: what it sends, when, and what it
 * makes of answers good and bad. How two agents get on in a network is the simulator's business.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/ice_bench.h"

/* ---- checks ---- */

static void test_check_contents(void **state)
{
	struct ice_bench b;
	struct stun_message msg;
	char name[128], want[128];
	uint32_t priority;

	(void)state;
	for (int controlling = 0; controlling < 2; controlling++) {
		ice_bench_init(&b, controlling);
		ice_bench_bind(&b, T0);
		ice_bench_drain(&b, T0);
		assert_int_equal(b.out_count, 1);
		assert_true(endpoint_equal(&b.out[0].local, &b.local));
		assert_true(endpoint_equal(&b.out[0].remote, &b.remote));
		assert_int_equal(stun_parse(&msg, b.out[0].data, b.out[0].len), 0);
		assert_true(msg.has_fingerprint);
		assert_true(stun_check_integrity(&msg, ICE_BENCH_PWD, strlen(ICE_BENCH_PWD)));
		assert_int_equal(stun_get_text(&msg, STUN_ATTR_USERNAME, name, sizeof(name)), 0);
		snprintf(want, sizeof(want), "%s1:%s", ICE_BENCH_UFRAG, b.ours.ufrag);
		assert_string_equal(name, want);
		/* RFC 8445 section 7.1.1: as if it were peer-reflexive. */
		assert_int_equal(stun_get_u32(&msg, STUN_ATTR_PRIORITY, &priority), 0);
		assert_int_equal(priority >> 24, 110);
		assert_int_equal(stun_has(&msg, STUN_ATTR_ICE_CONTROLLING), controlling);
		assert_int_equal(stun_has(&msg, STUN_ATTR_ICE_CONTROLLED), !controlling);
		assert_false(stun_has(&msg, STUN_ATTR_USE_CANDIDATE));
		ice_agent_free(b.agent);
	}
}

static void test_dense_schedule_and_patience(void **state)
{
	static const unsigned int times_ms[] = { 50, 100, 200, 400, 800, 1800, 2800, 3800 };
	struct ice_bench b;
	uint64_t now = T0;

	(void)state;
	ice_bench_init(&b, true);
	ice_bench_bind(&b, T0);
	ice_bench_drain(&b, T0);
	assert_int_equal(b.out_count, 1);
	for (size_t i = 0; i < sizeof(times_ms) / sizeof(times_ms[0]); i++)
		assert_true(ice_bench_next_output(&b) == T0 + times_ms[i] * MS);
	/* RFC 8863: not failed before 39.5 s, and silent afterwards. */
	while (!ice_bench_find_event(&b, ICE_EVENT_FAILED)) {
		now = ice_next_timeout(b.agent);
		ice_expire(b.agent, now);
		ice_bench_drain(&b, now);
	}
	assert_true(now == T0 + 39500 * MS);
	assert_true(ice_next_timeout(b.agent) == CLOCK_NEVER);
	ice_agent_free(b.agent);
}

static void test_pace(void **state)
{
	struct ice_description d = ice_bench_description(1, NULL);
	struct ice_bench b;
	uint64_t last = T0, now;

	(void)state;
	ice_bench_init(&b, true);
	for (d.count = 0; d.count < 10; d.count++) {
		assert_int_equal(candidate_parse(&d.candidates[d.count], ICE_BENCH_LINE), 0);
		d.candidates[d.count].addr.port = (uint16_t)(900 + d.count);
	}
	assert_int_equal(ice_input_description(b.agent, &d, T0), 0);
	ice_bench_drain(&b, T0);
	assert_int_equal(b.out_count, 1);
	for (int i = 1; i < 30; i++) {
		now = ice_bench_next_output(&b);
		assert_int_equal(b.out_count, 1);
		assert_true(now >= last + 5 * MS);
		if (i < 10)
			assert_true(now == last + 5 * MS);
		last = now;
	}
	ice_agent_free(b.agent);
}

static void test_response_from_elsewhere_fails_the_pair(void **state)
{
	struct endpoint elsewhere = ice_bench_endpoint("198.51.100.9:901");
	struct ice_bench b;
	struct ice_datagram check;

	(void)state;
	ice_bench_init(&b, true);
	ice_bench_bind(&b, T0);
	ice_bench_drain(&b, T0);
	check = b.out[0];
	assert_int_equal(ice_bench_answer_from(&b, &check, 0, ICE_BENCH_PWD, &elsewhere, T0 + MS),
			 -EPERM);
	assert_int_equal(b.event_count, 0);
	ice_expire(b.agent, T0 + NS_PER_S);
	ice_bench_drain(&b, T0 + NS_PER_S);
	assert_int_equal(b.out_count, 0); /* no longer checked */
	ice_agent_free(b.agent);
}

static void test_forged_responses_ignored(void **state)
{
	struct ice_bench b;
	struct ice_datagram check;

	(void)state;
	ice_bench_init(&b, true);
	ice_bench_bind(&b, T0);
	ice_bench_drain(&b, T0);
	check = b.out[0];
	assert_int_equal(ice_bench_answer_from(&b, &check, 0, NULL, &b.remote, T0), -EPERM);
	assert_int_equal(ice_bench_answer_from(&b, &check, 0, "wrong", &b.remote, T0), -EPERM);
	assert_int_equal(ice_bench_answer_from(&b, &check, 400, NULL, &b.remote, T0), -EPERM);
	assert_int_equal(b.event_count, 0);
	assert_true(ice_owns_transaction(b.agent, check.data + 8));
	assert_int_equal(ice_bench_answer(&b, &check, T0), 0);
	assert_non_null(ice_bench_find_event(&b, ICE_EVENT_PAIR_VALID));
	assert_false(ice_owns_transaction(b.agent, check.data + 8));
	assert_int_equal(ice_bench_answer(&b, &check, T0), -EPERM); /* once only */
	ice_agent_free(b.agent);
}

/* ---- nomination ---- */

static void test_controlling_nominates_once(void **state)
{
	struct stun_message msg;
	uint32_t id;
	struct ice_bench b;

	(void)state;
	id = ice_bench_begin_valid(&b, true);
	/* Nothing better can come: the nominating check goes out with the same answer. */
	if (!b.out_count)
		ice_bench_next_output(&b);
	assert_int_equal(stun_parse(&msg, b.out[0].data, b.out[0].len), 0);
	assert_true(stun_has(&msg, STUN_ATTR_USE_CANDIDATE));
	assert_int_equal(ice_bench_answer(&b, &b.out[0], T0 + 60 * MS), 0);
	assert_non_null(ice_bench_find_event(&b, ICE_EVENT_SELECTED));
	assert_int_equal(ice_bench_find_event(&b, ICE_EVENT_SELECTED)->pair.id, id);
	ice_bench_next_output(&b); /* consent */
	assert_int_equal(stun_parse(&msg, b.out[0].data, b.out[0].len), 0);
	assert_false(stun_has(&msg, STUN_ATTR_USE_CANDIDATE));
	ice_agent_free(b.agent);
}

/* The chosen pair dies before the peer confirms it: the next valid one is chosen in its place. */
static void test_a_nomination_that_died_is_made_anew(void **state)
{
	const struct ice_bench_request check = { 0 };
	const struct endpoint other = ice_bench_endpoint("198.51.100.77:999");
	struct stun_message msg;
	struct ice_bench b;
	uint64_t now;

	(void)state;
	ice_bench_begin_valid(&b, true);
	do {
		now = ice_next_timeout(b.agent);
		ice_expire(b.agent, now);
		ice_bench_drain(&b, now);
	} while (!ice_bench_find_event(&b, ICE_EVENT_PAIR_LOST));
	now += NS_PER_S;
	assert_int_equal(ice_bench_request(&b, &check, &other, now), 0);
	assert_int_equal(b.out_count, 2); /* the answer, and the question back */
	assert_int_equal(ice_bench_answer_from(&b, &b.out[1], 0, ICE_BENCH_PWD, &other, now + MS),
			 0);
	assert_non_null(ice_bench_find_event(&b, ICE_EVENT_PAIR_VALID));
	if (!b.out_count)
		ice_bench_next_output(&b);
	assert_int_equal(stun_parse(&msg, b.out[0].data, b.out[0].len), 0);
	assert_true(stun_has(&msg, STUN_ATTR_USE_CANDIDATE));
	ice_agent_free(b.agent);
}

static void test_controlled_is_told(void **state)
{
	const struct ice_bench_request plain = { .controlling = true };
	const struct ice_bench_request chosen = { .controlling = true, .use_candidate = true };
	struct stun_message msg;
	struct ice_bench b;

	(void)state;
	ice_bench_begin_valid(&b, false);
	for (int i = 0; i < 5; i++) { /* never nominates by itself */
		ice_bench_next_output(&b);
		assert_int_equal(stun_parse(&msg, b.out[0].data, b.out[0].len), 0);
		assert_false(stun_has(&msg, STUN_ATTR_USE_CANDIDATE));
		assert_int_equal(ice_bench_answer(&b, &b.out[0], ice_next_timeout(b.agent) - MS),
				 0);
	}
	assert_int_equal(ice_bench_request(&b, &plain, &b.remote, T0 + 30 * NS_PER_S), 0);
	assert_null(ice_bench_find_event(&b, ICE_EVENT_SELECTED));
	assert_int_equal(ice_bench_request(&b, &chosen, &b.remote, T0 + 30 * NS_PER_S), 0);
	assert_non_null(ice_bench_find_event(&b, ICE_EVENT_SELECTED));
	assert_int_equal(ice_bench_request(&b, &chosen, &b.remote, T0 + 30 * NS_PER_S), 0);
	assert_null(ice_bench_find_event(&b, ICE_EVENT_SELECTED));
	ice_agent_free(b.agent);
}

/* USE-CANDIDATE before our own check succeeded: selected when it does. */
static void test_nominated_before_valid(void **state)
{
	const struct ice_bench_request chosen = { .controlling = true, .use_candidate = true };
	struct ice_bench b;
	size_t i = 0;

	(void)state;
	ice_bench_init(&b, false);
	ice_bench_bind(&b, T0);
	ice_bench_drain(&b, T0);
	assert_int_equal(ice_bench_request(&b, &chosen, &b.remote, T0 + 30 * MS), 0);
	assert_null(ice_bench_find_event(&b, ICE_EVENT_SELECTED));
	while (i < b.out_count && !ice_bench_is_request(&b.out[i]))
		i++;
	assert_in_range(i, 0, b.out_count - 1); /* the triggered check */
	assert_int_equal(ice_bench_answer(&b, &b.out[i], T0 + 50 * MS), 0);
	assert_non_null(ice_bench_find_event(&b, ICE_EVENT_SELECTED));
	ice_agent_free(b.agent);
}

/* ---- requests ---- */

static void test_requests_answered_and_refused(void **state)
{
	const struct ice_bench_request good = { .controlling = false };
	const struct ice_bench_request wrong_pwd = { .pwd = "wrongwrongwrongwrongwr" };
	const struct ice_bench_request wrong_name = { .username = "nobody:PEER1" };
	const struct ice_bench_request unsigned_one = { .no_integrity = true };
	const struct ice_bench_request unprinted = { .no_fingerprint = true };
	const struct ice_bench_request without = { .no_priority = true };
	const struct ice_bench_request unknown = { .extra = 0x7abc };
	struct stun_message msg;
	struct endpoint mapped;
	struct ice_bench b;

	(void)state;
	ice_bench_init(&b, true);
	assert_int_equal(ice_bench_request(&b, &good, &b.remote, T0), 0);
	assert_int_equal(b.out_count, 1); /* no check before the peer's password is known */
	assert_int_equal(stun_parse(&msg, b.out[0].data, b.out[0].len), 0);
	assert_int_equal(msg.class, STUN_SUCCESS);
	assert_true(msg.has_fingerprint);
	assert_true(stun_check_integrity(&msg, b.ours.pwd, strlen(b.ours.pwd)));
	assert_int_equal(stun_get_endpoint(&msg, STUN_ATTR_XOR_MAPPED_ADDRESS, &mapped), 0);
	assert_true(endpoint_equal(&mapped, &b.remote));

	assert_int_equal(ice_bench_request(&b, &wrong_pwd, &b.remote, T0), -EPERM);
	assert_int_equal(ice_bench_error_of(&b.out[0]), 401);
	assert_int_equal(ice_bench_request(&b, &wrong_name, &b.remote, T0), -EPERM);
	assert_int_equal(ice_bench_error_of(&b.out[0]), 401);
	assert_int_equal(ice_bench_request(&b, &unsigned_one, &b.remote, T0), -EPERM);
	assert_int_equal(ice_bench_error_of(&b.out[0]), 400);
	assert_int_equal(ice_bench_request(&b, &without, &b.remote, T0), -EPERM);
	assert_int_equal(ice_bench_error_of(&b.out[0]), 400);
	assert_int_equal(ice_bench_request(&b, &unknown, &b.remote, T0), -EPERM);
	assert_int_equal(ice_bench_error_of(&b.out[0]), 420);
	assert_int_equal(ice_bench_request(&b, &unprinted, &b.remote, T0), -EPERM);
	assert_int_equal(b.out_count, 0);
	ice_agent_free(b.agent);
}

/* An early check makes a peer-reflexive candidate that is checked as soon as may be. */
static void test_peer_reflexive(void **state)
{
	const struct ice_bench_request good = { .controlling = false };
	struct ice_description d = ice_bench_description(1, NULL);
	struct endpoint learnt = ice_bench_endpoint("203.0.113.7:7777");
	struct ice_bench b;

	(void)state;
	ice_bench_init(&b, true);
	assert_int_equal(ice_bench_request(&b, &good, &learnt, T0), 0);
	assert_int_equal(ice_input_description(b.agent, &d, T0 + 10 * MS), 0);
	ice_bench_drain(&b, T0 + 10 * MS);
	assert_int_equal(b.out_count, 1);
	assert_true(endpoint_equal(&b.out[0].remote, &learnt));
	assert_int_equal(ice_bench_answer_from(&b, &b.out[0], 0, ICE_BENCH_PWD, &learnt,
					       T0 + 20 * MS),
			 0);
	assert_non_null(ice_bench_find_event(&b, ICE_EVENT_PAIR_VALID));
	ice_agent_free(b.agent);
}

/* ---- roles ---- */

static void test_role_conflicts(void **state)
{
	struct ice_bench_request lower = { .controlling = true, .tie_breaker = 0 };
	struct ice_bench_request higher = { .controlling = true, .tie_breaker = UINT64_MAX };
	struct ice_bench b;

	(void)state;
	/* Both controlling: the larger tie-breaker stays (RFC 8445 section 7.3.1.1). */
	ice_bench_init(&b, true);
	assert_int_equal(ice_bench_request(&b, &lower, &b.remote, T0), -EPERM);
	assert_int_equal(ice_bench_error_of(&b.out[0]), 487);
	assert_true(ice_is_controlling(b.agent));
	assert_int_equal(ice_bench_request(&b, &higher, &b.remote, T0), 0);
	assert_false(ice_is_controlling(b.agent));
	assert_non_null(ice_bench_find_event(&b, ICE_EVENT_ROLE));
	ice_agent_free(b.agent);
	/* Both controlled: the larger becomes controlling. */
	lower.controlling = higher.controlling = false;
	ice_bench_init(&b, false);
	assert_int_equal(ice_bench_request(&b, &higher, &b.remote, T0), -EPERM);
	assert_int_equal(ice_bench_error_of(&b.out[0]), 487);
	assert_false(ice_is_controlling(b.agent));
	assert_int_equal(ice_bench_request(&b, &lower, &b.remote, T0), 0);
	assert_true(ice_is_controlling(b.agent));
	ice_agent_free(b.agent);
}

static void test_487_switches(void **state)
{
	struct stun_message msg;
	uint64_t before, after;
	struct ice_bench b;

	(void)state;
	ice_bench_init(&b, true);
	ice_bench_bind(&b, T0);
	ice_bench_drain(&b, T0);
	assert_int_equal(stun_parse(&msg, b.out[0].data, b.out[0].len), 0);
	assert_int_equal(stun_get_u64(&msg, STUN_ATTR_ICE_CONTROLLING, &before), 0);
	assert_int_equal(ice_bench_answer_from(&b, &b.out[0], 487, ICE_BENCH_PWD, &b.remote,
					       T0 + 10 * MS),
			 0);
	assert_false(ice_is_controlling(b.agent));
	assert_int_equal(b.out_count, 1); /* asked again at once, in the new role */
	assert_int_equal(stun_parse(&msg, b.out[0].data, b.out[0].len), 0);
	assert_int_equal(stun_get_u64(&msg, STUN_ATTR_ICE_CONTROLLED, &after), 0);
	assert_true(before != after);
	ice_agent_free(b.agent);
}

/* ---- consent ---- */

static void test_consent(void **state)
{
	uint64_t last, now, answered = T0 + 20 * MS;
	uint8_t id[STUN_TRANSACTION_SIZE] = { 0 };
	struct ice_bench b;

	(void)state;
	ice_bench_begin_valid(&b, false);
	last = answered;
	for (int i = 0; i < 20; i++) { /* RFC 7675: 4 to 6 s apart, a new id each */
		now = ice_bench_next_output(&b);
		assert_true(now >= last + 4 * NS_PER_S && now <= last + 6 * NS_PER_S);
		assert_memory_not_equal(b.out[0].data + 8, id, sizeof(id));
		memcpy(id, b.out[0].data + 8, sizeof(id));
		assert_int_equal(ice_bench_answer(&b, &b.out[0], now), 0);
		assert_non_null(ice_bench_find_event(&b, ICE_EVENT_PAIR_RTT));
		last = now;
	}
	answered = last;
	do { /* no answer for 30 s ends it */
		now = ice_next_timeout(b.agent);
		ice_expire(b.agent, now);
		ice_bench_drain(&b, now);
	} while (!ice_bench_find_event(&b, ICE_EVENT_PAIR_LOST));
	assert_true(now == answered + 30 * NS_PER_S);
	ice_agent_free(b.agent);
}

static void test_idle_pairs_are_only_kept_open(void **state)
{
	struct ice_bench b;
	uint64_t now, last;

	(void)state;
	ice_bench_begin_valid(&b, false);
	ice_set_active(b.agent, false, T0 + 20 * MS);
	last = ice_bench_next_output(&b);
	assert_int_equal(ice_bench_answer(&b, &b.out[0], last), 0);
	for (int i = 0; i < 5; i++) {
		now = ice_bench_next_output(&b);
		assert_true(now >= last + 15 * NS_PER_S && now <= last + 25 * NS_PER_S);
		assert_int_equal(ice_bench_answer(&b, &b.out[0], now), 0);
		last = now;
	}
	ice_set_active(b.agent, true, last + 20 * NS_PER_S / 2);
	ice_bench_drain(&b, last + 20 * NS_PER_S / 2);
	assert_int_equal(b.out_count, 1); /* asked at once */
	ice_agent_free(b.agent);
}

/* A word now and then is no consent: who does not answer is lost in time all the same. */
static void test_traffic_now_and_then_renews_no_consent(void **state)
{
	struct ice_bench b;
	uint64_t now = T0 + 20 * MS, lost = 0;

	(void)state;
	ice_bench_begin_valid(&b, false);
	for (uint64_t at = T0 + 20 * NS_PER_S; at < T0 + 200 * NS_PER_S && !lost;
	     at += 20 * NS_PER_S) {
		for (; now < at && !lost; now = ice_next_timeout(b.agent)) {
			ice_expire(b.agent, now);
			ice_bench_drain(&b, now);
			if (ice_bench_find_event(&b, ICE_EVENT_PAIR_LOST))
				lost = now;
		}
		ice_set_active(b.agent, false, at - 5 * NS_PER_S);
		ice_set_active(b.agent, true, at);
		ice_bench_drain(&b, at);
	}
	assert_in_range(lost, T0 + 25 * NS_PER_S, T0 + 70 * NS_PER_S);
	ice_agent_free(b.agent);
}

/* After a sleep the one question that was under way is no reason to give the pair up. */
static void test_unanswered_pairs_are_asked_once_more(void **state)
{
	struct ice_bench b;
	uint64_t now;

	(void)state;
	ice_bench_begin_valid(&b, false);
	now = ice_bench_next_output(&b) + 3600 * NS_PER_S;
	ice_set_active(b.agent, false, now);
	ice_set_active(b.agent, true, now);
	ice_bench_drain(&b, now);
	assert_null(ice_bench_find_event(&b, ICE_EVENT_PAIR_LOST));
	assert_int_equal(b.out_count, 1);
	assert_int_equal(ice_bench_answer(&b, &b.out[0], now + 20 * MS), 0);
	assert_true(ice_has_valid_pair(b.agent));
	ice_agent_free(b.agent);
}

static void test_probe(void **state)
{
	uint32_t id;
	struct ice_bench b;

	(void)state;
	id = ice_bench_begin_valid(&b, false);
	assert_int_equal(ice_probe(b.agent, id + 1, T0 + NS_PER_S), -ENOENT);
	assert_int_equal(ice_probe(b.agent, id, T0 + NS_PER_S), 0);
	ice_bench_drain(&b, T0 + NS_PER_S);
	assert_int_equal(b.out_count, 1);
	assert_int_equal(ice_bench_answer(&b, &b.out[0], T0 + NS_PER_S + 33 * MS), 0);
	assert_true(ice_bench_find_event(&b, ICE_EVENT_PAIR_RTT)->pair.rtt_ns == 33 * MS);
	ice_agent_free(b.agent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_contents),
		cmocka_unit_test(test_dense_schedule_and_patience),
		cmocka_unit_test(test_pace),
		cmocka_unit_test(test_response_from_elsewhere_fails_the_pair),
		cmocka_unit_test(test_forged_responses_ignored),
		cmocka_unit_test(test_controlling_nominates_once),
		cmocka_unit_test(test_a_nomination_that_died_is_made_anew),
		cmocka_unit_test(test_controlled_is_told),
		cmocka_unit_test(test_nominated_before_valid),
		cmocka_unit_test(test_requests_answered_and_refused),
		cmocka_unit_test(test_peer_reflexive),
		cmocka_unit_test(test_role_conflicts),
		cmocka_unit_test(test_487_switches),
		cmocka_unit_test(test_consent),
		cmocka_unit_test(test_traffic_now_and_then_renews_no_consent),
		cmocka_unit_test(test_unanswered_pairs_are_asked_once_more),
		cmocka_unit_test(test_idle_pairs_are_only_kept_open),
		cmocka_unit_test(test_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
