/* One agent: restarts, descriptions, trickling, and its bounds against a hostile peer. */
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

/* ---- sessions ---- */

static void test_restart_keeps_the_old_pair(void **state)
{
	struct ice_description d;
	struct ice_pair_info info;
	struct ice_bench_request old;
	char before[ICE_UFRAG_SIZE], pwd[ICE_PWD_SIZE], username[64];
	struct ice_bench b;
	uint64_t now = T0 + 2 * NS_PER_S;
	uint32_t id;

	(void)state;
	id = ice_bench_begin_valid(&b, false);
	strcpy(before, b.ours.ufrag);
	strcpy(pwd, b.ours.pwd);
	ice_restart(b.agent, now);
	ice_bench_drain(&b, now);
	assert_int_equal(b.descriptions, 1);
	assert_int_equal(b.ours.generation, 2);
	assert_int_equal(b.ours.count, 1); /* the same candidates are told again */
	assert_string_not_equal(b.ours.ufrag, before);
	assert_string_not_equal(b.ours.pwd, pwd);
	assert_true(ice_owns_ufrag(b.agent, before) && ice_owns_ufrag(b.agent, b.ours.ufrag));
	assert_true(ice_pair_find(b.agent, id, &info));
	/* The peer's consent checks on the old session are still answered. */
	snprintf(username, sizeof(username), "%s:x", before);
	old = (struct ice_bench_request){ .pwd = pwd, .username = username, .controlling = true };
	assert_int_equal(ice_bench_request(&b, &old, &b.remote, now), 0);
	assert_int_equal(ice_bench_error_of(&b.out[0]), 0);
	/* What the peer sent before it knew is stale; its new session is joined. */
	d = ice_bench_description(1, ICE_BENCH_LINE);
	assert_int_equal(ice_input_description(b.agent, &d, now), -ESTALE);
	d = ice_bench_description(2, ICE_BENCH_LINE);
	strcpy(d.answers, b.ours.ufrag);
	assert_int_equal(ice_input_description(b.agent, &d, now), 0);
	ice_bench_drain(&b, now);
	while (!b.out_count || !ice_bench_is_request(&b.out[0]))
		now = ice_bench_next_output(&b);
	assert_int_equal(ice_bench_answer(&b, &b.out[0], now + MS), 0);
	assert_int_equal(ice_bench_find_event(&b, ICE_EVENT_PAIR_VALID)->pair.id, id);
	/* Selected in the new session: the old one ends, and nothing is lost by that. */
	now += 2 * MS;
	old = (struct ice_bench_request){ .controlling = true, .use_candidate = true };
	assert_int_equal(ice_bench_request(&b, &old, &b.remote, now), 0);
	assert_non_null(ice_bench_find_event(&b, ICE_EVENT_SELECTED));
	ice_expire(b.agent, now + NS_PER_S);
	ice_bench_drain(&b, now + NS_PER_S);
	assert_null(ice_bench_find_event(&b, ICE_EVENT_PAIR_LOST));
	assert_false(ice_owns_ufrag(b.agent, before));
	assert_true(ice_pair_find(b.agent, id, &info));
	ice_agent_free(b.agent);
}

static void test_peer_restart_restarts_us(void **state)
{
	struct ice_description d = ice_bench_description(2, ICE_BENCH_LINE);
	char before[ICE_UFRAG_SIZE];
	struct ice_bench b;

	(void)state;
	ice_bench_begin_valid(&b, false);
	strcpy(before, b.ours.ufrag);
	assert_int_equal(ice_input_description(b.agent, &d, T0 + NS_PER_S), 0);
	ice_bench_drain(&b, T0 + NS_PER_S);
	assert_int_equal(b.descriptions, 1);
	assert_string_not_equal(b.ours.ufrag, before);
	assert_string_equal(b.ours.answers, d.ufrag);
	/* An older one or the same again changes nothing. */
	d = ice_bench_description(1, ICE_BENCH_LINE);
	assert_int_equal(ice_input_description(b.agent, &d, T0 + NS_PER_S), -ESTALE);
	d = ice_bench_description(2, NULL);
	strcpy(d.answers, b.ours.ufrag);
	assert_int_equal(ice_input_description(b.agent, &d, T0 + NS_PER_S), 0);
	ice_bench_drain(&b, T0 + NS_PER_S);
	assert_int_equal(b.descriptions, 0);
	ice_agent_free(b.agent);
}

static void test_unanswered_offer_is_told_again(void **state)
{
	static const unsigned int times_s[] = { 1, 3, 7, 15, 31 };
	struct ice_bench b;

	(void)state;
	ice_bench_init(&b, true);
	for (size_t i = 0; i < sizeof(times_s) / sizeof(times_s[0]); i++) {
		uint64_t now = ice_next_timeout(b.agent);

		assert_true(now == T0 + times_s[i] * NS_PER_S);
		ice_expire(b.agent, now);
		ice_bench_drain(&b, now);
		assert_int_equal(b.descriptions, 1);
		assert_int_equal(b.ours.count, 1);
	}
	ice_agent_free(b.agent);
}

/* RFC 8838: each candidate once; the end is told. */
static void test_trickle(void **state)
{
	struct endpoint mapped = ice_bench_endpoint("203.0.113.5:5");
	struct ice_description d = ice_bench_description(1, ICE_BENCH_LINE);
	struct ice_bench b;

	(void)state;
	ice_bench_init(&b, true);
	assert_int_equal(ice_input_description(b.agent, &d, T0), 0);
	ice_bench_drain(&b, T0);
	assert_int_equal(ice_add_local_candidate(b.agent, CANDIDATE_SRFLX, &mapped, &b.local, NULL,
						 T0),
			 0);
	ice_end_local_candidates(b.agent);
	ice_bench_drain(&b, T0);
	assert_int_equal(b.descriptions, 1);
	assert_int_equal(b.ours.count, 1);
	assert_int_equal(b.ours.candidates[0].type, CANDIDATE_SRFLX);
	assert_int_equal(b.ours.candidates[0].related.addr.family, 0); /* our LAN is not told */
	assert_true(b.ours.end);
	/* The same again is nothing new; a newer answer of the same server is. */
	ice_add_local_candidate(b.agent, CANDIDATE_SRFLX, &mapped, &b.local, NULL, T0);
	ice_bench_drain(&b, T0);
	assert_int_equal(b.descriptions, 0);
	mapped.port = 6;
	ice_add_local_candidate(b.agent, CANDIDATE_SRFLX, &mapped, &b.local, NULL, T0);
	ice_bench_drain(&b, T0);
	assert_int_equal(b.descriptions, 1);
	assert_int_equal(b.ours.candidates[0].addr.port, 6);
	ice_agent_free(b.agent);
}

/* ---- bounds ---- */

static void test_hostile_candidates(void **state)
{
	static const char *const lines[] = {
		"candidate:1 1 udp 9 127.0.0.1 900 typ host",
		"candidate:1 1 udp 9 224.0.0.1 900 typ host",
		"candidate:1 1 udp 9 169.254.3.4 900 typ host",
		"candidate:1 1 udp 9 100.64.0.1 900 typ host",
		"candidate:1 1 udp 9 0.0.0.0 900 typ host",
		"candidate:1 1 udp 9 192.0.2.1 41641 typ host",
		"candidate:1 1 udp 9 fe80::1 900 typ host",
		"candidate:1 1 udp 9 2001:db8::1 900 typ host",
		"candidate:1 1 udp 9 198.51.100.1 900 typ relay raddr 0.0.0.0 rport 9",
	};
	struct prefix overlay;
	struct ice_config config = { .refused = &overlay, .refused_count = 1 };
	struct ice_description d = ice_bench_description(1, NULL);
	struct endpoint inside = ice_bench_endpoint("100.64.0.2:41641");
	struct ice_bench b = { 0 };

	(void)state;
	assert_int_equal(prefix_parse(&overlay, "100.64.0.0/10"), 0);
	rng_seeded_init(&b.seeded, 3);
	config.rng = rng_from_seeded(&b.seeded);
	b.agent = ice_agent_new(&config, T0);
	b.local = ice_bench_endpoint("192.0.2.1:41641");
	ice_add_local_candidate(b.agent, CANDIDATE_HOST, &b.local, NULL, NULL, T0);
	assert_int_equal(ice_add_local_candidate(b.agent, CANDIDATE_HOST, &inside, NULL, NULL, T0),
			 -EADDRNOTAVAIL);
	for (d.count = 0; d.count < sizeof(lines) / sizeof(lines[0]); d.count++)
		assert_int_equal(candidate_parse(&d.candidates[d.count], lines[d.count]), 0);
	ice_bench_drain(&b, T0);
	assert_int_equal(ice_input_description(b.agent, &d, T0), 0);
	ice_bench_drain(&b, T0);
	assert_int_equal(b.out_count, 0);
	/* Nor does a request from such an address make one. */
	assert_int_equal(ice_bench_request(&b, &(struct ice_bench_request){ .controlling = true },
					   &inside, T0),
			 -EPERM);
	assert_int_equal(b.out_count, 0);
	ice_agent_free(b.agent);
}

static void test_pairs_are_bounded(void **state)
{
	const struct ice_bench_request good = { .controlling = false };
	struct endpoint from = ice_bench_endpoint("198.51.100.1:1");
	struct ice_bench b;
	uint64_t now = T0;
	unsigned int checks = 0;

	(void)state;
	ice_bench_init(&b, true);
	for (int i = 1; i < ICE_LOCAL_MAX; i++) {
		struct endpoint more = b.local;

		more.addr.bytes[3] = (uint8_t)(1 + i);
		assert_int_equal(ice_add_local_candidate(b.agent, CANDIDATE_HOST, &more, NULL, NULL,
							 now),
				 0);
	}
	from.addr.bytes[3] = 200;
	assert_int_equal(ice_add_local_candidate(b.agent, CANDIDATE_HOST, &from, NULL, NULL, now),
			 -ENOSPC);
	ice_bench_drain(&b, now);
	/* The peer, or whoever learnt its password, checks from ever new ports. */
	for (uint16_t port = 1000; port < 2000; port++) {
		from.port = port;
		assert_int_equal(ice_bench_request(&b, &good, &from, now), 0);
	}
	ice_bench_bind(&b, now);
	ice_bench_drain(&b, now);
	/* What the peer tells goes with all of ours, what a check tells with the address it came
	 * to. */
	assert_int_equal(b.agent->current.remote_count, ICE_LEARNT_MAX + 1);
	assert_int_equal(b.agent->current.pair_count, ICE_LEARNT_MAX + ICE_LOCAL_MAX);
	for (checks = (unsigned int)b.out_count; checks < 1000;
	     checks += (unsigned int)b.out_count) {
		uint64_t next = ice_next_timeout(b.agent);

		if (next >= T0 + 505 * MS)
			break;
		now = next;
		ice_expire(b.agent, now);
		ice_bench_drain(&b, now);
	}
	assert_in_range(checks, 1, 101); /* the pace bounds what any number of pairs can cause */
	ice_agent_free(b.agent);
}

static void test_address_goes_away(void **state)
{
	struct ice_bench b;

	(void)state;
	ice_bench_begin_valid(&b, false);
	ice_remove_local_base(b.agent, &b.local.addr, T0 + NS_PER_S);
	ice_bench_drain(&b, T0 + NS_PER_S);
	assert_non_null(ice_bench_find_event(&b, ICE_EVENT_PAIR_LOST));
	assert_int_equal(b.out_count, 0);
	ice_agent_free(b.agent);
}

static void test_username_demux(void **state)
{
	char ufrag[ICE_UFRAG_SIZE];
	struct stun_message msg;
	uint8_t buf[512];
	struct ice_bench b;

	(void)state;
	ice_bench_init(&b, true);
	assert_int_equal(stun_parse(&msg, buf,
				    ice_bench_build(&b, buf, &(struct ice_bench_request){ 0 })),
			 0);
	assert_int_equal(ice_username_ufrag(&msg, ufrag), 0);
	assert_string_equal(ufrag, b.ours.ufrag);
	assert_true(ice_owns_ufrag(b.agent, ufrag));
	assert_int_equal(stun_parse(&msg, buf,
				    ice_bench_build(&b, buf,
						    &(struct ice_bench_request){
							    .username = "nocolon" })),
			 0);
	assert_int_equal(ice_username_ufrag(&msg, ufrag), -EBADMSG);
	assert_int_equal(stun_parse(&msg, buf,
				    ice_bench_build(&b, buf,
						    &(struct ice_bench_request){ .username =
											 ":x" })),
			 0);
	assert_int_equal(ice_username_ufrag(&msg, ufrag), -EBADMSG);
	ice_agent_free(b.agent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_restart_keeps_the_old_pair),
		cmocka_unit_test(test_peer_restart_restarts_us),
		cmocka_unit_test(test_unanswered_offer_is_told_again),
		cmocka_unit_test(test_trickle),
		cmocka_unit_test(test_hostile_candidates),
		cmocka_unit_test(test_pairs_are_bounded),
		cmocka_unit_test(test_address_goes_away),
		cmocka_unit_test(test_username_demux),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
