#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/carrier.h"

#define START (1000 * NS_PER_S)

static struct carrier_pulse pulse;
static struct carrier_signs signs;
static struct carrier_choice choice;

static int setup(void **state)
{
	(void)state;
	carrier_pulse_init(&pulse);
	carrier_choice_init(&choice);
	signs = (struct carrier_signs){ 0 };
	return 0;
}

static void update_at(uint64_t now_ns)
{
	carrier_pulse_update(&pulse, &signs, now_ns);
}

/* Not a nanosecond before. */
static void expect_state_at(enum carrier_state next, uint64_t at_ns)
{
	enum carrier_state before = pulse.state;

	assert_false(carrier_pulse_update(&pulse, &signs, at_ns - 1));
	assert_int_equal(pulse.state, before);
	assert_true(carrier_pulse_update(&pulse, &signs, at_ns));
	assert_int_equal(pulse.state, next);
}

static void expect_ask_at(uint64_t at_ns)
{
	assert_false(carrier_pulse_ask(&pulse, at_ns - 1));
	assert_true(carrier_pulse_ask(&pulse, at_ns));
	assert_false(carrier_pulse_ask(&pulse, at_ns));
}

static void die_at(uint64_t at_ns)
{
	signs.unanswered_since_ns = at_ns - CARRIER_SILENT_NS;
	update_at(at_ns);
	assert_int_equal(pulse.state, CARRIER_SILENT);
}

static void heard_at(uint64_t at_ns)
{
	signs.heard_ns = at_ns;
	signs.unanswered_since_ns = 0;
	signs.waiting_since_ns = 0;
	update_at(at_ns);
}

static void test_idle_peer_lives_and_needs_nothing(void **state)
{
	(void)state;
	update_at(START);
	assert_int_equal(pulse.state, CARRIER_LIVE);
	assert_true(carrier_pulse_next_ns(&pulse) == CLOCK_NEVER);
	assert_false(carrier_pulse_ask(&pulse, START + 3600 * NS_PER_S));
}

static void test_silence(void **state)
{
	(void)state;
	signs.unanswered_since_ns = START;
	update_at(START);
	assert_true(carrier_pulse_next_ns(&pulse) == START + CARRIER_DOUBT_NS);
	expect_ask_at(START + CARRIER_DOUBT_NS);
	update_at(START + CARRIER_DOUBT_NS);
	expect_ask_at(START + CARRIER_DOUBT_NS + CARRIER_ECHO_NS);
	expect_state_at(CARRIER_SILENT, START + CARRIER_SILENT_NS);
}

static void test_answer_ends_doubt(void **state)
{
	(void)state;
	signs.unanswered_since_ns = START;
	update_at(START);
	heard_at(START + CARRIER_SILENT_NS - 1);
	assert_int_equal(pulse.state, CARRIER_LIVE);
	assert_true(carrier_pulse_next_ns(&pulse) == CLOCK_NEVER);
	signs.unanswered_since_ns = START + CARRIER_SILENT_NS;
	expect_state_at(CARRIER_SILENT, START + 2 * CARRIER_SILENT_NS);
}

static void test_long_way_is_given_more_time(void **state)
{
	(void)state;
	signs.rtt_ns = 300 * NS_PER_MS;
	signs.unanswered_since_ns = START;
	expect_state_at(CARRIER_SILENT, START + 1600 * NS_PER_MS);
	setup(NULL);
	signs.rtt_ns = 10 * NS_PER_S;
	signs.unanswered_since_ns = START;
	expect_state_at(CARRIER_SILENT, START + CARRIER_SILENT_MAX_NS);
}

static void test_no_session(void **state)
{
	(void)state;
	signs.waiting_since_ns = START;
	expect_state_at(CARRIER_SILENT, START + CARRIER_WAIT_NS);
}

static void test_offline_and_unanswered(void **state)
{
	(void)state;
	signs.offline = true;
	signs.unanswered_since_ns = START;
	expect_state_at(CARRIER_OFFLINE, START + CARRIER_DOUBT_NS);
	assert_true(carrier_pulse_next_ns(&pulse) == CLOCK_NEVER);
}

static void test_offline_and_idle(void **state)
{
	(void)state;
	signs.offline = true;
	update_at(START);
	expect_ask_at(START + CARRIER_OFFLINE_ASK_NS);
	expect_state_at(CARRIER_OFFLINE, START + CARRIER_OFFLINE_NS);
}

static void test_own_word_counts_for_more(void **state)
{
	uint64_t now_ns = START;

	(void)state;
	signs.offline = true;
	update_at(now_ns);
	for (int i = 0; i < 20; i++) {
		now_ns += CARRIER_OFFLINE_ASK_NS;
		assert_true(carrier_pulse_ask(&pulse, now_ns));
		heard_at(now_ns + 1);
		now_ns++;
		assert_int_equal(pulse.state, CARRIER_LIVE);
	}
	expect_state_at(CARRIER_OFFLINE, now_ns + CARRIER_OFFLINE_NS);
}

static void test_silent_one_is_asked_less_and_less(void **state)
{
	uint64_t retry_ns = CARRIER_RETRY_NS, now_ns = START;

	(void)state;
	die_at(START);
	now_ns += retry_ns;
	for (int i = 0; i < 10; i++) {
		expect_ask_at(now_ns);
		update_at(now_ns);
		now_ns += retry_ns;
		retry_ns *= 2;
		if (retry_ns > CARRIER_RETRY_MAX_NS)
			retry_ns = CARRIER_RETRY_MAX_NS;
	}
	assert_int_equal(pulse.state, CARRIER_SILENT);
}

static void test_return_is_held(void **state)
{
	(void)state;
	die_at(START);
	heard_at(START + NS_PER_S);
	assert_int_equal(pulse.state, CARRIER_HELD);
	expect_state_at(CARRIER_LIVE, START + NS_PER_S + CARRIER_HOLD_NS);
}

static void test_return_from_offline_is_shown_by_an_answer(void **state)
{
	(void)state;
	signs.offline = true;
	update_at(START);
	update_at(START + CARRIER_OFFLINE_NS);
	signs.offline = false;
	update_at(START + 60 * NS_PER_S);
	assert_int_equal(pulse.state, CARRIER_SILENT);
	assert_true(carrier_pulse_ask(&pulse, START + 60 * NS_PER_S));
	heard_at(START + 61 * NS_PER_S);
	expect_state_at(CARRIER_LIVE, START + 61 * NS_PER_S + CARRIER_HOLD_NS);
}

static void test_hold_doubles_and_is_forgotten(void **state)
{
	uint64_t now_ns = START, hold_ns = CARRIER_HOLD_NS;

	(void)state;
	for (int i = 0; i < 10; i++) {
		die_at(now_ns);
		heard_at(now_ns + 1);
		expect_state_at(CARRIER_LIVE, now_ns + 1 + hold_ns);
		now_ns += 1 + hold_ns + 2 * NS_PER_S;
		hold_ns = 2 * hold_ns < CARRIER_HOLD_MAX_NS ? 2 * hold_ns : CARRIER_HOLD_MAX_NS;
	}
	now_ns += CARRIER_FORGET_NS;
	die_at(now_ns);
	heard_at(now_ns + 1);
	expect_state_at(CARRIER_LIVE, now_ns + 1 + CARRIER_HOLD_NS);
}

/* What was sent before it was given up is not held against it when it comes back. */
static void test_old_silence_does_not_kill_again(void **state)
{
	(void)state;
	die_at(START);
	signs.heard_ns = START + NS_PER_S;
	update_at(START + NS_PER_S);
	assert_int_equal(pulse.state, CARRIER_HELD);
	update_at(START + NS_PER_S + CARRIER_HOLD_NS);
	assert_int_equal(pulse.state, CARRIER_LIVE);
}

/* --- choices --- */

static struct carrier_candidate list[3];

static void three(unsigned int a, unsigned int b, unsigned int c)
{
	const unsigned int weights[] = { a, b, c };

	for (size_t i = 0; i < 3; i++)
		list[i] = (struct carrier_candidate){ .id = i + 1,
						      .weight = weights[i],
						      .state = CARRIER_LIVE };
}

static void expect_choice(uint64_t id, enum carrier_reason reason, uint64_t now_ns)
{
	carrier_choose(&choice, list, 3, now_ns);
	assert_int_equal(choice.current, id);
	assert_string_equal(carrier_reason_text(choice.reason), carrier_reason_text(reason));
}

static void test_nobody_and_one(void **state)
{
	(void)state;
	assert_false(carrier_choose(&choice, NULL, 0, START));
	three(1, 1, 1);
	assert_true(carrier_choose(&choice, list, 1, START));
	assert_int_equal(choice.current, 1);
	assert_int_equal(choice.reason, CARRIER_ONLY);
	assert_true(carrier_choose(&choice, NULL, 0, START));
	assert_int_equal(choice.current, 0);
}

static void test_highest_weight_that_lives(void **state)
{
	(void)state;
	three(10, 200, 100);
	expect_choice(2, CARRIER_WEIGHT, START);
	list[1].state = CARRIER_SILENT;
	expect_choice(3, CARRIER_FAILOVER, START);
	list[2].state = CARRIER_OFFLINE;
	expect_choice(1, CARRIER_FAILOVER, START);
	list[1].state = CARRIER_HELD;
	expect_choice(1, CARRIER_FAILOVER, START);
	list[1].state = CARRIER_LIVE;
	expect_choice(2, CARRIER_WEIGHT, START);
}

static void test_none_lives_and_the_first_to_be_heard(void **state)
{
	(void)state;
	three(10, 20, 30);
	expect_choice(3, CARRIER_WEIGHT, START);
	for (size_t i = 0; i < 3; i++)
		list[i].state = CARRIER_SILENT;
	expect_choice(3, CARRIER_LAST, START);
	list[0].state = CARRIER_HELD;
	expect_choice(1, CARRIER_FAILOVER, START);
	list[2].state = CARRIER_HELD;
	expect_choice(1, CARRIER_FAILOVER, START);
}

static void test_revoked_one_is_left_at_once(void **state)
{
	(void)state;
	three(10, 20, 30);
	expect_choice(3, CARRIER_WEIGHT, START);
	assert_true(carrier_choose(&choice, list, 2, START));
	assert_int_equal(choice.current, 2);
}

static void test_equals_stay(void **state)
{
	(void)state;
	three(100, 100, 100);
	expect_choice(1, CARRIER_EQUAL, START);
	list[0].state = CARRIER_SILENT;
	expect_choice(2, CARRIER_FAILOVER, START);
	list[0].state = CARRIER_LIVE;
	expect_choice(2, CARRIER_EQUAL, START);
}

static void test_better_path_takes_over_late(void **state)
{
	(void)state;
	three(100, 100, 1);
	list[0].latency_ns = 40 * NS_PER_MS;
	expect_choice(1, CARRIER_EQUAL, START);
	list[1].latency_ns = 10 * NS_PER_MS;
	list[1].direct = true;
	expect_choice(1, CARRIER_EQUAL, START + 1);
	assert_true(carrier_choice_next_ns(&choice) == START + 1 + CARRIER_BETTER_NS);
	expect_choice(1, CARRIER_EQUAL, START + CARRIER_BETTER_NS);
	expect_choice(2, CARRIER_PATH, START + 1 + CARRIER_BETTER_NS);
	assert_true(carrier_choice_next_ns(&choice) == CLOCK_NEVER);
}

static void test_better_path_for_a_while_only(void **state)
{
	(void)state;
	three(100, 100, 1);
	list[0].latency_ns = 40 * NS_PER_MS;
	list[1].latency_ns = 10 * NS_PER_MS;
	choice.current = 1;
	expect_choice(1, CARRIER_EQUAL, START);
	list[1].latency_ns = 30 * NS_PER_MS;
	expect_choice(1, CARRIER_EQUAL, START + CARRIER_BETTER_NS / 2);
	list[1].latency_ns = 10 * NS_PER_MS;
	expect_choice(1, CARRIER_EQUAL, START + CARRIER_BETTER_NS);
	expect_choice(2, CARRIER_PATH, START + 2 * CARRIER_BETTER_NS);
}

/* --- all together, with chance --- */

#define PEERS 4
#define STEP  (50 * NS_PER_MS)

struct world {
	uint32_t seed;
	uint64_t now_ns;
	bool up[PEERS];
	struct carrier_pulse pulse[PEERS];
	struct carrier_signs signs[PEERS];
	struct carrier_candidate list[PEERS];
	unsigned int switches;
	uint64_t wrong_ns; /* on a dead one although another lives: since */
};

static uint32_t chance(struct world *w, uint32_t of)
{
	w->seed = w->seed * 1664525 + 1013904223;
	return (w->seed >> 8) % of;
}

/* One step: the one in use gets data; who is up answers at once. */
static void step(struct world *w)
{
	bool other = false;

	w->now_ns += STEP;
	for (size_t i = 0; i < PEERS; i++) {
		struct carrier_signs *s = &w->signs[i];
		bool asked = carrier_pulse_ask(&w->pulse[i], w->now_ns);

		if (choice.current == i + 1 || asked) {
			if (w->up[i]) {
				s->heard_ns = w->now_ns;
				s->unanswered_since_ns = 0;
			} else if (!s->unanswered_since_ns && choice.current == i + 1) {
				s->unanswered_since_ns = w->now_ns;
			}
		}
		carrier_pulse_update(&w->pulse[i], s, w->now_ns);
		w->list[i].state = w->pulse[i].state;
		other |= w->up[i] && w->pulse[i].state == CARRIER_LIVE;
	}
	w->switches += carrier_choose(&choice, w->list, PEERS, w->now_ns);
	if (!other || w->up[choice.current - 1])
		w->wrong_ns = 0;
	else if (!w->wrong_ns)
		w->wrong_ns = w->now_ns;
	/* One that just died may be followed by another that nobody knew to be dead. */
	assert_true(!w->wrong_ns ||
		    w->now_ns - w->wrong_ns <= PEERS * (CARRIER_SILENT_NS + 2 * STEP));
}

static void settle(struct world *w)
{
	unsigned int before;
	uint64_t best = 0;

	for (int i = 0; i < 20 * 400; i++)
		step(w);
	before = w->switches;
	for (int i = 0; i < 20 * 60; i++)
		step(w);
	assert_int_equal(w->switches, before);
	for (size_t i = 0; i < PEERS; i++) {
		if (w->up[i] && (!best || w->list[i].weight > w->list[best - 1].weight))
			best = i + 1;
	}
	if (best)
		assert_int_equal(choice.current, best);
}

static void run_world(uint32_t seed)
{
	struct world w = { .seed = seed, .now_ns = START };

	carrier_choice_init(&choice);
	for (size_t i = 0; i < PEERS; i++) {
		carrier_pulse_init(&w.pulse[i]);
		w.up[i] = true;
		w.list[i] = (struct carrier_candidate){
			.id = i + 1,
			.weight = 10 * (unsigned int)(i + 1),
			.state = CARRIER_LIVE,
		};
	}
	for (int event = 0; event < 30; event++) {
		uint32_t who = chance(&w, PEERS), steps = 1 + chance(&w, 400);

		w.up[who] = !w.up[who];
		w.signs[who].offline = !w.up[who] && chance(&w, 2);
		for (uint32_t i = 0; i < steps; i++)
			step(&w);
	}
	settle(&w);
	/* Each of 30 events moves it away and back, and a dead standby may be tried on the way. */
	assert_true(w.switches < 30 * 4);
}

static void test_random_worlds(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 100; seed++)
		run_world(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_idle_peer_lives_and_needs_nothing, setup),
		cmocka_unit_test_setup(test_silence, setup),
		cmocka_unit_test_setup(test_answer_ends_doubt, setup),
		cmocka_unit_test_setup(test_long_way_is_given_more_time, setup),
		cmocka_unit_test_setup(test_no_session, setup),
		cmocka_unit_test_setup(test_offline_and_unanswered, setup),
		cmocka_unit_test_setup(test_offline_and_idle, setup),
		cmocka_unit_test_setup(test_own_word_counts_for_more, setup),
		cmocka_unit_test_setup(test_silent_one_is_asked_less_and_less, setup),
		cmocka_unit_test_setup(test_return_is_held, setup),
		cmocka_unit_test_setup(test_return_from_offline_is_shown_by_an_answer, setup),
		cmocka_unit_test_setup(test_hold_doubles_and_is_forgotten, setup),
		cmocka_unit_test_setup(test_old_silence_does_not_kill_again, setup),
		cmocka_unit_test_setup(test_nobody_and_one, setup),
		cmocka_unit_test_setup(test_highest_weight_that_lives, setup),
		cmocka_unit_test_setup(test_none_lives_and_the_first_to_be_heard, setup),
		cmocka_unit_test_setup(test_revoked_one_is_left_at_once, setup),
		cmocka_unit_test_setup(test_equals_stay, setup),
		cmocka_unit_test_setup(test_better_path_takes_over_late, setup),
		cmocka_unit_test_setup(test_better_path_for_a_while_only, setup),
		cmocka_unit_test_setup(test_random_worlds, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
