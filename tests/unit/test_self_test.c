#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "crypto/aead_backend.h"
#include "crypto/self_test.h"
#include "daemon/self_test.h"

/*
 * Stands in for the real libcrypto backend in this program: libsodium's work with one fault. The
 * linker takes this definition, so that everything above it sees a library that is broken.
 */
enum fault {
	FAULT_NONE,
	FAULT_STATE,      /* cannot be used here */
	FAULT_ANY,        /* a bit of every ciphertext */
	FAULT_ONE_LENGTH, /* only packets of 17 bytes */
	FAULT_LAST,       /* the last of a batch */
	FAULT_IN_PLACE,   /* when out is in */
	FAULT_COUNTER,    /* takes the low half of it */
	FAULT_OPENED,     /* opens to something else */
	FAULT_ANY_TAG,    /* accepts what is forged */
	FAULT_NO_TAG,     /* accepts nothing */
	FAULTS,
};

static enum fault fault = FAULT_ONE_LENGTH;

static void *broken_new(void)
{
	return fault == FAULT_STATE ? NULL : aead_backend_libsodium.state_new();
}

static void broken_free(void *state)
{
	aead_backend_libsodium.state_free(state);
}

static bool strikes(const struct aead_job *job, bool last, bool in_place)
{
	return fault == FAULT_ANY || (fault == FAULT_ONE_LENGTH && job->len == 17) ||
	       (fault == FAULT_LAST && last) || (fault == FAULT_IN_PLACE && in_place);
}

static void broken_seal(void *state, const uint8_t *key, struct aead_job *jobs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct aead_job job = jobs[i];

		if (fault == FAULT_COUNTER)
			job.counter = (uint32_t)job.counter;
		aead_backend_libsodium.seal(state, key, &job, 1);
		/* A tag is always there to be damaged. */
		if (strikes(&jobs[i], count > 1 && i + 1 == count, job.in == job.out))
			job.out[job.len] ^= 0x10;
	}
}

static void broken_open(void *state, const uint8_t *key, struct aead_job *jobs, size_t count)
{
	aead_backend_libsodium.open(state, key, jobs, count);
	for (size_t i = 0; i < count; i++) {
		if (fault == FAULT_OPENED && jobs[i].authentic && jobs[i].len)
			jobs[i].out[jobs[i].len - 1] ^= 1;
		if (fault == FAULT_ANY_TAG)
			jobs[i].authentic = true;
		if (fault == FAULT_NO_TAG)
			jobs[i].authentic = false;
	}
}

const struct aead_backend aead_backend_libcrypto = {
	.name = "libcrypto",
	.state_new = broken_new,
	.state_free = broken_free,
	.seal = broken_seal,
	.open = broken_open,
};

static void test_every_fault_is_found(void **state)
{
	(void)state;
	for (fault = FAULT_NONE; fault < FAULTS; fault++) {
		bool ok = self_test_aead(&aead_backend_libcrypto, &aead_backend_libsodium);

		if (ok != (fault == FAULT_NONE))
			fail_msg("fault %d: %s", (int)fault, ok ? "not found" : "found");
	}
	fault = FAULT_ONE_LENGTH;
}

/* The known answer alone finds what strikes everywhere. */
static void test_the_known_answer(void **state)
{
	(void)state;
	assert_true(self_test_aead(&aead_backend_libsodium, NULL));
	fault = FAULT_ANY;
	assert_false(self_test_aead(&aead_backend_libcrypto, NULL));
	fault = FAULT_ONE_LENGTH;
	assert_true(self_test_aead(&aead_backend_libcrypto, NULL));
}

/* A reference that is wrong itself vouches for nobody. */
static void test_a_wrong_reference(void **state)
{
	(void)state;
	fault = FAULT_ANY;
	assert_false(self_test_aead(&aead_backend_libsodium, &aead_backend_libcrypto));
	fault = FAULT_STATE;
	assert_false(self_test_aead(&aead_backend_libsodium, &aead_backend_libcrypto));
	fault = FAULT_ONE_LENGTH;
}

static void test_a_broken_backend_is_not_used(void **state)
{
	struct aead *aead = NULL;

	(void)state;
	assert_false(aead_works("libcrypto"));
	assert_int_equal(aead_new(&aead, "libcrypto"), -EIO);
	assert_null(aead);
	assert_int_equal(aead_measure("libcrypto", 1000, clock_now_ns), 0);
	assert_true(aead_works("libsodium"));
	assert_string_not_equal(aead_fastest(1000, clock_now_ns), "libcrypto");
	/* The verdict stands. */
	fault = FAULT_NONE;
	assert_false(aead_works("libcrypto"));
}

/* What the daemon says of it, in its log, its health and to who asks. */
static void test_the_daemon_says_so(void **state)
{
	char broken[64], *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	const char *line;

	(void)state;
	assert_int_equal(self_test_broken_ciphers(broken, sizeof(broken)), 1);
	assert_string_equal(broken, "libcrypto");
	assert_true(self_test_start());
	assert_int_equal(self_test_print(out), 1);
	fclose(out);
	assert_non_null(strstr(text, "x25519                       ok\n"));
	assert_non_null(strstr(text, "cipher libcrypto             FAILED\n"));
	line = strstr(text, "cipher libsodium             ok      ");
	assert_non_null(line);
	assert_non_null(strstr(line, " GB/s"));
	assert_non_null(strstr(text, "  chosen\n"));
	free(text);
}

static void test_primitives(void **state)
{
	size_t count = 0;

	(void)state;
	for (; self_test_name(count); count++) {
		if (!self_test_run(count))
			fail_msg("%s", self_test_name(count));
	}
	assert_int_equal(count, 7);
	assert_false(self_test_run(count));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_fault_is_found),
		cmocka_unit_test(test_the_known_answer),
		cmocka_unit_test(test_a_wrong_reference),
		cmocka_unit_test(test_a_broken_backend_is_not_used),
		cmocka_unit_test(test_the_daemon_says_so),
		cmocka_unit_test(test_primitives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
