#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/encoding.h"
#include "crypto/rng.h"
#include "proto/handshake.h"
#include "proto/wg_message.h"
#include "tests/support/hex.h"
#include "tests/support/low_order.h"
#include "tests/support/script_rng.h"

#define STATIC_I    "90a62ad21d79c01cceb7767952acec4fec86bfe909b06e5f3f6963365cf91a78"
#define STATIC_R    "c88844298c08e2fb7ba75080b9fad6fbd23d63bf3534c713e87ad87cee8f5b57"
#define EPHEMERAL_I "38d633dc9cf015fb99ef4bc11351e02f55f37397c9017f1f7cefe05c08493a6b"
#define EPHEMERAL_R "c87e4412564ba8a761bd32ab4cc6086bac3c2c9e580367e0b0eb32a4316f9154"
#define PSK         "233edfa58c84847712e911572533907dc46771c2af022cea0766b422d44f31e5"

static const uint8_t stamp[TAI64N_SIZE] = { 0x40, 0, 0, 0, 0x5f, 0x5e, 0x10, 0x0a, 0x12 };

/* Two sides that know each other. */
static struct wg_identity id_i, id_r;
static struct handshake at_i, at_r;
static struct rng rng;
static struct wg_initiation initiation;
static struct wg_response response;
static struct wg_session session_i, session_r;

static int setup(void **state)
{
	uint8_t priv[32], psk[32];

	(void)state;
	rng = rng_system();
	encoding_hex_parse(priv, 32, STATIC_I);
	wg_identity_set(&id_i, priv);
	encoding_hex_parse(priv, 32, STATIC_R);
	wg_identity_set(&id_r, priv);
	handshake_init(&at_i, &id_i, id_r.pub);
	handshake_init(&at_r, &id_r, id_i.pub);
	encoding_hex_parse(psk, 32, PSK);
	handshake_set_psk(&at_i, psk);
	handshake_set_psk(&at_r, psk);
	return 0;
}

static int initiate_with(const uint8_t *timestamp)
{
	return handshake_create_initiation(&at_i, &id_i, &rng, timestamp, 0x11223344, &initiation);
}

static int accept_at(uint64_t now_ns)
{
	struct wg_incoming in;
	int ret = wg_incoming_open(&in, &id_r, &initiation);

	if (ret == 0)
		ret = handshake_accept(&at_r, &in, &initiation, now_ns);
	if (ret == 0)
		ret = handshake_respond(&at_r, &in, &rng, 0x55667788, &response, &session_r);
	return ret;
}

static int finish(void)
{
	return handshake_consume_response(&at_i, &id_i, &response, &session_i);
}

/* The messages of Noise_IKpsk2 recorded with Python's noiseprotocol 0.3.1. */
static void test_recorded(void **state)
{
	struct script_rng script;

	(void)state;
	rng = script_rng(&script, EPHEMERAL_I EPHEMERAL_R);
	assert_int_equal(initiate_with(stamp), 0);
	assert_hex(initiation.type, 8, "0100000044332211");
	assert_hex(initiation.ephemeral, 108,
		   "2f63a2cf597dc51b7cd650eef555939f0c32db6ed0f104679d02006fbad6b377"
		   "20fd5778d5b778287996f98d1b99bb7a4c6eda33fbf6d4cd5c2c71f2f31e0e16"
		   "d84e86c66ad418699eec4bd95bc9b3644937afe9cab0723aaf6e6ace67d06cdf"
		   "fd2213d087c940a962101b05");
	assert_int_equal(accept_at(1), 0);
	assert_hex(response.type, 12, "020000008877665544332211");
	assert_hex(response.ephemeral, 48,
		   "62185c01c5a018c18258fe188bc2781e6d813e4cb97b62b7ace200a47b4bd746"
		   "4896d78ae259b3630ae69327ad87fabd");
	assert_int_equal(finish(), 0);
}

static void test_session(void **state)
{
	(void)state;
	assert_int_equal(initiate_with(stamp), 0);
	assert_int_equal(accept_at(1), 0);
	assert_int_equal(finish(), 0);
	assert_memory_equal(session_i.send_key, session_r.recv_key, 32);
	assert_memory_equal(session_i.recv_key, session_r.send_key, 32);
	assert_memory_not_equal(session_i.send_key, session_i.recv_key, 32);
	assert_true(session_i.initiator && !session_r.initiator);
	assert_int_equal(session_i.local_index, 0x11223344);
	assert_int_equal(session_i.remote_index, 0x55667788);
	assert_int_equal(session_r.local_index, 0x55667788);
	assert_int_equal(session_r.remote_index, 0x11223344);
}

static void test_response_once(void **state)
{
	struct wg_session again;

	(void)state;
	assert_int_equal(initiate_with(stamp), 0);
	assert_int_equal(accept_at(1), 0);
	assert_int_equal(finish(), 0);
	/* Again would mean the same keys with nonces from zero. */
	assert_int_equal(handshake_consume_response(&at_i, &id_i, &response, &again), -EPROTO);
}

static void test_response_outside_initiated(void **state)
{
	(void)state;
	memset(&response, 0, sizeof(response));
	assert_int_equal(finish(), -EPROTO);
	assert_int_equal(initiate_with(stamp), 0);
	assert_int_equal(accept_at(1), 0);
	response.receiver[0] ^= 1;
	assert_int_equal(finish(), -EPROTO);
	response.receiver[0] ^= 1;
	handshake_forget_initiation(&at_i);
	assert_int_equal(finish(), -EPROTO);
}

/* A response to an older initiation does not fit the newer one's ephemeral key. */
static void test_response_to_older(void **state)
{
	uint8_t later[TAI64N_SIZE];

	(void)state;
	assert_int_equal(initiate_with(stamp), 0);
	assert_int_equal(accept_at(1), 0);
	memcpy(later, stamp, sizeof(later));
	later[8]++;
	assert_int_equal(initiate_with(later), 0);
	assert_int_equal(finish(), -EBADMSG);
}

/* A forged response must not end the initiation. */
static void test_forged_response(void **state)
{
	uint8_t *bytes = (uint8_t *)&response;

	(void)state;
	assert_int_equal(initiate_with(stamp), 0);
	assert_int_equal(accept_at(1), 0);
	for (size_t i = offsetof(struct wg_response, ephemeral);
	     i < offsetof(struct wg_response, macs); i++) {
		bytes[i] ^= 1;
		assert_int_equal(finish(), -EBADMSG);
		bytes[i] ^= 1;
	}
	assert_int_equal(finish(), 0);
}

static void test_forged_initiation(void **state)
{
	uint8_t *bytes = (uint8_t *)&initiation;

	(void)state;
	assert_int_equal(initiate_with(stamp), 0);
	for (size_t i = offsetof(struct wg_initiation, ephemeral);
	     i < offsetof(struct wg_initiation, macs); i++) {
		bytes[i] ^= 1;
		assert_int_equal(accept_at(1), -EBADMSG);
		bytes[i] ^= 1;
	}
	/* None of them left a mark. */
	assert_int_equal(accept_at(1), 0);
}

static void test_timestamp_replay(void **state)
{
	uint8_t other[TAI64N_SIZE];

	(void)state;
	assert_int_equal(initiate_with(stamp), 0);
	assert_int_equal(accept_at(1), 0);
	assert_int_equal(accept_at(NS_PER_S), -EALREADY);
	assert_int_equal(initiate_with(stamp), 0);
	assert_int_equal(accept_at(NS_PER_S), -EALREADY);
	memcpy(other, stamp, sizeof(other));
	other[7]--;
	other[11] = 0xff;
	assert_int_equal(initiate_with(other), 0);
	assert_int_equal(accept_at(NS_PER_S), -EALREADY);
	/* Opaque: nanoseconds above a second are just greater. */
	memset(other + 8, 0xff, 4);
	other[7] = stamp[7];
	assert_int_equal(initiate_with(other), 0);
	assert_int_equal(accept_at(NS_PER_S), 0);
}

static void test_flood(void **state)
{
	uint8_t later[TAI64N_SIZE];
	uint64_t at = 77;

	(void)state;
	memcpy(later, stamp, sizeof(later));
	assert_int_equal(initiate_with(later), 0);
	assert_int_equal(accept_at(at), 0);
	later[8]++;
	assert_int_equal(initiate_with(later), 0);
	assert_int_equal(accept_at(at + HANDSHAKE_INITIATIONS_MIN_NS - 1), -EBUSY);
	/* It did not count, so the same stamp is fresh still. */
	assert_int_equal(accept_at(at + HANDSHAKE_INITIATIONS_MIN_NS), 0);
}

static void test_other_psk(void **state)
{
	static const uint8_t none[32];

	(void)state;
	handshake_set_psk(&at_r, none);
	assert_int_equal(initiate_with(stamp), 0);
	assert_int_equal(accept_at(1), 0);
	assert_int_equal(finish(), -EBADMSG);
	handshake_set_psk(&at_i, none);
	/* The psk comes in with the second message. */
	assert_int_equal(finish(), 0);
}

/* Both begin at the same moment: both succeed, with two sessions. */
static void test_simultaneous(void **state)
{
	struct wg_initiation other;
	struct wg_response other_response;
	struct wg_session at_initiator, at_responder;
	struct wg_incoming in;

	(void)state;
	assert_int_equal(initiate_with(stamp), 0);
	assert_int_equal(handshake_create_initiation(&at_r, &id_r, &rng, stamp, 7, &other), 0);
	assert_int_equal(accept_at(1), 0);
	assert_int_equal(wg_incoming_open(&in, &id_i, &other), 0);
	assert_int_equal(handshake_accept(&at_i, &in, &other, 1), 0);
	assert_int_equal(handshake_respond(&at_i, &in, &rng, 8, &other_response, &at_initiator), 0);
	assert_int_equal(finish(), 0);
	assert_int_equal(handshake_consume_response(&at_r, &id_r, &other_response, &at_responder),
			 0);
	assert_memory_equal(at_initiator.send_key, at_responder.recv_key, 32);
	assert_memory_equal(session_i.send_key, session_r.recv_key, 32);
}

static void test_low_order_ephemeral(void **state)
{
	(void)state;
	for (int i = 0; i < LOW_ORDER_COUNT; i++) {
		assert_int_equal(initiate_with(stamp), 0);
		memcpy(initiation.ephemeral, low_order[i], 32);
		assert_int_equal(accept_at(1), -EBADMSG);
	}
	assert_int_equal(initiate_with(stamp), 0);
	assert_int_equal(accept_at(1), 0);
	for (int i = 0; i < LOW_ORDER_COUNT; i++) {
		memcpy(response.ephemeral, low_order[i], 32);
		assert_int_equal(finish(), -EBADMSG);
	}
}

static void test_low_order_static(void **state)
{
	(void)state;
	for (int i = 0; i < LOW_ORDER_COUNT; i++) {
		handshake_init(&at_i, &id_i, low_order[i]);
		assert_false(at_i.possible);
		assert_int_equal(initiate_with(stamp), -ENOKEY);
	}
}

static void test_without_identity(void **state)
{
	static const uint8_t none[32];
	struct wg_incoming in;

	(void)state;
	wg_identity_set(&id_i, none);
	assert_false(id_i.present);
	handshake_set_identity(&at_i, &id_i);
	assert_int_equal(initiate_with(stamp), -ENOKEY);
	assert_int_equal(wg_incoming_open(&in, &id_i, &initiation), -ENOKEY);
}

/* With a new key of ours the old initiation's response is refused. */
static void test_identity_changes(void **state)
{
	uint8_t priv[32];

	(void)state;
	assert_int_equal(initiate_with(stamp), 0);
	assert_int_equal(accept_at(1), 0);
	dh_private_new(priv, &rng);
	wg_identity_set(&id_i, priv);
	handshake_set_identity(&at_i, &id_i);
	assert_int_equal(finish(), -EPROTO);
	assert_int_equal(initiate_with(stamp), 0);
	/* The static key is another one, so the tag under the old one's DH is wrong. */
	assert_int_equal(accept_at(NS_PER_S), -EBADMSG);
}

static void test_fresh_ephemerals(void **state)
{
	uint8_t first[32];

	(void)state;
	assert_int_equal(initiate_with(stamp), 0);
	memcpy(first, initiation.ephemeral, 32);
	assert_int_equal(initiate_with(stamp), 0);
	assert_memory_not_equal(first, initiation.ephemeral, 32);
}

static void test_wiped(void **state)
{
	static const uint8_t zero[sizeof(struct handshake)];

	(void)state;
	assert_int_equal(initiate_with(stamp), 0);
	assert_int_equal(accept_at(1), 0);
	assert_int_equal(finish(), 0);
	assert_memory_equal(at_i.ephemeral_priv, zero, 32);
	assert_memory_equal(&at_i.noise, zero, sizeof(at_i.noise));
	handshake_clear(&at_i);
	assert_memory_equal(&at_i, zero, sizeof(at_i));
}

/* Messages at any address: nothing may be read as if it were aligned (asan's ubsan watches). */
static void test_unaligned(void **state)
{
	uint8_t *odd = malloc(sizeof(initiation) + 1);

	(void)state;
	assert_non_null(odd);
	assert_int_equal(initiate_with(stamp), 0);
	memcpy(odd + 1, &initiation, sizeof(initiation));
	assert_int_equal(wg_handshake_type(odd + 1, sizeof(initiation)), WG_INITIATION);
	{
		struct wg_incoming in;

		assert_int_equal(wg_incoming_open(&in, &id_r,
						  (const struct wg_initiation *)(odd + 1)),
				 0);
		wg_incoming_clear(&in);
	}
	free(odd);
}

static void test_types(void **state)
{
	uint8_t message[256] = { 0 };

	(void)state;
	for (size_t len = 0; len < sizeof(message); len++) {
		message[0] = 1;
		assert_int_equal(wg_handshake_type(message, len), len == 148 ? WG_INITIATION : 0);
		message[0] = 2;
		assert_int_equal(wg_handshake_type(message, len), len == 92 ? WG_RESPONSE : 0);
		message[0] = 3;
		assert_int_equal(wg_handshake_type(message, len), len == 64 ? WG_COOKIE_REPLY : 0);
		message[0] = 4;
		assert_int_equal(wg_handshake_type(message, len), 0);
	}
	message[0] = 1;
	for (int i = 1; i < 4; i++) {
		message[i] = 1;
		assert_int_equal(wg_handshake_type(message, 148), 0);
		message[i] = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_recorded, setup),
		cmocka_unit_test_setup(test_session, setup),
		cmocka_unit_test_setup(test_response_once, setup),
		cmocka_unit_test_setup(test_response_outside_initiated, setup),
		cmocka_unit_test_setup(test_response_to_older, setup),
		cmocka_unit_test_setup(test_forged_response, setup),
		cmocka_unit_test_setup(test_forged_initiation, setup),
		cmocka_unit_test_setup(test_timestamp_replay, setup),
		cmocka_unit_test_setup(test_flood, setup),
		cmocka_unit_test_setup(test_other_psk, setup),
		cmocka_unit_test_setup(test_simultaneous, setup),
		cmocka_unit_test_setup(test_low_order_ephemeral, setup),
		cmocka_unit_test_setup(test_low_order_static, setup),
		cmocka_unit_test_setup(test_without_identity, setup),
		cmocka_unit_test_setup(test_identity_changes, setup),
		cmocka_unit_test_setup(test_fresh_ephemerals, setup),
		cmocka_unit_test_setup(test_wiped, setup),
		cmocka_unit_test_setup(test_unaligned, setup),
		cmocka_unit_test_setup(test_types, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
