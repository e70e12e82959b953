/* When the first checks go, in which order, and what goes before them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/ice_agent.h"
#include "tests/support/ice_bench.h"

#define MAPPED_LINE "candidate:2 1 udp 1694498815 203.0.113.9 5000 typ srflx raddr 0.0.0.0 rport 9"
#define LEAD        (45 * MS) /* 40 ms on the way, and 5 */

static void begin(struct ice_bench *b, struct ice_description *d)
{
	ice_bench_init(b, true);
	ice_set_signal_rtt(b->agent, 20 * MS);
	*d = ice_bench_description(1, MAPPED_LINE);
	d->signal_rtt_ms = 60;
	b->remote = ice_bench_endpoint("203.0.113.9:5000");
}

static void assert_is_opener(const struct ice_bench *b, const struct ice_datagram *d)
{
	struct stun_message msg;

	assert_int_equal(d->ttl, 2);
	assert_true(endpoint_equal(&d->local, &b->local));
	assert_true(endpoint_equal(&d->remote, &b->remote));
	assert_int_equal(stun_parse(&msg, d->data, d->len), 0);
	assert_int_equal(msg.class, STUN_INDICATION);
}

static void the_answerer_opens_and_waits_for_its_answer_to_arrive(void **state)
{
	struct ice_description d;
	struct ice_bench b;
	uint64_t now = T0 + NS_PER_S;

	(void)state;
	begin(&b, &d);
	assert_int_equal(ice_input_description(b.agent, &d, now), 0);
	ice_bench_drain(&b, now);
	assert_int_equal(b.descriptions, 1);
	assert_int_equal(b.ours.signal_rtt_ms, 20);
	assert_int_equal(b.out_count, 1);
	assert_is_opener(&b, &b.out[0]);
	assert_true(ice_bench_next_output(&b) == now + LEAD);
	assert_true(ice_bench_is_request(&b.out[0]));
	assert_int_equal(b.out[0].ttl, 0);
	assert_true(ice_bench_next_output(&b) == now + LEAD + 50 * MS);
	ice_agent_free(b.agent);
}

static void the_offerer_begins_with_the_answer(void **state)
{
	struct ice_description d;
	struct ice_bench b;

	(void)state;
	begin(&b, &d);
	strcpy(d.answers, b.ours.ufrag);
	assert_int_equal(ice_input_description(b.agent, &d, T0 + 80 * MS), 0);
	ice_bench_drain(&b, T0 + 80 * MS);
	assert_int_equal(b.out_count, 1);
	assert_true(ice_bench_is_request(&b.out[0]));
	assert_int_equal(b.out[0].ttl, 0);
	ice_agent_free(b.agent);
}

static void two_offers_at_once_begin_with_the_answers(void **state)
{
	struct ice_description d;
	struct ice_bench b;

	(void)state;
	begin(&b, &d);
	assert_int_equal(ice_input_description(b.agent, &d, T0 + 40 * MS), 0);
	ice_bench_drain(&b, T0 + 40 * MS);
	assert_int_equal(b.out_count, 1);
	assert_is_opener(&b, &b.out[0]);
	strcpy(d.answers, b.ours.ufrag);
	assert_int_equal(ice_input_description(b.agent, &d, T0 + 70 * MS), 0);
	ice_bench_drain(&b, T0 + 70 * MS);
	assert_int_equal(b.out_count, 1);
	assert_true(ice_bench_is_request(&b.out[0]));
	ice_agent_free(b.agent);
}

static void a_check_that_comes_ends_the_wait(void **state)
{
	const struct ice_bench_request check = { .controlling = false };
	struct ice_description d;
	struct ice_bench b;
	uint64_t now = T0 + NS_PER_S;

	(void)state;
	begin(&b, &d);
	assert_int_equal(ice_input_description(b.agent, &d, now), 0);
	ice_bench_drain(&b, now);
	assert_int_equal(ice_bench_request(&b, &check, &b.remote, now + 10 * MS), 0);
	assert_int_equal(b.out_count, 2); /* the answer and our own */
	assert_true(ice_bench_is_request(&b.out[1]));
	assert_int_equal(ice_bench_answer(&b, &b.out[1], now + 50 * MS), 0);
	assert_non_null(ice_bench_find_event(&b, ICE_EVENT_PAIR_VALID));
	ice_agent_free(b.agent);
}

static void addresses_of_its_own_are_asked_at_once(void **state)
{
	struct ice_bench b;

	(void)state;
	ice_bench_init(&b, true);
	ice_bench_bind(&b, T0 + NS_PER_S);
	ice_bench_drain(&b, T0 + NS_PER_S);
	assert_int_equal(b.out_count, 1);
	assert_true(ice_bench_is_request(&b.out[0]));
	ice_agent_free(b.agent);
}

static void a_lead_is_bounded_whatever_the_peer_says(void **state)
{
	struct ice_description d;
	struct ice_bench b;

	(void)state;
	begin(&b, &d);
	d.signal_rtt_ms = UINT32_MAX;
	assert_int_equal(ice_input_description(b.agent, &d, T0 + NS_PER_S), 0);
	ice_bench_drain(&b, T0 + NS_PER_S);
	assert_true(ice_bench_next_output(&b) <= T0 + NS_PER_S + 300 * MS);
	ice_agent_free(b.agent);
}

static void add(struct ice_description *d, const char *fmt, unsigned int i)
{
	char line[CANDIDATE_LINE_SIZE];

	snprintf(line, sizeof(line), fmt, i + 1, i + 1);
	assert_int_equal(candidate_parse(&d->candidates[d->count++], line), 0);
}

/* Sixteen addresses of another home, which lead nowhere, before two that may be the way. */
static void add_many(struct ice_description *d)
{
	for (unsigned int i = 0; i < 16; i++)
		add(d, "candidate:%u 1 udp 2130706431 10.9.%u.1 900 typ host", i);
	add(d, "candidate:2%u 1 udp 1694498815 203.0.113.%u 5000 typ srflx raddr 0.0.0.0 rport 9",
	    8);
	add(d, "candidate:3%u 1 udp 2130706431 198.51.100.%u 900 typ host", 8);
}

static bool is_hopeful(const struct ice_datagram *d)
{
	return d->remote.addr.bytes[0] != 10;
}

static void what_may_work_goes_before_what_cannot(void **state)
{
	struct ice_description d = ice_bench_description(1, NULL);
	unsigned int hopeful = 0, slim = 0;
	struct ice_bench b;
	uint64_t now = T0;

	(void)state;
	ice_bench_init(&b, true);
	add_many(&d);
	strcpy(d.answers, b.ours.ufrag);
	assert_int_equal(ice_input_description(b.agent, &d, now), 0);
	ice_bench_drain(&b, now);
	while (now < T0 + 110 * MS) {
		for (size_t i = 0; i < b.out_count; i++) {
			if (b.out[i].ttl)
				continue;
			hopeful += is_hopeful(&b.out[i]);
			slim += !is_hopeful(&b.out[i]);
			if (hopeful + slim <= 2)
				assert_true(is_hopeful(&b.out[i]));
		}
		now = ice_bench_next_output(&b);
	}
	/* Their schedule is kept: at 0, 50 and 100 ms each. The others use what is left. */
	assert_int_equal(hopeful, 6);
	assert_in_range(slim, 14, 16);
	ice_agent_free(b.agent);
}

static void a_full_list_keeps_what_may_work(void **state)
{
	struct ice_description d = ice_bench_description(1, NULL);
	unsigned int hopeful = 0;
	struct ice_bench b;

	(void)state;
	ice_bench_init(&b, true);
	for (uint8_t i = 1; i < ICE_LOCAL_MAX; i++) {
		struct endpoint more = b.local;

		more.addr.bytes[3] = (uint8_t)(1 + i);
		assert_int_equal(ice_add_local_candidate(b.agent, CANDIDATE_HOST, &more, NULL, NULL,
							 T0),
				 0);
	}
	ice_bench_drain(&b, T0);
	add_many(&d);
	assert_int_equal(ice_input_description(b.agent, &d, T0), 0);
	assert_int_equal(b.agent->current.pair_count, ICE_PAIRS_MAX);
	for (size_t i = 0; i < ICE_PAIRS_MAX; i++)
		hopeful += b.agent->current.pairs[i].remote.addr.bytes[0] != 10;
	assert_int_equal(hopeful, 2 * ICE_LOCAL_MAX);
	ice_bench_drain(&b, T0);
	hopeful = 0;
	for (size_t i = 0; i < b.out_count; i++)
		hopeful += b.out[i].ttl != 0;
	assert_int_equal(hopeful, ICE_OPENERS_MAX); /* at once, and no more */
	ice_agent_free(b.agent);
}

/* The far end of a long line answers when four more checks have been sent and triggered. */
static void late_answers_are_known(void **state)
{
	const struct ice_bench_request check = { .controlling = false };
	struct ice_datagram first;
	struct ice_bench b;
	uint64_t now;

	(void)state;
	ice_bench_init(&b, true);
	ice_bench_bind(&b, T0);
	ice_bench_drain(&b, T0);
	first = b.out[0];
	for (now = T0 + 20 * MS; now < T0 + 600 * MS; now += 10 * MS) {
		ice_bench_request(&b, &check, &b.remote, now);
		if (ice_next_timeout(b.agent) <= now)
			ice_expire(b.agent, now);
		ice_bench_drain(&b, now);
	}
	assert_int_equal(ice_bench_answer(&b, &first, now), 0);
	assert_non_null(ice_bench_find_event(&b, ICE_EVENT_PAIR_VALID));
	ice_agent_free(b.agent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answerer_opens_and_waits_for_its_answer_to_arrive),
		cmocka_unit_test(the_offerer_begins_with_the_answer),
		cmocka_unit_test(two_offers_at_once_begin_with_the_answers),
		cmocka_unit_test(a_check_that_comes_ends_the_wait),
		cmocka_unit_test(addresses_of_its_own_are_asked_at_once),
		cmocka_unit_test(a_lead_is_bounded_whatever_the_peer_says),
		cmocka_unit_test(what_may_work_goes_before_what_cannot),
		cmocka_unit_test(a_full_list_keeps_what_may_work),
		cmocka_unit_test(late_answers_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
