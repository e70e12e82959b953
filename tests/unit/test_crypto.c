#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/encoding.h"
#include "crypto/box.h"
#include "crypto/chapoly.h"
#include "crypto/dh.h"
#include "crypto/hash.h"
#include "crypto/rng.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "tests/support/hex.h"
#include "tests/support/low_order.h"

/* Known answers without a source come from Python's hashlib, hmac and cryptography. */

static void test_hashes(void **state)
{
	uint8_t out[32], again[32], key[32];

	(void)state;
	/* RFC 7693 appendix B. */
	hash_blake2s(out, "abc", 3, NULL, 0);
	assert_hex(out, 32, "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
	hash_blake2s(again, "a", 1, "bc", 2);
	assert_memory_equal(out, again, 32);
	memset(key, 'k', sizeof(key));
	hash_mac16(out, key, 32, "data", 4);
	assert_hex(out, 16, "4369f34699c43fd4a50d2f291971554a");
	hash_hmac_blake2s(out, "key", 3, "data", 4);
	assert_hex(out, 32, "84f646acda0776ee848b7f9dc5771c7d8cf023999c0c3dd84dc78636a146e805");
	hash_hmac_sha1(out, "key", 3, "data", 4);
	assert_hex(out, 20, "104152c5bfdca07bc633eebd46199f0255c9f49d");
}

/* A context that is used again must not remember the key before. */
static void test_hash_contexts_are_fresh(void **state)
{
	static const char nothing[] =
		"eaf4bb25938f4d20e72656bbbc7a9bf63c0c18537333c35bdb67db1402661acd";
	uint8_t out[32], key[32];

	(void)state;
	memset(key, 'k', sizeof(key));
	hash_mac16(out, "other", 5, "x", 1);
	hash_hmac_blake2s(out, "other", 5, "x", 1);
	hash_hmac_blake2s(out, "", 0, "", 0);
	assert_hex(out, 32, nothing);
	hash_hmac_blake2s(out, "other", 5, "x", 1);
	hash_hmac_blake2s(out, NULL, 0, NULL, 0);
	assert_hex(out, 32, nothing);
	hash_mac16(out, key, 32, "data", 4);
	assert_hex(out, 16, "4369f34699c43fd4a50d2f291971554a");
}

/* HKDF's outputs are prefixes of each other, and may overwrite the chaining key. */
static void test_kdf(void **state)
{
	uint8_t ck[32] = { 1 }, a[32], b[32], c[32], d[32];

	(void)state;
	hash_kdf(a, b, c, ck, "input", 5);
	hash_kdf(d, NULL, NULL, ck, "input", 5);
	assert_memory_equal(a, d, 32);
	assert_memory_not_equal(a, b, 32);
	assert_memory_not_equal(b, c, 32);
	hash_kdf(ck, d, NULL, ck, "input", 5);
	assert_memory_equal(ck, a, 32);
	assert_memory_equal(d, b, 32);
}

static void test_dh(void **state)
{
	uint8_t a[32], b[32], pub_a[32], pub_b[32], shared[32];

	(void)state;
	for (uint8_t i = 0; i < 32; i++) {
		a[i] = i;
		b[i] = (uint8_t)(i + 32);
	}
	dh_public(pub_a, a);
	dh_public(pub_b, b);
	assert_hex(pub_a, 32, "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f");
	assert_int_equal(dh_shared(shared, a, pub_b), 0);
	assert_hex(shared, 32, "9663aa1da97e848a914a436d04163dfbb89178f107f1b5b77ed3854203382854");
	assert_int_equal(dh_shared(shared, b, pub_a), 0);
	assert_hex(shared, 32, "9663aa1da97e848a914a436d04163dfbb89178f107f1b5b77ed3854203382854");
}

static void test_dh_refuses_low_order(void **state)
{
	uint8_t priv[32], shared[32], before[32];
	struct rng rng = rng_system();

	(void)state;
	dh_private_new(priv, &rng);
	memset(shared, 0x5a, 32);
	memcpy(before, shared, 32);
	for (int i = 0; i < LOW_ORDER_COUNT; i++) {
		assert_int_equal(dh_shared(shared, priv, low_order[i]), -EINVAL);
		assert_memory_equal(shared, before, 32);
	}
}

static void test_private_keys_are_clamped(void **state)
{
	uint8_t priv[32];

	(void)state;
	memset(priv, 0xff, 32);
	dh_private_clamp(priv);
	assert_int_equal(priv[0], 0xf8);
	assert_int_equal(priv[31], 0x7f);
	memset(priv, 0, 32);
	dh_private_clamp(priv);
	assert_int_equal(priv[31], 0x40);
}

static void test_chapoly(void **state)
{
	uint8_t key[32], sealed[23], opened[23];

	(void)state;
	for (uint8_t i = 0; i < 32; i++)
		key[i] = i;
	chapoly_seal(sealed, key, 7, "ad", 2, (const uint8_t *)"message", 7);
	assert_hex(sealed, 23, "9c6af73b438f1fcd143199d47fb74328747a33bc6bbcbc");
	assert_true(chapoly_open(opened, key, 7, "ad", 2, sealed, 23));
	assert_memory_equal(opened, "message", 7);
	/* In place. */
	memcpy(opened, sealed, 23);
	assert_true(chapoly_open(opened, key, 7, "ad", 2, opened, 23));
	assert_memory_equal(opened, "message", 7);
}

static void test_chapoly_refuses(void **state)
{
	uint8_t key[32] = { 0 }, sealed[23], opened[23], before[23];

	(void)state;
	memset(opened, 0x5a, sizeof(opened));
	memcpy(before, opened, sizeof(before));
	chapoly_seal(sealed, key, 0, NULL, 0, (const uint8_t *)"message", 7);
	for (size_t len = 0; len < 23; len++)
		assert_false(chapoly_open(opened, key, 0, NULL, 0, sealed, len));
	for (size_t i = 0; i < 23; i++) {
		sealed[i] ^= 1;
		assert_false(chapoly_open(opened, key, 0, NULL, 0, sealed, 23));
		sealed[i] ^= 1;
	}
	assert_false(chapoly_open(opened, key, 1, NULL, 0, sealed, 23));
	assert_false(chapoly_open(opened, key, 0, "x", 1, sealed, 23));
	/* A counter above 32 bits is another nonce. */
	assert_false(chapoly_open(opened, key, 1ULL << 32, NULL, 0, sealed, 23));
	assert_memory_equal(opened, before, sizeof(before));
}

/* draft-irtf-cfrg-xchacha-03 appendix A.3. */
static void test_xchapoly(void **state)
{
	static const char text[] = "Ladies and Gentlemen of the class of '99: If I could offer you "
				   "only one tip for the future, sunscreen would be it.";
	static const uint8_t ad[] = { 0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1,
				      0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7 };
	uint8_t key[32], nonce[24], sealed[sizeof(text) - 1 + 16], opened[sizeof(text) - 1];

	(void)state;
	for (uint8_t i = 0; i < 32; i++)
		key[i] = (uint8_t)(0x80 + i);
	for (uint8_t i = 0; i < 24; i++)
		nonce[i] = (uint8_t)(0x40 + i);
	xchapoly_seal(sealed, key, nonce, ad, sizeof(ad), (const uint8_t *)text, sizeof(text) - 1);
	assert_hex(sealed + sizeof(text) - 1, 16, "c0875924c1c7987947deafd8780acf49");
	assert_true(xchapoly_open(opened, key, nonce, ad, sizeof(ad), sealed, sizeof(sealed)));
	assert_memory_equal(opened, text, sizeof(opened));
	sealed[0] ^= 1;
	assert_false(xchapoly_open(opened, key, nonce, ad, sizeof(ad), sealed, sizeof(sealed)));
	assert_memory_equal(opened, text, sizeof(opened));
}

static void test_sign(void **state)
{
	uint8_t seed[32], pub[32], secret[64], sig[64];

	(void)state;
	for (uint8_t i = 0; i < 32; i++)
		seed[i] = i;
	sign_key_from_seed(pub, secret, seed);
	assert_hex(pub, 32, "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
	assert_int_equal(sign_make(sig, secret, "domain one", "message", 7), 0);
	assert_hex(sig, 64,
		   "37b487d2bc1c436febe0ec7e9975a779a6fe387bd49f367453b566740d1bd6e6"
		   "220498cc0f901140ff447a209575d0e2e7dcaf281a14a63760fc49af5f6f450d");
	assert_true(sign_verify(sig, pub, "domain one", "message", 7));
	assert_false(sign_verify(sig, pub, "domain two", "message", 7));
	assert_false(sign_verify(sig, pub, "domain one", "messagf", 7));
	assert_false(sign_verify(sig, pub, "domain one", "message", 6));
	/* The border between domain and message is signed as well. */
	assert_false(sign_verify(sig, pub, "domain", " one\0message", 12));
}

static void test_sign_is_strict(void **state)
{
	/* The group order L, little-endian: s + L would verify as well without the check. */
	static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,
					   0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
					   0,    0,    0,    0,    0,    0,    0,    0,
					   0,    0,    0,    0,    0,    0,    0,    0x10 };
	struct rng rng = rng_system();
	uint8_t pub[32], secret[64], sig[64], zero_sig[64] = { 1 }, low_pub[32] = { 1 };
	unsigned int carry = 0;

	(void)state;
	sign_key_new(pub, secret, &rng);
	assert_int_equal(sign_make(sig, secret, "d", "m", 1), 0);
	for (int i = 0; i < 32; i++) {
		carry += (unsigned int)sig[32 + i] + order[i];
		sig[32 + i] = (uint8_t)carry;
		carry >>= 8;
	}
	assert_false(sign_verify(sig, pub, "d", "m", 1));
	/* The neutral element as key and R, s = 0: valid for every message without the check. */
	assert_false(sign_verify(zero_sig, low_pub, "d", "m", 1));
}

static void test_box(void **state)
{
	struct rng rng = rng_system();
	uint8_t a[32], b[32], pub_a[32], pub_b[32], box[5 + BOX_OVERHEAD], text[5] = { 0 };

	(void)state;
	dh_private_new(a, &rng);
	dh_private_new(b, &rng);
	dh_public(pub_a, a);
	dh_public(pub_b, b);
	assert_int_equal(box_seal(box, "hello", 5, pub_b, a, &rng), 0);
	assert_int_equal(box_open(text, box, sizeof(box), pub_a, b), 0);
	assert_memory_equal(text, "hello", 5);
	assert_int_equal(box_open(text, box, sizeof(box), pub_b, b), -EBADMSG);
	assert_int_equal(box_open(text, box, BOX_OVERHEAD - 1, pub_a, b), -EBADMSG);
	for (size_t i = 0; i < sizeof(box); i++) {
		box[i] ^= 1;
		assert_int_equal(box_open(text, box, sizeof(box), pub_a, b), -EBADMSG);
		box[i] ^= 1;
	}
	assert_int_equal(box_seal(box, "hello", 5, low_order[0], a, &rng), -EINVAL);
}

static void test_rng_seeded(void **state)
{
	struct rng_seeded one, two;
	struct rng a, b;
	uint8_t x[64], y[64];

	(void)state;
	rng_seeded_init(&one, 1);
	rng_seeded_init(&two, 1);
	a = rng_from_seeded(&one);
	b = rng_from_seeded(&two);
	rng_fill(&a, x, sizeof(x));
	rng_fill(&b, y, sizeof(y));
	assert_memory_equal(x, y, sizeof(x));
	rng_fill(&a, x, sizeof(x));
	assert_memory_not_equal(x, y, sizeof(x));
	for (int i = 0; i < 1000; i++)
		assert_true(rng_below(&a, 334) < 334);
	assert_int_equal(rng_below(&a, 1), 0);
	assert_int_equal(rng_below(&a, 0), 0);
}

static void test_secret(void **state)
{
	uint8_t *secret = secret_new(100);

	(void)state;
	assert_non_null(secret);
	for (int i = 0; i < 100; i++)
		assert_int_equal(secret[i], 0);
	secret_free(secret);
	secret_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hashes),
		cmocka_unit_test(test_hash_contexts_are_fresh),
		cmocka_unit_test(test_kdf),
		cmocka_unit_test(test_dh),
		cmocka_unit_test(test_dh_refuses_low_order),
		cmocka_unit_test(test_private_keys_are_clamped),
		cmocka_unit_test(test_chapoly),
		cmocka_unit_test(test_chapoly_refuses),
		cmocka_unit_test(test_xchapoly),
		cmocka_unit_test(test_sign),
		cmocka_unit_test(test_sign_is_strict),
		cmocka_unit_test(test_box),
		cmocka_unit_test(test_rng_seeded),
		cmocka_unit_test(test_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
