#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/encoding.h"
#include "crypto/rng.h"
#include "proto/noise_ik.h"
#include "tests/support/hex.h"
#include "tests/support/low_order.h"
#include "tests/support/script_rng.h"

/* A conversation recorded with Python's noiseprotocol 0.3.1. */
#define STATIC_I    "90a62ad21d79c01cceb7767952acec4fec86bfe909b06e5f3f6963365cf91a78"
#define STATIC_R    "c88844298c08e2fb7ba75080b9fad6fbd23d63bf3534c713e87ad87cee8f5b57"
#define EPHEMERAL_I "38d633dc9cf015fb99ef4bc11351e02f55f37397c9017f1f7cefe05c08493a6b"
#define EPHEMERAL_R "c87e4412564ba8a761bd32ab4cc6086bac3c2c9e580367e0b0eb32a4316f9154"
#define FIRST                                                              \
	"2f63a2cf597dc51b7cd650eef555939f0c32db6ed0f104679d02006fbad6b377" \
	"8b9eb925a2916683da6c3dd18c0ad4d84848d5e8983b0f97a2762c1ce558de52" \
	"91d400208e9225815fc49031f8e11f0f1aeeb2f3a7e69193b70fcb08ca24ca23" \
	"6537d6f7a6"
#define SECOND                                                             \
	"62185c01c5a018c18258fe188bc2781e6d813e4cb97b62b7ace200a47b4bd746" \
	"7ac782abde11e3aec5d10b9c4da6e9b6316ad17027e8eaaf5d5f124d"

static struct noise_ik initiator, responder;
static uint8_t buf[NOISE_MESSAGE_MAX + 100], text[NOISE_MESSAGE_MAX + 100];
static size_t len, text_len;

static int setup(void **state)
{
	uint8_t priv_i[32], priv_r[32], pub_r[32];

	(void)state;
	encoding_hex_parse(priv_i, 32, STATIC_I);
	encoding_hex_parse(priv_r, 32, STATIC_R);
	dh_public(pub_r, priv_r);
	noise_ik_init_initiator(&initiator, priv_i, pub_r, "a prologue", 10);
	noise_ik_init_responder(&responder, priv_r, "a prologue", 10);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	noise_ik_clear(&initiator);
	noise_ik_clear(&responder);
	return 0;
}

static void first(void)
{
	struct script_rng script;
	struct rng rng = script_rng(&script, EPHEMERAL_I);

	assert_int_equal(noise_ik_write_first(&initiator, &rng, buf, sizeof(buf), &len, "hello", 5),
			 0);
}

static void second(void)
{
	struct script_rng script;
	struct rng rng = script_rng(&script, EPHEMERAL_R);

	assert_int_equal(noise_ik_write_second(&responder, &rng, buf, sizeof(buf), &len,
					       "welcome back", 12),
			 0);
}

static void establish(void)
{
	first();
	assert_int_equal(noise_ik_read_first(&responder, buf, len, text, sizeof(text), &text_len),
			 0);
	second();
	assert_int_equal(noise_ik_read_second(&initiator, buf, len, text, sizeof(text), &text_len),
			 0);
}

static void test_recorded_handshake(void **state)
{
	(void)state;
	first();
	assert_hex(buf, len, FIRST);
	assert_int_equal(noise_ik_read_first(&responder, buf, len, text, sizeof(text), &text_len),
			 0);
	assert_int_equal(text_len, 5);
	assert_memory_equal(text, "hello", 5);
	assert_memory_equal(responder.remote_static, initiator.static_pub, 32);
	second();
	assert_hex(buf, len, SECOND);
	assert_int_equal(noise_ik_read_second(&initiator, buf, len, text, sizeof(text), &text_len),
			 0);
	assert_memory_equal(text, "welcome back", text_len);
	assert_hex(initiator.handshake_hash, 32,
		   "3e43fee02afccb05a17c2991a5c133c401b76150b1529c397271fbf2a6cf93fb");
	assert_memory_equal(initiator.handshake_hash, responder.handshake_hash, 32);
}

static void test_recorded_transport(void **state)
{
	(void)state;
	establish();
	assert_true(noise_ik_established(&initiator) && noise_ik_established(&responder));
	assert_int_equal(noise_ik_seal(&initiator, buf, sizeof(buf), &len,
				       "first from the initiator", 24),
			 0);
	assert_hex(buf, len,
		   "82d920ec8ed656777cc60463c2852bc5db96530a110988fceb900b68d5590c42"
		   "1ffd8956193b37fb");
	assert_int_equal(noise_ik_open(&responder, text, sizeof(text), &text_len, buf, len), 0);
	assert_int_equal(noise_ik_seal(&initiator, buf, sizeof(buf), &len, "second", 6), 0);
	assert_hex(buf, len, "2efdbc6e0fa168361c3e45e8eca734b7424a9278c34b");
	assert_int_equal(noise_ik_open(&responder, text, sizeof(text), &text_len, buf, len), 0);
	assert_memory_equal(text, "second", text_len);
	assert_int_equal(noise_ik_seal(&responder, buf, sizeof(buf), &len, "from the responder",
				       18),
			 0);
	assert_hex(buf, len,
		   "07b7de54c624f0162d7dfbf74d3b2a5e2d4d9ca2afe88864be654d0633bee6af"
		   "938a");
	assert_int_equal(noise_ik_open(&initiator, text, sizeof(text), &text_len, buf, len), 0);
	/* Once: order is part of what is authenticated. */
	assert_int_equal(noise_ik_open(&initiator, text, sizeof(text), &text_len, buf, len),
			 -EBADMSG);
}

static void test_every_changed_byte_is_seen(void **state)
{
	uint8_t message[200];
	size_t message_len;

	(void)state;
	first();
	memcpy(message, buf, len);
	message_len = len;
	for (size_t i = 0; i < message_len; i++) {
		setup(NULL);
		message[i] ^= 4;
		assert_int_equal(noise_ik_read_first(&responder, message, message_len, text,
						     sizeof(text), &text_len),
				 -EBADMSG);
		message[i] ^= 4;
	}
	for (size_t i = 0; i < message_len; i++) {
		setup(NULL);
		assert_int_equal(noise_ik_read_first(&responder, message, i, text, sizeof(text),
						     &text_len),
				 -EBADMSG);
	}
}

static void test_other_prologue(void **state)
{
	uint8_t priv_r[32];

	(void)state;
	encoding_hex_parse(priv_r, 32, STATIC_R);
	noise_ik_init_responder(&responder, priv_r, "b prologue", 10);
	first();
	assert_int_equal(noise_ik_read_first(&responder, buf, len, text, sizeof(text), &text_len),
			 -EBADMSG);
}

static void test_low_order(void **state)
{
	struct rng rng = rng_system();
	uint8_t priv[32];

	(void)state;
	dh_private_new(priv, &rng);
	for (int i = 0; i < LOW_ORDER_COUNT; i++) {
		setup(NULL);
		first();
		memcpy(buf, low_order[i], 32);
		assert_int_equal(noise_ik_read_first(&responder, buf, len, text, sizeof(text),
						     &text_len),
				 -EINVAL);
		noise_ik_init_initiator(&initiator, priv, low_order[i], NULL, 0);
		assert_int_equal(noise_ik_write_first(&initiator, &rng, buf, sizeof(buf), &len,
						      NULL, 0),
				 -EINVAL);
	}
}

static void test_turns_and_sizes(void **state)
{
	struct rng rng = rng_system();

	(void)state;
	assert_int_equal(noise_ik_seal(&initiator, buf, sizeof(buf), &len, "x", 1), -EPROTO);
	assert_int_equal(noise_ik_open(&initiator, text, sizeof(text), &text_len, buf, 40),
			 -EPROTO);
	assert_int_equal(noise_ik_write_second(&responder, &rng, buf, sizeof(buf), &len, NULL, 0),
			 -EPROTO);
	assert_int_equal(noise_ik_write_first(&responder, &rng, buf, sizeof(buf), &len, NULL, 0),
			 -EPROTO);
	assert_int_equal(noise_ik_write_first(&initiator, &rng, buf, 95, &len, NULL, 0), -ENOBUFS);
	establish();
	assert_int_equal(noise_ik_write_first(&initiator, &rng, buf, sizeof(buf), &len, NULL, 0),
			 -EPROTO);
	memset(text, 1, sizeof(text));
	assert_int_equal(noise_ik_seal(&initiator, buf, sizeof(buf), &len, text,
				       NOISE_MESSAGE_MAX - 15),
			 -ENOBUFS);
	assert_int_equal(noise_ik_seal(&initiator, buf, sizeof(buf), &len, text,
				       NOISE_MESSAGE_MAX - 16),
			 0);
	assert_int_equal(len, NOISE_MESSAGE_MAX);
	assert_int_equal(noise_ik_open(&responder, text, 100, &text_len, buf, len), -ENOBUFS);
	assert_int_equal(noise_ik_open(&responder, text, sizeof(text), &text_len, buf, len), 0);
}

static void test_nonces_end(void **state)
{
	(void)state;
	establish();
	initiator.send.nonce = NOISE_NONCE_LIMIT - 1;
	responder.recv.nonce = NOISE_NONCE_LIMIT - 1;
	assert_int_equal(noise_ik_seal(&initiator, buf, sizeof(buf), &len, "x", 1), 0);
	assert_int_equal(noise_ik_open(&responder, text, sizeof(text), &text_len, buf, len), 0);
	assert_int_equal(noise_ik_seal(&initiator, buf, sizeof(buf), &len, "x", 1), -EOVERFLOW);
	assert_int_equal(noise_ik_open(&responder, text, sizeof(text), &text_len, buf, len),
			 -EOVERFLOW);
}

static void test_secrets_are_wiped(void **state)
{
	static const uint8_t zero[32];

	(void)state;
	establish();
	assert_memory_equal(initiator.static_priv, zero, 32);
	assert_memory_equal(initiator.ephemeral_priv, zero, 32);
	assert_memory_equal(initiator.noise.chaining_key, zero, 32);
	noise_ik_clear(&initiator);
	assert_memory_equal(initiator.send.key, zero, 32);
	assert_memory_equal(initiator.recv.key, zero, 32);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_recorded_handshake),
		TEST(test_recorded_transport),
		TEST(test_every_changed_byte_is_seen),
		TEST(test_other_prologue),
		TEST(test_low_order),
		TEST(test_turns_and_sizes),
		TEST(test_nonces_end),
		TEST(test_secrets_are_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
