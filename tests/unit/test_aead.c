#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "crypto/aead.h"
#include "tests/support/packet.h"

#define JOBS        70 /* more than one burst of any backend */
#define PACKET_SIZE 1500
#define STRIDE      (PACKET_SIZE + AEAD_TAG_SIZE)

/* What all backends must agree with, one packet at a time. */
static void reference_seal(uint8_t *out, const uint8_t *in, size_t len, uint64_t counter,
			   const uint8_t *key)
{
	uint8_t nonce[12] = { 0 };
	unsigned long long out_len;

	for (int i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(counter >> (8 * i));
	crypto_aead_chacha20poly1305_ietf_encrypt(out, &out_len, in, len, NULL, 0, NULL, nonce,
						  key);
}

static void backend_agrees(const char *name)
{
	uint8_t *plain = calloc(JOBS, STRIDE);
	uint8_t *work = calloc(JOBS, STRIDE);
	uint8_t expected[STRIDE];
	struct aead_job jobs[JOBS];
	uint8_t key[AEAD_KEY_SIZE];
	uint32_t seed = 1;
	struct aead *aead;

	assert_int_equal(aead_new(&aead, name), 0);
	assert_string_equal(aead_name(aead), name);
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)packet_random(&seed);
	for (size_t i = 0; i < JOBS; i++) {
		/* Also nothing at all: a keepalive. */
		size_t len = i < 3 ? i * 16 : packet_random(&seed) % PACKET_SIZE;

		for (size_t k = 0; k < len; k++)
			plain[i * STRIDE + k] = (uint8_t)packet_random(&seed);
		memcpy(work + i * STRIDE, plain + i * STRIDE, len);
		jobs[i] = (struct aead_job){ .in = work + i * STRIDE,
					     .out = work + i * STRIDE,
					     .len = len,
					     .counter = (uint64_t)packet_random(&seed) << 40 | i };
	}
	aead_seal(aead, key, jobs, JOBS);
	for (size_t i = 0; i < JOBS; i++) {
		reference_seal(expected, plain + i * STRIDE, jobs[i].len, jobs[i].counter, key);
		assert_memory_equal(work + i * STRIDE, expected, jobs[i].len + AEAD_TAG_SIZE);
	}
	/* Every third is damaged somewhere. */
	for (size_t i = 0; i < JOBS; i += 3)
		work[i * STRIDE + packet_random(&seed) % (jobs[i].len + AEAD_TAG_SIZE)] ^= 0x40;
	aead_open(aead, key, jobs, JOBS);
	for (size_t i = 0; i < JOBS; i++) {
		assert_int_equal(jobs[i].authentic, i % 3 != 0);
		if (jobs[i].authentic)
			assert_memory_equal(work + i * STRIDE, plain + i * STRIDE, jobs[i].len);
	}
	aead_free(aead);
	free(plain);
	free(work);
}

static void test_backends_agree(void **state)
{
	(void)state;
	for (size_t i = 0; aead_backend_name(i); i++)
		backend_agrees(aead_backend_name(i));
}

static void test_wrong_counter_or_key_is_refused(void **state)
{
	uint8_t key[AEAD_KEY_SIZE] = { 1 };
	uint8_t data[64 + AEAD_TAG_SIZE] = { 0 };
	uint8_t out[64 + AEAD_TAG_SIZE];

	(void)state;
	for (size_t i = 0; aead_backend_name(i); i++) {
		struct aead_job job = { .in = data, .out = data, .len = 64, .counter = 5 };
		struct aead *aead;

		assert_int_equal(aead_new(&aead, aead_backend_name(i)), 0);
		memset(data, 0, sizeof(data));
		aead_seal(aead, key, &job, 1);
		job.out = out;
		job.counter = 5 | 1ULL << 32; /* not a 32-bit counter */
		aead_open(aead, key, &job, 1);
		assert_false(job.authentic);
		job.counter = 5;
		key[31] ^= 1;
		aead_open(aead, key, &job, 1);
		assert_false(job.authentic);
		key[31] ^= 1;
		aead_open(aead, key, &job, 1);
		assert_true(job.authentic);
		aead_free(aead);
	}
}

static void test_names(void **state)
{
	struct aead *aead = NULL;
	bool has_libsodium = false;

	(void)state;
	for (size_t i = 0; aead_backend_name(i); i++)
		has_libsodium |= !strcmp(aead_backend_name(i), "libsodium");
	assert_true(has_libsodium);
	assert_int_equal(aead_new(&aead, "rot13"), -EINVAL);
	assert_null(aead);
	assert_int_equal(aead_measure("rot13", 1000, clock_now_ns), 0);
	assert_false(aead_works("rot13"));
	aead_free(NULL);
}

static void test_all_work(void **state)
{
	(void)state;
	for (size_t i = 0; aead_backend_name(i); i++)
		assert_true(aead_works(aead_backend_name(i)));
}

static void test_the_fastest_is_chosen_by_time(void **state)
{
	const char *fastest = aead_fastest(100000, clock_now_ns);
	struct aead *aead;

	(void)state;
	assert_non_null(fastest);
	assert_int_equal(aead_new(&aead, fastest), 0);
	aead_free(aead);
	assert_true(aead_measure(fastest, 100000, clock_now_ns) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backends_agree),
		cmocka_unit_test(test_wrong_counter_or_key_is_refused),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_all_work),
		cmocka_unit_test(test_the_fastest_is_chosen_by_time),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
