#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/dh.h"
#include "crypto/rng.h"
#include "proto/signal.h"

static struct rng_seeded seeded;
static struct rng rng;
static uint8_t alice_secret[32];
static uint8_t alice_key[32];
static uint8_t bob_secret[32];
static uint8_t bob_key[32];
static uint8_t plain[SIGNAL_SEALED_MAX];

static int setup(void **state)
{
	(void)state;
	rng_seeded_init(&seeded, 1);
	rng = rng_from_seeded(&seeded);
	dh_private_new(alice_secret, &rng);
	dh_public(alice_key, alice_secret);
	dh_private_new(bob_secret, &rng);
	dh_public(bob_key, bob_secret);
	return 0;
}

static struct signal example(void)
{
	static const uint8_t payload[] = "{\"candidates\":[]}";
	struct signal signal = { .kind = SIGNAL_OFFER,
				 .session = 42,
				 .counter = 1,
				 .time_s = 1000,
				 .payload = payload,
				 .payload_len = sizeof(payload) };

	memset(signal.network_id, 1, sizeof(signal.network_id));
	memset(signal.from, 2, sizeof(signal.from));
	memset(signal.to, 3, sizeof(signal.to));
	return signal;
}

static void test_round_trip(void **state)
{
	struct signal signal = example();
	struct signal opened;
	uint8_t sealed[512];
	size_t len;

	(void)state;
	assert_int_equal(signal_seal(sealed, sizeof(sealed), &len, &signal, alice_secret, bob_key,
				     &rng),
			 0);
	assert_int_equal(len, SIGNAL_OVERHEAD + signal.payload_len);
	assert_int_equal(signal_open(&opened, plain, sealed, len, bob_secret, alice_key, &signal),
			 0);
	assert_int_equal(opened.kind, SIGNAL_OFFER);
	assert_int_equal(opened.session, 42);
	assert_int_equal(opened.payload_len, signal.payload_len);
	assert_memory_equal(opened.payload, signal.payload, signal.payload_len);
}

static void test_changed_or_cut(void **state)
{
	struct signal signal = example();
	struct signal opened;
	uint8_t sealed[512];
	size_t len;

	(void)state;
	signal_seal(sealed, sizeof(sealed), &len, &signal, alice_secret, bob_key, &rng);
	for (size_t i = 0; i < len; i++) {
		sealed[i] ^= 1;
		assert_int_equal(signal_open(&opened, plain, sealed, len, bob_secret, alice_key,
					     &signal),
				 -EBADMSG);
		sealed[i] ^= 1;
	}
	for (size_t i = 0; i < len; i++)
		assert_int_equal(signal_open(&opened, plain, sealed, i, bob_secret, alice_key,
					     &signal),
				 -EBADMSG);
}

static void test_for_or_from_somebody_else(void **state)
{
	struct signal signal = example();
	struct signal expect = signal;
	struct signal opened;
	uint8_t sealed[512];
	size_t len;

	(void)state;
	signal_seal(sealed, sizeof(sealed), &len, &signal, alice_secret, bob_key, &rng);
	expect.from[0] ^= 1;
	assert_int_equal(signal_open(&opened, plain, sealed, len, bob_secret, alice_key, &expect),
			 -EPERM);
	expect = signal;
	expect.to[0] ^= 1;
	assert_int_equal(signal_open(&opened, plain, sealed, len, bob_secret, alice_key, &expect),
			 -EPERM);
	expect = signal;
	expect.network_id[0] ^= 1;
	assert_int_equal(signal_open(&opened, plain, sealed, len, bob_secret, alice_key, &expect),
			 -EPERM);
	assert_int_equal(signal_open(&opened, plain, sealed, len, bob_secret, bob_key, &signal),
			 -EBADMSG);
}

static void test_sizes(void **state)
{
	struct signal signal = example();
	struct signal opened;
	uint8_t *payload = calloc(1, SIGNAL_PAYLOAD_MAX + 1);
	uint8_t *sealed = calloc(1, SIGNAL_SEALED_MAX);
	size_t len;

	(void)state;
	signal.payload = payload;
	signal.payload_len = SIGNAL_PAYLOAD_MAX;
	assert_int_equal(signal_seal(sealed, SIGNAL_SEALED_MAX, &len, &signal, alice_secret,
				     bob_key, &rng),
			 0);
	assert_int_equal(len, SIGNAL_SEALED_MAX);
	assert_int_equal(signal_open(&opened, plain, sealed, len, bob_secret, alice_key, &signal),
			 0);
	assert_int_equal(opened.payload_len, SIGNAL_PAYLOAD_MAX);
	assert_int_equal(signal_seal(sealed, SIGNAL_SEALED_MAX - 1, &len, &signal, alice_secret,
				     bob_key, &rng),
			 -ENOSPC);
	signal.payload_len++;
	assert_int_equal(signal_seal(sealed, SIGNAL_SEALED_MAX, &len, &signal, alice_secret,
				     bob_key, &rng),
			 -EMSGSIZE);
	free(payload);
	free(sealed);
}

static bool check(struct signal_replay *replay, uint64_t session, uint64_t counter, uint64_t time_s,
		  uint64_t now_s)
{
	struct signal signal = { .session = session, .counter = counter, .time_s = time_s };

	return signal_replay_check(replay, &signal, now_s);
}

static void test_replay_in_a_session(void **state)
{
	struct signal_replay replay = { .next = 0 };

	(void)state;
	assert_true(check(&replay, 7, 1, 1000, 1000));
	assert_false(check(&replay, 7, 1, 1000, 1000));
	assert_true(check(&replay, 7, 5, 1000, 1000));
	assert_true(check(&replay, 7, 3, 1000, 1000)); /* out of order */
	assert_false(check(&replay, 7, 3, 1000, 1000));
	assert_true(check(&replay, 7, 100, 1000, 1000));
	assert_false(check(&replay, 7, 30, 1000, 1000)); /* behind the window */
	assert_true(check(&replay, 7, UINT64_MAX, 1000, 1000));
	assert_false(check(&replay, 7, 100, 1000, 1000));
}

static void test_old_session_is_not_accepted_again(void **state)
{
	struct signal_replay replay = { .next = 0 };

	(void)state;
	for (uint64_t s = 1; s <= SIGNAL_SESSIONS + 1; s++)
		assert_true(check(&replay, s, 1, 1000 + s * 1000, 1000 + s * 1000));
	/* Session 1 is forgotten by now, but its time is not. */
	assert_false(check(&replay, 1, 1, 2000, 10000));
}

static void test_a_corrected_clock_is_no_lockout(void **state)
{
	struct signal_replay replay = { .next = 0 };
	uint64_t year_s = 365u * 86400;

	(void)state;
	/* The peer's clock was a year ahead, then right again. */
	assert_true(check(&replay, 1, 1, 100000 + year_s, 100000));
	assert_true(check(&replay, 2, 1, 100010, 100010));
	assert_false(check(&replay, 3, 1, 100010 - SIGNAL_FRESH_S - 1, 100010));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_changed_or_cut),
		cmocka_unit_test(test_for_or_from_somebody_else),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_replay_in_a_session),
		cmocka_unit_test(test_old_session_is_not_accepted_again),
		cmocka_unit_test(test_a_corrected_clock_is_no_lockout),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
