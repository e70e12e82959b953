#ifndef WARREN_CRYPTO_AEAD_H
#define WARREN_CRYPTO_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Bulk ChaCha20-Poly1305 (RFC 8439) for transport data: many packets, one key, no associated data,
 * a nonce of four zero bytes and the counter little-endian. A backend of the machine's libraries
 * does the work; which one is fastest differs from processor to processor, so it is measured.
 * A context belongs to one thread.
 */
struct aead;

#define AEAD_KEY_SIZE 32
#define AEAD_TAG_SIZE 16

struct aead_job {
	const uint8_t *in;
	uint8_t *out; /* may be `in`; no other overlap */
	size_t len;   /* of the plaintext; the sealed side has AEAD_TAG_SIZE more */
	uint64_t counter;
	bool authentic; /* set by open; false leaves garbage or the ciphertext in out */
};

/* The backends that this machine has, best guess first: index 0, 1, … until NULL. */
const char *aead_backend_name(size_t index);

/*
 * Whether the backend passes its self-test (self_test.h) on this machine; tested when first asked
 * for, by this or any other function here. False for an unknown name.
 */
bool aead_works(const char *name);

/*
 * 0, -EINVAL for an unknown name, -ENOMEM, or -EIO when the backend does not work here. Wiped and
 * freed by aead_free, which accepts NULL.
 */
int aead_new(struct aead **aead, const char *name);
void aead_free(struct aead *aead);
const char *aead_name(const struct aead *aead);

void aead_seal(struct aead *aead, const uint8_t key[static AEAD_KEY_SIZE], struct aead_job *jobs,
	       size_t count);
/* Sets authentic of every job. */
void aead_open(struct aead *aead, const uint8_t key[static AEAD_KEY_SIZE], struct aead_job *jobs,
	       size_t count);

/*
 * Bytes a second that one thread seals and opens with the backend, timed on packets of full size
 * for about budget_ns; 0 when it is unknown or does not work. clock_ns never goes back.
 */
uint64_t aead_measure(const char *name, uint64_t budget_ns, uint64_t (*clock_ns)(void));
/*
 * The name of the backend that measures best, each for about budget_ns; of several that are nearly
 * equal the first, so that the choice is the same from run to run. NULL when none works.
 */
#define AEAD_CHOICE_NS 4000000ULL /* what a start spends on each */
const char *aead_fastest(uint64_t budget_ns, uint64_t (*clock_ns)(void));

#endif
