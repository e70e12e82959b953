/* What a peer, or whoever can send to us, may try; and candidates of ours that come and go. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/ice_agent.h"
#include "proto/ice_budget.h"
#include "tests/support/ice_bench.h"

static struct endpoint numbered(uint32_t i)
{
	return (struct endpoint){ .addr = addr_from_v4(0xcb000100u + i),
				  .port = (uint16_t)(1024 + i) };
}

static bool has_pair_to(const struct ice_bench *b, const struct endpoint *remote)
{
	return ice_session_find(&b->agent->current, &b->local, remote) != NULL;
}

static struct candidate candidate_at(const struct endpoint *addr, enum candidate_type type)
{
	struct candidate c = { .type = type, .addr = *addr, .priority = 1 };

	strcpy(c.foundation, "x");
	return c;
}

/* ---- checks ---- */

static void a_copied_check_is_heard_once(void **state)
{
	const struct ice_bench_request good = { .controlling = false };
	uint8_t copy[512];
	struct ice_bench b;
	size_t len;

	(void)state;
	ice_bench_init(&b, true);
	ice_bench_bind(&b, T0);
	ice_bench_drain(&b, T0);
	len = ice_bench_build(&b, copy, &good);
	assert_int_equal(ice_input(b.agent, copy, len, &b.local, &b.remote, T0), 0);
	ice_bench_drain(&b, T0);
	for (uint32_t i = 0; i < 200; i++) {
		struct endpoint from = numbered(i);

		assert_int_equal(ice_input(b.agent, copy, len, &b.local, &from, T0 + i * MS),
				 -EPERM);
		ice_bench_drain(&b, T0 + i * MS);
		assert_false(has_pair_to(&b, &from));
		for (size_t k = 0; k < b.out_count; k++)
			assert_true(endpoint_equal(&b.out[k].remote, &b.remote));
	}
	assert_int_equal(b.agent->current.remote_count, 1);
	/* The same again from where it came is what a lost answer looks like. */
	assert_int_equal(ice_input(b.agent, copy, len, &b.local, &b.remote, T0 + NS_PER_S), 0);
	ice_agent_free(b.agent);
}

static void a_flood_of_forged_checks_leaves_no_trace(void **state)
{
	const struct ice_bench_request forged = { .pwd = "not the right password" };
	struct ice_bench b;

	(void)state;
	ice_bench_init(&b, true);
	ice_bench_bind(&b, T0);
	ice_bench_drain(&b, T0);
	for (uint32_t i = 0; i < 1000; i++) {
		struct endpoint from = numbered(i);

		assert_int_equal(ice_bench_request(&b, &forged, &from, T0), -EPERM);
		assert_true(b.out_count <= 1);
		if (b.out_count)
			assert_int_equal(ice_bench_error_of(&b.out[0]), STUN_ERR_UNAUTHENTICATED);
	}
	assert_int_equal(b.agent->current.remote_count, 1);
	assert_int_equal(b.agent->current.pair_count, 1);
	ice_agent_free(b.agent);
}

static void a_flood_of_true_checks_pushes_nothing_out(void **state)
{
	const struct ice_bench_request good = { .controlling = false };
	struct endpoint real = ice_bench_endpoint("198.51.100.77:7777");
	struct ice_datagram check = { 0 };
	struct ice_bench b;
	uint64_t now = T0;

	(void)state;
	ice_bench_init(&b, true);
	ice_bench_bind(&b, T0);
	ice_bench_drain(&b, T0);
	/* Whose peer came through a NAT of its own: in the midst of it, and asked back at once. */
	for (uint32_t i = 0; i < 1000; i++, now += MS) {
		struct endpoint from = i == 5 ? real : numbered(i);

		assert_int_equal(ice_bench_request(&b, &good, &from, now), 0);
		for (size_t k = 0; k < b.out_count; k++) {
			if (endpoint_equal(&b.out[k].remote, &real) &&
			    ice_bench_is_request(&b.out[k]))
				check = b.out[k];
		}
		if (i == 105)
			assert_int_equal(ice_bench_answer_from(&b, &check, 0, ICE_BENCH_PWD, &real,
							       now),
					 0);
	}
	assert_true(has_pair_to(&b, &b.remote));
	assert_true(has_pair_to(&b, &real));
	assert_int_equal(b.agent->current.remote_count, 1 + ICE_LEARNT_MAX);
	assert_int_equal(b.agent->current.pair_count, 1 + ICE_LEARNT_MAX);
	ice_agent_free(b.agent);
}

/* ---- candidates of the peer ---- */

static void one_address_is_believed_so_many_ports(void **state)
{
	struct ice_description d = ice_bench_description(1, NULL);
	struct endpoint victim = ice_bench_endpoint("203.0.113.200:1");
	struct ice_bench b;

	(void)state;
	ice_bench_init(&b, true);
	for (int k = 0; k < 10; k++) {
		for (d.count = 0; d.count < ICE_CANDIDATES_MAX; d.count++, victim.port++)
			d.candidates[d.count] = candidate_at(&victim, CANDIDATE_HOST);
		assert_int_equal(ice_input_description(b.agent, &d, T0), 0);
	}
	assert_int_equal(b.agent->current.pair_count, ICE_PORTS_MAX);
	ice_agent_free(b.agent);
}

/* The peer begins anew again and again, and always names somebody else's address. */
static void a_third_party_gets_few_checks(void **state)
{
	struct endpoint victim = ice_bench_endpoint("203.0.113.200:1");
	struct ice_budget *budget;
	unsigned int count = 0;
	struct ice_bench b;
	struct rng rng;

	(void)state;
	ice_bench_init(&b, true);
	rng = rng_from_seeded(&b.seeded);
	budget = ice_budget_new(&rng);
	b.agent->budget = budget;
	for (uint64_t s = 0; s < 60; s++) {
		struct ice_description d = ice_bench_description((uint32_t)s + 1, NULL);
		uint64_t now = T0 + s * NS_PER_S, end = now + NS_PER_S;

		for (; d.count < ICE_PORTS_MAX; d.count++, victim.port++)
			d.candidates[d.count] =
				candidate_at(&victim,
					     d.count % 2 ? CANDIDATE_HOST : CANDIDATE_SRFLX);
		assert_int_equal(ice_input_description(b.agent, &d, now), 0);
		while (now < end) {
			ice_bench_drain(&b, now);
			count += (unsigned int)b.out_count;
			now = ice_next_timeout(b.agent);
			if (now < end)
				ice_expire(b.agent, now);
		}
	}
	assert_in_range(count, 1, ICE_BUDGET_ADDR_BURST + 60 * ICE_BUDGET_ADDR_RATE + 1);
	ice_agent_free(b.agent);
	ice_budget_free(budget);
}

/* First heard of by a check, then told: it takes a place among those told only where there is one.
 */
static void what_was_learnt_and_is_told_then_has_bounds(void **state)
{
	const struct ice_bench_request good = { .controlling = false };
	struct ice_description d = ice_bench_description(1, ICE_BENCH_LINE);
	struct ice_bench b;
	uint64_t now = T0;

	(void)state;
	ice_bench_init(&b, true);
	ice_bench_bind(&b, T0);
	for (uint32_t i = 0; i < 500; i++, now += NS_PER_S) {
		struct endpoint from = numbered(i);

		ice_bench_request(&b, &good, &from, now);
		d.candidates[0] = candidate_at(&from, CANDIDATE_SRFLX);
		assert_int_equal(ice_input_description(b.agent, &d, now), 0);
		ice_bench_drain(&b, now);
		assert_in_range(b.agent->current.remote_count, 1,
				ICE_CANDIDATES_MAX + ICE_LEARNT_MAX);
	}
	ice_agent_free(b.agent);
}

static void ever_new_addresses_replace_what_led_to_nothing(void **state)
{
	struct ice_description d = ice_bench_description(1, ICE_BENCH_LINE);
	struct endpoint last = { 0 };
	struct ice_bench b;

	(void)state;
	ice_bench_begin_valid(&b, true);
	for (uint32_t i = 0; i < 500; i++) {
		last = numbered(i);
		d.candidates[0] = candidate_at(&last, CANDIDATE_SRFLX);
		assert_int_equal(ice_input_description(b.agent, &d, T0 + NS_PER_S), 0);
	}
	assert_int_equal(b.agent->current.remote_count, ICE_CANDIDATES_MAX);
	assert_true(has_pair_to(&b, &last));
	assert_true(has_pair_to(&b, &b.remote)); /* the valid one */
	ice_agent_free(b.agent);
}

static void our_own_addresses_are_not_asked(void **state)
{
	struct endpoint mapped = ice_bench_endpoint("203.0.113.5:5");
	struct ice_description d = ice_bench_description(1, NULL);
	struct ice_bench b;

	(void)state;
	ice_bench_init(&b, true);
	ice_add_local_candidate(b.agent, CANDIDATE_SRFLX, &mapped, &b.local, NULL, T0);
	ice_bench_drain(&b, T0);
	d.candidates[0] = candidate_at(&b.local, CANDIDATE_HOST);
	d.candidates[1] = candidate_at(&mapped, CANDIDATE_SRFLX);
	d.count = 2;
	assert_int_equal(ice_input_description(b.agent, &d, T0), 0);
	assert_int_equal(b.agent->current.pair_count, 0);
	ice_agent_free(b.agent);
}

static void addresses_that_are_no_place_to_send_to(void **state)
{
	static const char *const texts[] = {
		"127.0.0.1:900",
		"[::1]:900",
		"0.0.0.0:900",
		"[::]:900",
		"0.1.2.3:900",
		"224.0.0.251:5353",
		"[ff02::fb]:5353",
		"255.255.255.255:9",
		"240.0.0.1:900",
		"169.254.1.2:900",
		"[fec0::1]:900",
		"[::192.0.2.9]:900",
		"198.51.100.1:0",
		"[::ffff:127.0.0.1]:900",
		"[::ffff:224.0.0.1]:900",
		"[::ffff:0.0.0.0]:9",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct endpoint e = ice_bench_endpoint(texts[i]);

		if (candidate_addr_allowed(&e, NULL, 0))
			fail_msg("%s is allowed", texts[i]);
	}
}

static void thousands_of_candidates_are_refused(void **state)
{
	static char text[ICE_DESCRIPTION_TEXT_MAX + 65536];
	struct ice_description d = { .count = 7 };
	size_t len;

	(void)state;
	len = (size_t)snprintf(text, sizeof(text),
			       "{\"instance\":1,\"generation\":1,\"ufrag\":\"abcd\","
			       "\"pwd\":\"0123456789012345678901\",\"candidates\":[");
	for (unsigned int i = 0; i < 1000; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"%s\"candidate:1 1 udp 9 192.0.2.1 %u typ host\"",
					i ? "," : "", i + 1);
	len += (size_t)snprintf(text + len, sizeof(text) - len, "]}");
	assert_int_equal(ice_description_decode(&d, text, len), -EBADMSG);
	assert_int_equal(d.count, 7);
}

/* ---- candidates of ours ---- */

static bool is_told(const struct ice_bench *b, const struct endpoint *addr)
{
	for (size_t i = 0; i < b->ours.count; i++) {
		if (endpoint_equal(&b->ours.candidates[i].addr, addr))
			return true;
	}
	return false;
}

static void mapped_addresses_that_change_never_fill_the_list(void **state)
{
	struct ip_addr server = addr_from_v4(0xc6336401);
	struct endpoint mapped = { 0 }, before;
	struct ice_bench b;

	(void)state;
	ice_bench_init(&b, true);
	for (uint32_t i = 0; i < 1000; i++) {
		before = mapped;
		mapped = numbered(i);
		assert_int_equal(ice_add_local_candidate(b.agent, CANDIDATE_SRFLX, &mapped,
							 &b.local, &server, T0),
				 0);
		ice_bench_drain(&b, T0);
		assert_int_equal(b.ours.count, 1); /* the news alone */
		assert_true(is_told(&b, &mapped));
	}
	ice_restart(b.agent, T0);
	ice_bench_drain(&b, T0);
	assert_int_equal(b.ours.count, 2);
	assert_true(is_told(&b, &mapped));
	assert_false(is_told(&b, &before));
	ice_agent_free(b.agent);
}

static void what_is_not_in_the_set_leaves(void **state)
{
	struct ice_local_candidate set[3] = { 0 };
	struct ice_bench b;

	(void)state;
	ice_bench_begin_valid(&b, true);
	set[0].type = CANDIDATE_HOST;
	set[0].addr = b.local;
	for (uint32_t i = 0; i < 100; i++) {
		set[1].type = CANDIDATE_HOST;
		set[1].addr = numbered(i);
		set[2].type = CANDIDATE_SRFLX;
		set[2].addr = numbered(500 + i);
		set[2].base = b.local;
		ice_set_local_candidates(b.agent, set, 3, T0);
		ice_bench_drain(&b, T0);
		assert_int_equal(b.agent->local_count, 3);
		assert_int_equal(b.event_count, 0); /* what is used stays */
	}
	ice_set_local_candidates(b.agent, set, 2, T0);
	ice_restart(b.agent, T0);
	ice_bench_drain(&b, T0);
	assert_int_equal(b.ours.count, 2);
	assert_false(is_told(&b, &set[2].addr));
	/* An interface goes, and the pairs that left from it. */
	ice_set_local_candidates(b.agent, set + 1, 1, T0);
	ice_bench_drain(&b, T0);
	assert_non_null(ice_bench_find_event(&b, ICE_EVENT_PAIR_LOST));
	assert_int_equal(b.agent->local_count, 1);
	ice_agent_free(b.agent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copied_check_is_heard_once),
		cmocka_unit_test(a_flood_of_forged_checks_leaves_no_trace),
		cmocka_unit_test(a_flood_of_true_checks_pushes_nothing_out),
		cmocka_unit_test(one_address_is_believed_so_many_ports),
		cmocka_unit_test(a_third_party_gets_few_checks),
		cmocka_unit_test(ever_new_addresses_replace_what_led_to_nothing),
		cmocka_unit_test(our_own_addresses_are_not_asked),
		cmocka_unit_test(addresses_that_are_no_place_to_send_to),
		cmocka_unit_test(thousands_of_candidates_are_refused),
		cmocka_unit_test(what_was_learnt_and_is_told_then_has_bounds),
		cmocka_unit_test(mapped_addresses_that_change_never_fill_the_list),
		cmocka_unit_test(what_is_not_in_the_set_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
