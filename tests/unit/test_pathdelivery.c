/* The path chooser over hours: ways that die, drop, lose and delay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tests/support/path_bench.h"

#define MS   NS_PER_MS
#define HOUR (3600 * NS_PER_S)

static struct path_bench b;
static struct path_bench_way *direct, *near, *far;

/* Pair 1 at 40 ms in use, relay 7 at 40 ms, relay 8 at 80 ms; 50 packets a second for ten seconds.
 */
static void begin(uint64_t seed)
{
	path_bench_init(&b, seed);
	b.data_ns = 20 * MS;
	near = path_bench_add(&b, PATH_RELAY, 7, 40 * MS);
	far = path_bench_add(&b, PATH_RELAY, 8, 80 * MS);
	direct = path_bench_add(&b, PATH_DIRECT, 1, 40 * MS);
	path_bench_run(&b, 10 * NS_PER_S);
	b.changes = 0;
	b.silences = 0;
}

/* The same by relay alone. */
static void begin_relayed(void)
{
	path_bench_init(&b, 1);
	b.data_ns = 20 * MS;
	near = path_bench_add(&b, PATH_RELAY, 7, 40 * MS);
	far = path_bench_add(&b, PATH_RELAY, 8, 80 * MS);
	path_bench_run(&b, 10 * NS_PER_S);
	assert_int_equal(b.pc.current.id, 7);
}

static void assert_reason(const char *reason)
{
	assert_string_equal(path_reason_text(b.pc.current.reason), reason);
}

/* Steady, 40 ms: from the last answer that was on its way, and its gap, 100 + 50 + 50 ms. */
static void test_a_dead_pair_is_left_at_once(void **state)
{
	uint64_t died;

	(void)state;
	begin(1);
	assert_int_equal(b.pc.current.kind, PATH_DIRECT);
	died = b.now_ns;
	direct->dead = true;
	assert_true(path_bench_until(&b, PATH_RELAY, 7, NS_PER_S));
	assert_in_range(b.now_ns - died, 150 * MS, 225 * MS);
	assert_reason("silence");
}

/* Checks are answered, WireGuard is dropped: two seconds, and an echo brings it back. */
static void test_a_deaf_pair_is_left_within_two_seconds(void **state)
{
	uint64_t began;

	(void)state;
	begin(1);
	began = b.now_ns;
	direct->echo_loss = 1000;
	assert_true(path_bench_until(&b, PATH_RELAY, 7, 2 * NS_PER_S));
	assert_in_range(b.now_ns - began, NS_PER_S, 1500 * MS);
	assert_reason("egress-blocked");
	b.changes = 0;
	path_bench_run(&b, HOUR);
	assert_int_equal(b.changes, 0);
	assert_reason("egress-blocked");
	direct->echo_loss = 0;
	assert_true(path_bench_until(&b, PATH_DIRECT, 1, 61 * NS_PER_S));
	path_bench_run(&b, HOUR);
	assert_int_equal(b.changes, 1);
}

/* The first answers of a pair that comes back waited for an end that stood still, as one asleep. */
static void test_late_answers_of_one_that_slept(void **state)
{
	uint64_t rtt_ns;

	(void)state;
	begin(1);
	rtt_ns = direct->rtt_ns;
	direct->dead = true;
	assert_true(path_bench_until(&b, PATH_RELAY, 7, NS_PER_S));
	path_bench_run(&b, 3 * NS_PER_S);
	direct->dead = false;
	direct->rtt_ns = 900 * MS;
	path_bench_run(&b, 3000 * MS);
	direct->rtt_ns = rtt_ns;
	assert_true(path_bench_until(&b, PATH_DIRECT, 1, 3 * NS_PER_S));
}

/* Nothing is answered but echoes. */
static void test_one_way_traffic_stays(void **state)
{
	uint64_t echoes;

	(void)state;
	begin(1);
	b.one_way = true;
	echoes = b.echoes;
	path_bench_run(&b, 600 * NS_PER_S);
	assert_int_equal(b.changes, 0);
	assert_in_range(b.echoes - echoes, 600, 600 * 8);
}

static void test_the_other_relay_takes_over(void **state)
{
	uint64_t died;

	(void)state;
	begin_relayed();
	died = b.now_ns;
	near->dead = true;
	assert_true(path_bench_until(&b, PATH_RELAY, 8, NS_PER_S));
	assert_in_range(b.now_ns - died, 150 * MS, 260 * MS);
	/* It comes back, is nearer by half, and is taken again once it has answered. */
	near->dead = false;
	assert_true(path_bench_until(&b, PATH_RELAY, 7, 30 * NS_PER_S));
	b.changes = 0;
	path_bench_run(&b, HOUR);
	assert_int_equal(b.changes, 0);
}

/* The peer itself went away: no relay is to blame, and little is asked. */
static void test_a_silent_peer_is_no_dead_relay(void **state)
{
	uint64_t echoes, probes;

	(void)state;
	begin_relayed();
	near->dead = true;
	far->dead = true;
	b.changes = 0;
	path_bench_run(&b, 20 * NS_PER_S);
	echoes = b.echoes;
	probes = b.probes;
	path_bench_run(&b, 100 * NS_PER_S);
	assert_int_equal(b.pc.current.kind, PATH_RELAY);
	assert_in_range(b.changes, 0, 1);
	assert_in_range(b.echoes - echoes, 20, 500);
	assert_in_range(b.probes - probes, 20, 300);
	far->dead = false;
	assert_true(path_bench_until(&b, PATH_RELAY, 8, 5 * NS_PER_S));
}

static void test_the_nearer_relay_is_measured_out(void **state)
{
	(void)state;
	path_bench_init(&b, 1);
	b.data_ns = 20 * MS;
	near = path_bench_add(&b, PATH_RELAY, 7, 90 * MS);
	far = path_bench_add(&b, PATH_RELAY, 8, 100 * MS);
	assert_int_equal(b.pc.current.id, 7); /* by what was guessed */
	near->rtt_ns = 300 * MS;
	path_bench_run(&b, 20 * NS_PER_S);
	assert_int_equal(b.pc.current.id, 8);
}

static void test_a_lossy_pair_loses_to_a_relay(void **state)
{
	(void)state;
	begin(1);
	direct->echo_loss = 250; /* only what is in the session is policed */
	assert_true(path_bench_until(&b, PATH_RELAY, 7, 10 * NS_PER_S));
	assert_reason("throttled");
	/* Mended: back by itself. */
	direct->echo_loss = 0;
	assert_true(path_bench_until(&b, PATH_DIRECT, 1, 25 * NS_PER_S));
	b.changes = 0;
	path_bench_run(&b, HOUR);
	assert_int_equal(b.changes, 0);
}

/* A pair that looks good until it is used: tried again more and more seldom. */
static void test_a_policed_pair_does_not_flap(void **state)
{
	unsigned int before = 0;

	(void)state;
	begin(1);
	for (int s = 0; s < 2 * 3600; s++) {
		direct->echo_loss = b.pc.current.kind == PATH_DIRECT ? 250 : 0;
		path_bench_run(&b, NS_PER_S);
		if (s == 3600)
			before = b.changes;
	}
	assert_in_range(before, 3, 9);
	assert_in_range(b.changes - before, 0, 3);
}

static void test_loss_of_both_is_no_reason(void **state)
{
	(void)state;
	begin(1);
	direct->loss = 200;
	near->loss = 200;
	far->loss = 200;
	path_bench_run(&b, 600 * NS_PER_S);
	assert_int_equal(b.pc.current.kind, PATH_DIRECT);
}

static void test_a_bloated_pair_loses_to_a_relay(void **state)
{
	(void)state;
	begin(1);
	direct->rtt_ns = 400 * MS;
	assert_true(path_bench_until(&b, PATH_RELAY, 7, NS_PER_S));
	path_bench_run(&b, 5 * NS_PER_S); /* is it dead, or late? */
	assert_int_equal(b.pc.current.kind, PATH_RELAY);
	assert_reason("throttled");
	assert_int_equal(b.changes, 2); /* once the path, and once the reason */
	direct->rtt_ns = 40 * MS;
	assert_true(path_bench_until(&b, PATH_DIRECT, 1, 40 * NS_PER_S));
}

/* One train at a time: who has to wait for it does not ask for the time all along. */
static void test_two_pairs_on_trial_wait_for_each_other(void **state)
{
	struct path_bench_way *other;
	size_t trials = 0;

	(void)state;
	begin(1);
	other = path_bench_add(&b, PATH_DIRECT, 2, 40 * MS);
	direct->echo_loss = other->echo_loss = 250;
	for (int s = 0; s < 60 && trials < 2; s++) {
		path_bench_run(&b, NS_PER_S);
		trials = b.pc.pairs[0].on_trial + b.pc.pairs[1].on_trial;
	}
	assert_int_equal(trials, 2);
	b.pc.pairs[0].barred_ns = b.pc.pairs[1].barred_ns = b.now_ns + NS_PER_S;
	path_bench_run(&b, 1100 * MS);
	assert_true(b.pc.train.active);
	assert_true(pathchoice_next_timeout(&b.pc) > b.now_ns);
	path_bench_run(&b, 60 * NS_PER_S);
}

/* A relay that is a little faster does not make up for being one. */
static void test_direct_is_worth_something(void **state)
{
	(void)state;
	begin(1);
	direct->rtt_ns = 90 * MS;
	path_bench_run(&b, HOUR);
	assert_int_equal(b.changes, 0);
}

/* An hour each at 5 ms of jitter and a loss of 2 % in each direction, for every kind of traffic. */
static void test_no_flaps_in_an_hour(void **state)
{
	static const uint64_t paces[] = { 20 * MS, 300 * MS, NS_PER_S };
	unsigned int hours = 0, alarms = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 24; seed++) {
		begin(seed);
		b.data_ns = paces[seed % 3];
		b.one_way = seed % 4 == 0;
		for (size_t i = 0; i < PATH_BENCH_WAYS; i++) {
			b.way[i].jitter_ns = 5 * MS;
			b.way[i].loss = 20;
		}
		path_bench_run(&b, HOUR);
		assert_int_equal(b.pc.current.kind, PATH_DIRECT);
		hours++;
		alarms += b.changes;
	}
	print_message("%u changes in %u hours\n", alarms, hours);
	assert_int_equal(alarms, 0);
}

/* Without a session echoes say nothing, and checks are what there is. */
static void test_no_session_no_verdict(void **state)
{
	(void)state;
	begin(1);
	b.no_session = true;
	direct->echo_loss = 1000;
	path_bench_run(&b, 10 * NS_PER_S);
	assert_int_equal(b.pc.current.kind, PATH_DIRECT);
}

static void test_idle_costs_nothing(void **state)
{
	uint64_t echoes, probes;

	(void)state;
	begin(1);
	b.data_ns = 0;
	path_bench_run(&b, 5 * NS_PER_S);
	echoes = b.echoes;
	probes = b.probes;
	path_bench_run(&b, HOUR);
	assert_int_equal(b.echoes, echoes);
	assert_int_equal(b.probes, probes);
}

/* The peer went to a relay: so do we, and come back when the pair answers after all. */
static void test_following_the_peer(void **state)
{
	(void)state;
	begin(1);
	pathchoice_heard_elsewhere(&b.pc, true, b.now_ns);
	assert_int_equal(b.pc.current.kind, PATH_RELAY);
	assert_true(path_bench_until(&b, PATH_DIRECT, 1, 45 * MS));
	for (int s = 0; s < 3600; s++) {
		path_bench_run(&b, NS_PER_S);
		pathchoice_heard_elsewhere(&b.pc, true, b.now_ns);
	}
	assert_in_range(b.changes, 2, 2); /* it lives there, for reasons of its own */
	direct->echo_loss = 1000;
	path_bench_run(&b, 20 * NS_PER_S);
	assert_int_equal(b.pc.current.kind, PATH_RELAY);
	assert_reason("egress-blocked");
}

/* Forged counters, tokens that were never given or come twice: nothing moves. */
static void test_lies_of_the_peer(void **state)
{
	(void)state;
	begin(1);
	for (uint32_t i = 0; i < 5000; i++) {
		pathchoice_echo_answered(&b.pc, i, i * 7919, 0, b.now_ns);
		pathchoice_echo_unsent(&b.pc, 100000 + i, b.now_ns);
		path_bench_run(&b, MS);
	}
	assert_int_equal(b.pc.current.kind, PATH_DIRECT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_dead_pair_is_left_at_once),
		cmocka_unit_test(test_a_deaf_pair_is_left_within_two_seconds),
		cmocka_unit_test(test_late_answers_of_one_that_slept),
		cmocka_unit_test(test_one_way_traffic_stays),
		cmocka_unit_test(test_the_other_relay_takes_over),
		cmocka_unit_test(test_a_silent_peer_is_no_dead_relay),
		cmocka_unit_test(test_the_nearer_relay_is_measured_out),
		cmocka_unit_test(test_a_lossy_pair_loses_to_a_relay),
		cmocka_unit_test(test_a_policed_pair_does_not_flap),
		cmocka_unit_test(test_loss_of_both_is_no_reason),
		cmocka_unit_test(test_a_bloated_pair_loses_to_a_relay),
		cmocka_unit_test(test_two_pairs_on_trial_wait_for_each_other),
		cmocka_unit_test(test_direct_is_worth_something),
		cmocka_unit_test(test_no_flaps_in_an_hour),
		cmocka_unit_test(test_no_session_no_verdict),
		cmocka_unit_test(test_idle_costs_nothing),
		cmocka_unit_test(test_following_the_peer),
		cmocka_unit_test(test_lies_of_the_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
