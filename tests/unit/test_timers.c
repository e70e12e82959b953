#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "crypto/rng.h"
#include "proto/timers.h"

static struct timers t;
static struct timers_marks marks;
static struct rng_seeded seeded;
static struct rng rng;
static uint64_t now;

static int setup(void **state)
{
	(void)state;
	rng_seeded_init(&seeded, 3);
	rng = rng_from_seeded(&seeded);
	memset(&marks, 0, sizeof(marks));
	timers_init(&t);
	now = 1000 * NS_PER_S;
	return 0;
}

static unsigned int expire(void)
{
	unsigned int actions = timers_expire(&t, &marks, now);

	if (actions & TIMERS_SEND_INITIATION)
		timers_initiation_sent(&t, &rng, now);
	return actions;
}

static uint64_t next(void)
{
	return timers_next(&t, &marks);
}

/* Nothing a nanosecond before, the action at its deadline. */
static void expect_at(uint64_t at, unsigned int actions)
{
	assert_true(next() == at);
	now = at - 1;
	assert_int_equal(expire(), 0);
	now = at;
	assert_int_equal(expire(), actions);
}

static void session(bool initiator)
{
	timers_session_begun(&t, now);
	if (initiator)
		timers_handshake_complete(&t);
}

static void test_idle(void **state)
{
	(void)state;
	assert_true(next() == CLOCK_NEVER);
	assert_int_equal(expire(), 0);
}

static void test_initiates_at_once(void **state)
{
	(void)state;
	timers_want_handshake(&t);
	assert_true(next() <= now);
	assert_int_equal(expire(), TIMERS_SEND_INITIATION);
	assert_true(timers_handshake_under_way(&t));
	/* Wanting it again changes nothing while it is under way. */
	timers_want_handshake(&t);
	assert_int_equal(expire(), 0);
}

/* 5 s plus a jitter below 334 ms that is drawn anew each time. */
static void test_retries_with_jitter(void **state)
{
	uint64_t sent, first_jitter = 0, different = 0;

	(void)state;
	timers_want_handshake(&t);
	expire();
	for (int i = 0; i < 10; i++) {
		sent = now;
		assert_in_range(next() - sent, REKEY_TIMEOUT_NS,
				REKEY_TIMEOUT_NS + REKEY_JITTER_MAX_NS - 1);
		if (i == 0)
			first_jitter = next() - sent;
		different += next() - sent != first_jitter;
		expect_at(next(), TIMERS_SEND_INITIATION);
	}
	assert_true(different > 5);
}

static void test_gives_up_after_90_s(void **state)
{
	uint64_t start = now;
	unsigned int actions;
	int tries = 1;

	(void)state;
	timers_want_handshake(&t);
	expire();
	for (;;) {
		now = next();
		actions = expire();
		if (actions != TIMERS_SEND_INITIATION)
			break;
		tries++;
	}
	assert_int_equal(actions, TIMERS_GIVE_UP);
	assert_in_range(now - start, REKEY_ATTEMPT_TIME_NS,
			REKEY_ATTEMPT_TIME_NS + REKEY_TIMEOUT_NS + REKEY_JITTER_MAX_NS);
	assert_in_range(tries, 16, 18);
	assert_false(timers_handshake_under_way(&t));
	/* What the attempts left is erased later, and a new packet may begin anew. */
	assert_true(next() == now + ERASE_AFTER_TIME_NS);
	timers_want_handshake(&t);
	now += REKEY_TIMEOUT_NS;
	assert_int_equal(expire(), TIMERS_SEND_INITIATION);
}

/* However the wish comes back, two initiations are 5 s apart. */
static void test_five_seconds_between(void **state)
{
	uint64_t sent = now;

	(void)state;
	timers_want_handshake(&t);
	expire();
	now += 50 * NS_PER_MS;
	session(true);
	timers_want_handshake(&t);
	expect_at(sent + REKEY_TIMEOUT_NS, TIMERS_SEND_INITIATION);
}

static void test_answer_ends_retries(void **state)
{
	(void)state;
	timers_want_handshake(&t);
	expire();
	now += NS_PER_S;
	session(true);
	assert_false(timers_handshake_under_way(&t));
	assert_true(next() == now + ERASE_AFTER_TIME_NS);
}

/* A responder has keys, but only the peer's first packet ends its own attempts. */
static void test_responder_goes_on(void **state)
{
	uint64_t retry;

	(void)state;
	timers_want_handshake(&t);
	expire();
	retry = next();
	now += NS_PER_MS;
	session(false);
	assert_true(timers_handshake_under_way(&t));
	expect_at(retry, TIMERS_SEND_INITIATION);
	timers_handshake_complete(&t);
	assert_false(timers_handshake_under_way(&t));
}

static void test_erases_after_540_s(void **state)
{
	uint64_t begun = now;

	(void)state;
	session(true);
	expect_at(begun + 540 * NS_PER_S, TIMERS_ERASE_KEYS);
	assert_true(next() == CLOCK_NEVER);
}

static void test_rekey_pushes_erasure(void **state)
{
	(void)state;
	session(true);
	now += 120 * NS_PER_S;
	session(true);
	assert_true(next() == now + 540 * NS_PER_S);
}

/* Received data is answered with an empty packet after 10 s of silence of ours. */
static void test_passive_keepalive(void **state)
{
	(void)state;
	session(true);
	marks.unacked_since_ns = now + 3;
	expect_at(now + 3 + 10 * NS_PER_S, TIMERS_SEND_KEEPALIVE);
	/* Sending cleared the mark; more data sets another. */
	marks.unacked_since_ns = 0;
	assert_true(next() > now + 500 * NS_PER_S);
	marks.unacked_since_ns = now + 5;
	expect_at(now + 5 + 10 * NS_PER_S, TIMERS_SEND_KEEPALIVE);
	/* It could not be sent: again later, not in a loop. */
	expect_at(now + 10 * NS_PER_S, TIMERS_SEND_KEEPALIVE);
}

static void test_no_keepalive_when_we_sent(void **state)
{
	(void)state;
	session(true);
	marks.unacked_since_ns = now;
	assert_true(next() == now + 10 * NS_PER_S);
	now += 9 * NS_PER_S;
	marks.unacked_since_ns = 0;
	now += NS_PER_S;
	assert_int_equal(expire(), 0);
}

/* Data without an answer for 15 s and the jitter: a new handshake. */
static void test_unanswered(void **state)
{
	uint64_t since;

	(void)state;
	timers_want_handshake(&t);
	expire();
	now += NS_PER_MS;
	session(true);
	since = now + 60 * NS_PER_S;
	marks.unanswered_since_ns = since;
	marks.last_tx_data_ns = since + 2 * NS_PER_S;
	assert_true(t.jitter_ns < REKEY_JITTER_MAX_NS);
	expect_at(since + 15 * NS_PER_S + t.jitter_ns, TIMERS_SEND_INITIATION);
}

static void test_answered_in_time(void **state)
{
	(void)state;
	session(true);
	marks.unanswered_since_ns = now;
	marks.last_tx_data_ns = now;
	now += 14 * NS_PER_S;
	marks.unanswered_since_ns = 0;
	now += 2 * NS_PER_S;
	assert_int_equal(expire(), 0);
}

/* After the attempts are given up, silence alone starts no others; new data does. */
static void test_unanswered_needs_new_data(void **state)
{
	uint64_t gave_up, until;

	(void)state;
	session(true);
	marks.unanswered_since_ns = now;
	marks.last_tx_data_ns = now;
	do
		now = next();
	while (expire() != TIMERS_GIVE_UP);
	gave_up = now;
	for (until = now + 60 * NS_PER_S; next() < until;) {
		now = next();
		assert_int_equal(expire(), 0);
	}
	marks.last_tx_data_ns = now + 1;
	now = next();
	assert_true(now > gave_up);
	assert_int_equal(expire(), TIMERS_SEND_INITIATION);
}

static void test_persistent(void **state)
{
	(void)state;
	timers_set_keepalive(&t, 25);
	/* At once when it is turned on. */
	assert_true(next() <= now);
	assert_int_equal(expire(), TIMERS_SEND_KEEPALIVE);
	session(true);
	expect_at(now + 25 * NS_PER_S, TIMERS_SEND_KEEPALIVE);
	/* Traffic of either direction puts it off. */
	marks.last_tx_ns = now + 4 * NS_PER_S;
	marks.last_rx_ns = now + 7 * NS_PER_S;
	expect_at(now + 32 * NS_PER_S, TIMERS_SEND_KEEPALIVE);
	timers_set_keepalive(&t, 0);
	assert_true(next() > now + 400 * NS_PER_S);
}

static void test_longest_interval(void **state)
{
	(void)state;
	timers_set_keepalive(&t, 65535);
	assert_int_equal(expire(), TIMERS_SEND_KEEPALIVE);
	assert_true(next() == now + 65535 * NS_PER_S);
}

static void test_reset(void **state)
{
	(void)state;
	timers_want_handshake(&t);
	expire();
	session(false);
	timers_reset(&t);
	assert_true(next() == CLOCK_NEVER);
	/* The limit is forgotten with the key it was for. */
	timers_want_handshake(&t);
	assert_int_equal(expire(), TIMERS_SEND_INITIATION);
}

static void test_figures(void **state)
{
	(void)state;
	assert_true(REKEY_AFTER_TIME_NS == 120 * NS_PER_S);
	assert_true(REKEY_ON_RECEIVE_NS == 165 * NS_PER_S);
	assert_true(REJECT_AFTER_TIME_NS == 180 * NS_PER_S);
	assert_true(REKEY_AFTER_MESSAGES == 1152921504606846976ULL);
	assert_true(REJECT_AFTER_MESSAGES == 18446744073709543423ULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_idle, setup),
		cmocka_unit_test_setup(test_initiates_at_once, setup),
		cmocka_unit_test_setup(test_retries_with_jitter, setup),
		cmocka_unit_test_setup(test_gives_up_after_90_s, setup),
		cmocka_unit_test_setup(test_five_seconds_between, setup),
		cmocka_unit_test_setup(test_answer_ends_retries, setup),
		cmocka_unit_test_setup(test_responder_goes_on, setup),
		cmocka_unit_test_setup(test_erases_after_540_s, setup),
		cmocka_unit_test_setup(test_rekey_pushes_erasure, setup),
		cmocka_unit_test_setup(test_passive_keepalive, setup),
		cmocka_unit_test_setup(test_no_keepalive_when_we_sent, setup),
		cmocka_unit_test_setup(test_unanswered, setup),
		cmocka_unit_test_setup(test_answered_in_time, setup),
		cmocka_unit_test_setup(test_unanswered_needs_new_data, setup),
		cmocka_unit_test_setup(test_persistent, setup),
		cmocka_unit_test_setup(test_longest_interval, setup),
		cmocka_unit_test_setup(test_reset, setup),
		cmocka_unit_test_setup(test_figures, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
