#include "crypto/aead_backend.h"

#include <sodium.h>

/* libsodium keeps no state; a context only needs something that is not NULL. */
static char no_state;

static void *sodium_state_new(void)
{
	return sodium_init() < 0 ? NULL : &no_state;
}

static void sodium_state_free(void *state)
{
	(void)state;
}

static void sodium_seal(void *state, const uint8_t *key, struct aead_job *jobs, size_t count)
{
	uint8_t nonce[AEAD_NONCE_SIZE];

	(void)state;
	for (size_t i = 0; i < count; i++) {
		aead_nonce(nonce, jobs[i].counter);
		crypto_aead_chacha20poly1305_ietf_encrypt_detached(jobs[i].out,
								   jobs[i].out + jobs[i].len, NULL,
								   jobs[i].in, jobs[i].len, NULL, 0,
								   NULL, nonce, key);
	}
}

static void sodium_open(void *state, const uint8_t *key, struct aead_job *jobs, size_t count)
{
	uint8_t nonce[AEAD_NONCE_SIZE];

	(void)state;
	for (size_t i = 0; i < count; i++) {
		aead_nonce(nonce, jobs[i].counter);
		jobs[i].authentic = crypto_aead_chacha20poly1305_ietf_decrypt_detached(
					    jobs[i].out, NULL, jobs[i].in, jobs[i].len,
					    jobs[i].in + jobs[i].len, NULL, 0, nonce, key) == 0;
	}
}

const struct aead_backend aead_backend_libsodium = {
	.name = "libsodium",
	.state_new = sodium_state_new,
	.state_free = sodium_state_free,
	.seal = sodium_seal,
	.open = sodium_open,
};
