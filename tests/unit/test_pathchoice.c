/* The path chooser, to the exact deadline. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "proto/pathchoice.h"

#define MS NS_PER_MS
#define T0 (1000 * NS_PER_S)

enum { LAN, WAN };

/* What the chooser ordered since the last drain. */
struct orders {
	unsigned int uses, probes, echoes, watches, restarts;
	struct path_current current;
	uint32_t probed;
	uint32_t token;  /* of the latest echo … */
	uint32_t echoed; /* … and by what */
};

static struct orders drain(struct pathchoice *pc)
{
	struct orders o = { 0 };
	struct path_order order;

	while (pathchoice_poll(pc, &order)) {
		switch (order.type) {
		case PATH_ORDER_USE:
			o.uses++;
			o.current = order.current;
			break;
		case PATH_ORDER_PROBE:
			o.probes += order.count;
			o.probed = order.id;
			break;
		case PATH_ORDER_ECHO:
			o.echoes++;
			o.token = order.token;
			o.echoed = order.id;
			break;
		case PATH_ORDER_WATCH:
			o.watches++;
			break;
		case PATH_ORDER_RESTART:
			o.restarts++;
			break;
		}
	}
	return o;
}

static void valid(struct pathchoice *pc, uint32_t id, unsigned int class, uint64_t rtt, uint64_t t)
{
	const struct path_pair pair = { .id = id, .class = class, .rtt_ns = rtt };

	assert_int_equal(pathchoice_pair_valid(pc, &pair, t), 0);
}

static void unanswered(struct pathchoice *pc, uint64_t since, uint64_t now)
{
	const struct path_activity activity = { .silent_since_ns = since };

	pathchoice_set_activity(pc, &activity, now);
}

static void assert_path(const struct pathchoice *pc, enum path_kind kind, uint32_t id,
			enum path_reason reason)
{
	assert_int_equal(pc->current.kind, kind);
	assert_int_equal(pc->current.id, id);
	assert_string_equal(path_reason_text(pc->current.reason), path_reason_text(reason));
}

/* A chooser with relay 7 and pair 1 in use at a steady 40 ms, drained. */
static void begin_direct(struct pathchoice *pc)
{
	pathchoice_init(pc, T0);
	assert_int_equal(pathchoice_relay_up(pc, 7, 60 * MS, T0), 0);
	valid(pc, 1, WAN, 40 * MS, T0);
	for (int i = 0; i < 12; i++)
		pathchoice_pair_answered(pc, 1, 40 * MS, T0);
	drain(pc);
	assert_path(pc, PATH_DIRECT, 1, PATH_REASON_NONE);
}

static void test_relay_then_direct(void **state)
{
	struct pathchoice pc;
	struct orders o;

	(void)state;
	pathchoice_init(&pc, T0);
	o = drain(&pc);
	assert_int_equal(o.uses, 1);
	assert_path(&pc, PATH_NONE, 0, PATH_REASON_CHECKING);
	pathchoice_relay_up(&pc, 7, 60 * MS, T0);
	o = drain(&pc);
	assert_int_equal(o.uses, 1);
	assert_path(&pc, PATH_RELAY, 7, PATH_REASON_CHECKING);
	valid(&pc, 1, WAN, 40 * MS, T0 + 100 * MS);
	o = drain(&pc);
	assert_int_equal(o.uses, 1);
	assert_int_equal(o.watches, 1);
	assert_int_equal(o.current.kind, PATH_DIRECT);
	assert_path(&pc, PATH_DIRECT, 1, PATH_REASON_NONE);
	assert_true(pathchoice_next_timeout(&pc) == CLOCK_NEVER);
}

static void test_checking_becomes_no_answer(void **state)
{
	struct pathchoice pc;

	(void)state;
	pathchoice_init(&pc, T0);
	pathchoice_relay_up(&pc, 7, 60 * MS, T0);
	drain(&pc);
	assert_true(pathchoice_next_timeout(&pc) == T0 + 5 * NS_PER_S);
	pathchoice_expire(&pc, T0 + 5 * NS_PER_S - 1);
	assert_path(&pc, PATH_RELAY, 7, PATH_REASON_CHECKING);
	pathchoice_expire(&pc, T0 + 5 * NS_PER_S);
	assert_path(&pc, PATH_RELAY, 7, PATH_REASON_NO_ANSWER);
	assert_int_equal(drain(&pc).uses, 1); /* the reason is told though the path stays */
	pathchoice_set_obstacle(&pc, PATH_REASON_MAPPING, T0 + 6 * NS_PER_S);
	assert_path(&pc, PATH_RELAY, 7, PATH_REASON_MAPPING);
}

/* 100 ms, then two probes 50 ms apart: the relay takes over 200 ms after the first lost packet. */
static void test_silence_demotes(void **state)
{
	const uint64_t sent = T0 + NS_PER_S;
	struct pathchoice pc;
	struct orders o;

	(void)state;
	begin_direct(&pc);
	unanswered(&pc, sent, sent);
	assert_true(pathchoice_next_timeout(&pc) == sent + 100 * MS);
	pathchoice_expire(&pc, sent + 100 * MS - 1);
	assert_int_equal(drain(&pc).probes, 0);
	pathchoice_expire(&pc, sent + 100 * MS);
	o = drain(&pc);
	assert_int_equal(o.probes, 1);
	assert_int_equal(o.echoes, 1);
	assert_int_equal(o.probed, 1);
	assert_true(pathchoice_next_timeout(&pc) == sent + 150 * MS);
	unanswered(&pc, sent, sent + 150 * MS);
	pathchoice_expire(&pc, sent + 150 * MS);
	o = drain(&pc);
	assert_int_equal(o.probes, 1);
	assert_int_equal(o.echoes, 2); /* and one by the relay, to see whether it is there */
	pathchoice_expire(&pc, sent + 200 * MS - 1);
	assert_path(&pc, PATH_DIRECT, 1, PATH_REASON_NONE);
	pathchoice_expire(&pc, sent + 200 * MS);
	o = drain(&pc);
	assert_int_equal(o.uses, 1);
	assert_int_equal(o.restarts, 1);
	assert_path(&pc, PATH_RELAY, 7, PATH_REASON_SILENCE);
}

static void test_slow_path_gets_twice_its_round_trip(void **state)
{
	struct pathchoice pc;

	(void)state;
	pathchoice_init(&pc, T0);
	valid(&pc, 1, WAN, 200 * MS, T0);
	drain(&pc);
	unanswered(&pc, T0 + NS_PER_S, T0 + NS_PER_S);
	assert_true(pathchoice_next_timeout(&pc) == T0 + NS_PER_S + 400 * MS);
}

static void test_answers_keep_the_path(void **state)
{
	uint64_t sent = T0 + NS_PER_S;
	struct pathchoice pc;
	struct orders o;

	(void)state;
	begin_direct(&pc);
	/* WireGuard answers: newer data is unanswered at each look. */
	for (int i = 0; i < 100; i++) {
		unanswered(&pc, sent, sent + 100 * MS);
		pathchoice_expire(&pc, sent + 60 * MS);
		sent += 60 * MS;
	}
	o = drain(&pc);
	assert_int_equal(o.uses + o.probes + o.restarts, 0);
	unanswered(&pc, 0, sent);
	assert_int_equal(drain(&pc).watches, 1);
	assert_true(pathchoice_next_timeout(&pc) == CLOCK_NEVER);
}

/* Data flows one way: probes are answered, the path stays, no more than 4 probes a second. */
static void test_one_way_traffic(void **state)
{
	const uint64_t sent = T0 + NS_PER_S, end = sent + 9 * NS_PER_S;
	unsigned int probes = 0;
	struct pathchoice pc;
	uint64_t now = sent;

	(void)state;
	begin_direct(&pc);
	unanswered(&pc, sent, sent);
	while ((now = pathchoice_next_timeout(&pc)) < end) {
		unanswered(&pc, sent, now);
		pathchoice_expire(&pc, now);
		if (drain(&pc).probes) {
			probes++;
			pathchoice_pair_answered(&pc, 1, 40 * MS, now + 40 * MS);
		}
	}
	assert_path(&pc, PATH_DIRECT, 1, PATH_REASON_NONE);
	assert_in_range(probes, 25, 36);
}

/* Probes answered, WireGuard never: the pair is given up and the reason says so. */
static void test_egress_blocked(void **state)
{
	const uint64_t sent = T0 + NS_PER_S;
	struct pathchoice pc;
	uint64_t now = sent;

	(void)state;
	begin_direct(&pc);
	unanswered(&pc, sent, sent);
	while (pc.current.kind == PATH_DIRECT) {
		now = pathchoice_next_timeout(&pc);
		assert_true(now <= sent + 15 * NS_PER_S);
		pathchoice_expire(&pc, now);
		if (drain(&pc).probes)
			pathchoice_pair_answered(&pc, 1, 40 * MS, now + 40 * MS);
	}
	assert_true(now == sent + 15 * NS_PER_S);
	assert_path(&pc, PATH_RELAY, 7, PATH_REASON_EGRESS_BLOCKED);
	pathchoice_pair_answered(&pc, 1, 40 * MS, now + NS_PER_S);
	assert_path(&pc, PATH_RELAY, 7, PATH_REASON_EGRESS_BLOCKED);
}

/* Until the pair in use has failed; returns when that was. */
static uint64_t go_silent(struct pathchoice *pc, uint64_t sent)
{
	uint64_t now = sent;

	unanswered(pc, sent, sent);
	while (pc->current.kind == PATH_DIRECT && pc->current.reason == PATH_REASON_NONE) {
		now = pathchoice_next_timeout(pc);
		assert_true(now <= sent + 300 * MS);
		unanswered(pc, sent, now);
		pathchoice_expire(pc, now);
	}
	drain(pc);
	return now;
}

/* A pair that fails again and again stays out longer each time: no flapping. */
static void test_bar_doubles(void **state)
{
	struct pathchoice pc;
	uint64_t now = T0 + NS_PER_S;

	(void)state;
	begin_direct(&pc);
	for (unsigned int i = 0; i < 5; i++) {
		uint64_t bar = NS_PER_S << i;

		now = go_silent(&pc, now + 100 * MS);
		assert_int_equal(pc.current.kind, PATH_RELAY);
		unanswered(&pc, 0, now);
		pathchoice_pair_answered(&pc, 1, 40 * MS, now + 10 * MS);
		assert_int_equal(pc.current.kind, PATH_RELAY);
		pathchoice_expire(&pc, now + bar - 1);
		assert_int_equal(pc.current.kind, PATH_RELAY);
		pathchoice_expire(&pc, now + bar);
		assert_path(&pc, PATH_DIRECT, 1, PATH_REASON_NONE);
		now += bar;
		drain(&pc);
	}
	/* After a minute of good service the past is forgotten. */
	now = go_silent(&pc, now + 60 * NS_PER_S);
	pathchoice_pair_answered(&pc, 1, 40 * MS, now + 10 * MS);
	pathchoice_expire(&pc, now + NS_PER_S);
	assert_path(&pc, PATH_DIRECT, 1, PATH_REASON_NONE);
}

/* A dead pair is asked every second and not taken before it answers. */
static void test_dead_pair_needs_an_answer(void **state)
{
	struct pathchoice pc;
	uint64_t now;

	(void)state;
	begin_direct(&pc);
	now = go_silent(&pc, T0 + NS_PER_S);
	for (int i = 0; i < 10; i++) {
		now += NS_PER_S;
		pathchoice_expire(&pc, now);
		assert_int_equal(drain(&pc).probes, 1);
		assert_int_equal(pc.current.kind, PATH_RELAY);
	}
	pathchoice_pair_answered(&pc, 1, 40 * MS, now + 40 * MS);
	assert_path(&pc, PATH_DIRECT, 1, PATH_REASON_NONE);
}

static void test_other_pair_before_relay(void **state)
{
	struct pathchoice pc;
	struct orders o;

	(void)state;
	begin_direct(&pc);
	valid(&pc, 2, WAN, 45 * MS, T0);
	unanswered(&pc, T0 + NS_PER_S, T0 + NS_PER_S);
	for (int i = 2; i <= 4; i++)
		pathchoice_expire(&pc, T0 + NS_PER_S + (uint64_t)i * 50 * MS);
	o = drain(&pc);
	assert_path(&pc, PATH_DIRECT, 2, PATH_REASON_NONE);
	assert_int_equal(o.restarts, 0);
	assert_int_equal(o.watches, 1);
}

static void test_margin_between_pairs(void **state)
{
	struct pathchoice pc;

	(void)state;
	begin_direct(&pc);
	valid(&pc, 2, WAN, 30 * MS, T0);
	assert_path(&pc, PATH_DIRECT, 1, PATH_REASON_NONE); /* not by more than 10 ms */
	valid(&pc, 3, WAN, 30 * MS - 1, T0);
	assert_path(&pc, PATH_DIRECT, 3, PATH_REASON_NONE);
	/* A fifth of the round trip when that is more. */
	pathchoice_init(&pc, T0);
	valid(&pc, 1, WAN, 100 * MS, T0);
	valid(&pc, 2, WAN, 80 * MS, T0);
	assert_path(&pc, PATH_DIRECT, 1, PATH_REASON_NONE);
	valid(&pc, 3, WAN, 80 * MS - 1, T0);
	assert_path(&pc, PATH_DIRECT, 3, PATH_REASON_NONE);
}

static void test_lan_is_preferred(void **state)
{
	struct pathchoice pc;

	(void)state;
	begin_direct(&pc);
	valid(&pc, 2, LAN, 49 * MS, T0);
	assert_path(&pc, PATH_DIRECT, 2, PATH_REASON_NONE);
	valid(&pc, 1, WAN, 40 * MS, T0);
	assert_path(&pc, PATH_DIRECT, 2, PATH_REASON_NONE); /* and there is no way back */
}

/* Two pairs whose times vary by 5 ms around the same value: the first choice stays. */
static void test_no_flaps_under_jitter(void **state)
{
	struct pathchoice pc;
	uint64_t now = T0;
	uint32_t seed = 1;

	(void)state;
	begin_direct(&pc);
	valid(&pc, 2, WAN, 38 * MS, T0);
	drain(&pc);
	for (int i = 0; i < 3600; i++) {
		now += NS_PER_S;
		for (uint32_t id = 1; id <= 2; id++) {
			seed = seed * 1664525 + 1013904223;
			pathchoice_pair_answered(&pc, id, (35 + (seed >> 16) % 11) * MS, now);
		}
		assert_int_equal(drain(&pc).uses, 0);
	}
}

static void test_modes(void **state)
{
	struct pathchoice pc;

	(void)state;
	begin_direct(&pc);
	pathchoice_set_mode(&pc, PATH_MODE_RELAY, T0);
	assert_path(&pc, PATH_RELAY, 7, PATH_REASON_FORCED);
	valid(&pc, 2, LAN, 1 * MS, T0);
	assert_path(&pc, PATH_RELAY, 7, PATH_REASON_FORCED);
	pathchoice_relay_down(&pc, 7, T0);
	assert_path(&pc, PATH_NONE, 0, PATH_REASON_FORCED);
	pathchoice_set_mode(&pc, PATH_MODE_DIRECT, T0);
	assert_path(&pc, PATH_DIRECT, 2, PATH_REASON_NONE);
	pathchoice_relay_up(&pc, 7, 10 * MS, T0);
	pathchoice_pair_lost(&pc, 2, T0);
	pathchoice_pair_lost(&pc, 1, T0);
	assert_path(&pc, PATH_NONE, 0,
		    PATH_REASON_SILENCE); /* traffic stops, and status says why */
	pathchoice_set_mode(&pc, PATH_MODE_AUTO, T0);
	assert_path(&pc, PATH_RELAY, 7, PATH_REASON_SILENCE);
}

static void test_all_pairs_lost_restarts(void **state)
{
	struct pathchoice pc;

	(void)state;
	begin_direct(&pc);
	pathchoice_pair_lost(&pc, 1, T0 + NS_PER_S);
	assert_int_equal(drain(&pc).restarts, 1);
	assert_path(&pc, PATH_RELAY, 7, PATH_REASON_SILENCE);
	/* Again soon: not before 5 s. */
	valid(&pc, 1, WAN, 40 * MS, T0 + 2 * NS_PER_S);
	pathchoice_pair_lost(&pc, 1, T0 + 3 * NS_PER_S);
	assert_int_equal(drain(&pc).restarts, 0);
	assert_true(pathchoice_next_timeout(&pc) == T0 + 6 * NS_PER_S);
	pathchoice_expire(&pc, T0 + 6 * NS_PER_S - 1);
	assert_int_equal(drain(&pc).restarts, 0);
	pathchoice_expire(&pc, T0 + 6 * NS_PER_S);
	assert_int_equal(drain(&pc).restarts, 1);
}

/* Failed checks are tried again for ever, at most a minute apart. */
static void test_failure_backs_off(void **state)
{
	static const unsigned int gaps_s[] = { 5, 10, 20, 40, 60, 60, 60 };
	struct pathchoice pc;
	uint64_t now = T0 + 40 * NS_PER_S;

	(void)state;
	pathchoice_init(&pc, T0);
	pathchoice_relay_up(&pc, 7, 60 * MS, T0);
	for (size_t i = 0; i < sizeof(gaps_s) / sizeof(gaps_s[0]); i++) {
		pathchoice_ice_failed(&pc, now);
		assert_path(&pc, PATH_RELAY, 7, PATH_REASON_NO_ANSWER);
		drain(&pc);
		assert_true(pathchoice_next_timeout(&pc) == now + gaps_s[i] * NS_PER_S);
		now = pathchoice_next_timeout(&pc);
		pathchoice_expire(&pc, now);
		assert_int_equal(drain(&pc).restarts, 1);
		assert_path(&pc, PATH_RELAY, 7, PATH_REASON_CHECKING);
		now += 40 * NS_PER_S;
	}
}

static void test_offline_and_back(void **state)
{
	struct pathchoice pc;

	(void)state;
	pathchoice_init(&pc, T0);
	pathchoice_relay_up(&pc, 7, 60 * MS, T0);
	pathchoice_set_online(&pc, false, T0);
	assert_path(&pc, PATH_NONE, 0, PATH_REASON_PEER_OFFLINE);
	pathchoice_ice_failed(&pc, T0 + 40 * NS_PER_S);
	pathchoice_expire(&pc, T0 + 100 * NS_PER_S);
	assert_int_equal(drain(&pc).restarts, 0); /* not for a peer that is away */
	pathchoice_set_online(&pc, true, T0 + 200 * NS_PER_S);
	assert_int_equal(drain(&pc).restarts, 1);
	assert_path(&pc, PATH_RELAY, 7, PATH_REASON_CHECKING);
	/* The coordinator may be wrong: a pair that works is used. */
	valid(&pc, 1, WAN, 40 * MS, T0 + 201 * NS_PER_S);
	pathchoice_set_online(&pc, false, T0 + 202 * NS_PER_S);
	assert_path(&pc, PATH_DIRECT, 1, PATH_REASON_NONE);
}

static void test_relays(void **state)
{
	struct pathchoice pc;

	(void)state;
	pathchoice_init(&pc, T0);
	pathchoice_relay_up(&pc, 7, 60 * MS, T0);
	pathchoice_relay_up(&pc, 8, 49 * MS, T0);
	assert_int_equal(pc.current.id, 7); /* by less than a fifth */
	pathchoice_relay_up(&pc, 8, 48 * MS - 1, T0);
	assert_int_equal(pc.current.id, 8);
	pathchoice_relay_down(&pc, 8, T0);
	assert_int_equal(pc.current.id, 7);
	pathchoice_relay_down(&pc, 7, T0);
	assert_int_equal(pc.current.kind, PATH_NONE);
	for (uint32_t id = 1; id <= PATHCHOICE_RELAYS_MAX; id++)
		assert_int_equal(pathchoice_relay_up(&pc, id, MS, T0), 0);
	assert_int_equal(pathchoice_relay_up(&pc, 99, MS, T0), -ENOSPC);
}

static void test_pairs_are_bounded(void **state)
{
	struct path_pair pair = { .rtt_ns = MS };
	struct pathchoice pc;

	(void)state;
	pathchoice_init(&pc, T0);
	for (pair.id = 1; pair.id <= PATHCHOICE_PAIRS_MAX; pair.id++)
		assert_int_equal(pathchoice_pair_valid(&pc, &pair, T0), 0);
	assert_int_equal(pathchoice_pair_valid(&pc, &pair, T0), -ENOSPC);
	pathchoice_pair_lost(&pc, 3, T0);
	assert_int_equal(pathchoice_pair_valid(&pc, &pair, T0), 0);
}

/* The peer's packets come another way: two missed probes decide, an answer settles it. */
static void test_heard_elsewhere(void **state)
{
	struct pathchoice pc;

	(void)state;
	begin_direct(&pc);
	pathchoice_heard_elsewhere(&pc, false, T0 + NS_PER_S);
	assert_int_equal(drain(&pc).probes, 1);
	unanswered(&pc, 0, T0 + NS_PER_S + 50 * MS);
	pathchoice_pair_answered(&pc, 1, 40 * MS, T0 + NS_PER_S + 40 * MS);
	assert_true(pathchoice_next_timeout(&pc) == CLOCK_NEVER);
	pathchoice_heard_elsewhere(&pc, false, T0 + 2 * NS_PER_S - 1);
	assert_int_equal(drain(&pc).probes, 0);
	pathchoice_heard_elsewhere(&pc, false, T0 + 2 * NS_PER_S);
	assert_int_equal(drain(&pc).probes, 1);
	unanswered(&pc, 0, T0 + 2 * NS_PER_S + 50 * MS);
	pathchoice_expire(&pc, T0 + 2 * NS_PER_S + 50 * MS);
	assert_int_equal(drain(&pc).probes, 1);
	pathchoice_expire(&pc, T0 + 2 * NS_PER_S + 100 * MS);
	assert_path(&pc, PATH_RELAY, 7, PATH_REASON_SILENCE);
}

/* Without a relay the silent pair stays in use, and nothing spins. */
/* The peer left the direct path, we did not: traffic both ways must not keep us on it. */
static void test_heard_elsewhere_under_traffic(void **state)
{
	const uint64_t t = T0 + NS_PER_S;
	struct pathchoice pc;
	uint64_t now;

	(void)state;
	begin_direct(&pc);
	unanswered(&pc, t - 5 * MS, t - 5 * MS);
	pathchoice_heard_elsewhere(&pc, false, t);
	/* Packets in and out in turn: the data plane says "unanswered" and "answered" in turn. */
	for (now = t; now < t + 400 * MS; now += 10 * MS) {
		unanswered(&pc, now, now);
		unanswered(&pc, 0, now + 5 * MS);
		pathchoice_expire(&pc, now + 5 * MS);
	}
	assert_path(&pc, PATH_RELAY, 7, PATH_REASON_SILENCE);
}

static void test_silent_pair_is_kept_for_want_of_better(void **state)
{
	struct pathchoice pc;
	uint64_t now;

	(void)state;
	begin_direct(&pc);
	pathchoice_relay_down(&pc, 7, T0);
	now = go_silent(&pc, T0 + NS_PER_S);
	assert_path(&pc, PATH_DIRECT, 1, PATH_REASON_SILENCE);
	unanswered(&pc, T0 + NS_PER_S, now);
	assert_true(pathchoice_next_timeout(&pc) == now + NS_PER_S);
	pathchoice_pair_answered(&pc, 1, 40 * MS, now + 1100 * MS);
	assert_path(&pc, PATH_DIRECT, 1, PATH_REASON_NONE);
	assert_int_equal(drain(&pc).watches, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_relay_then_direct),
		cmocka_unit_test(test_checking_becomes_no_answer),
		cmocka_unit_test(test_silence_demotes),
		cmocka_unit_test(test_slow_path_gets_twice_its_round_trip),
		cmocka_unit_test(test_answers_keep_the_path),
		cmocka_unit_test(test_one_way_traffic),
		cmocka_unit_test(test_egress_blocked),
		cmocka_unit_test(test_bar_doubles),
		cmocka_unit_test(test_dead_pair_needs_an_answer),
		cmocka_unit_test(test_other_pair_before_relay),
		cmocka_unit_test(test_margin_between_pairs),
		cmocka_unit_test(test_lan_is_preferred),
		cmocka_unit_test(test_no_flaps_under_jitter),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_all_pairs_lost_restarts),
		cmocka_unit_test(test_failure_backs_off),
		cmocka_unit_test(test_offline_and_back),
		cmocka_unit_test(test_relays),
		cmocka_unit_test(test_pairs_are_bounded),
		cmocka_unit_test(test_heard_elsewhere),
		cmocka_unit_test(test_heard_elsewhere_under_traffic),
		cmocka_unit_test(test_silent_pair_is_kept_for_want_of_better),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
