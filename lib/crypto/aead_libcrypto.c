#include "crypto/aead_backend.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>

/* Contexts are made once: making one a packet costs as much as a short packet's cipher. */
struct libcrypto_state {
	EVP_CIPHER_CTX *seal;
	EVP_CIPHER_CTX *open;
};

static void libcrypto_state_free(void *arg)
{
	struct libcrypto_state *state = arg;

	if (!state)
		return;
	EVP_CIPHER_CTX_free(state->seal);
	EVP_CIPHER_CTX_free(state->open);
	free(state);
}

static void *libcrypto_state_new(void)
{
	struct libcrypto_state *state = calloc(1, sizeof(*state));
	const EVP_CIPHER *cipher = EVP_chacha20_poly1305();

	if (!state)
		return NULL;
	state->seal = EVP_CIPHER_CTX_new();
	state->open = EVP_CIPHER_CTX_new();
	if (!state->seal || !state->open ||
	    !EVP_EncryptInit_ex(state->seal, cipher, NULL, NULL, NULL) ||
	    !EVP_DecryptInit_ex(state->open, cipher, NULL, NULL, NULL)) {
		libcrypto_state_free(state);
		return NULL;
	}
	return state;
}

/* A context outlives the keypairs it served, and would keep the last one's key. */
static const uint8_t no_key[AEAD_KEY_SIZE];

/* Tags pass as parameters: the older control calls only build the same ones, at a cost a packet. */
static void libcrypto_seal(void *arg, const uint8_t *key, struct aead_job *jobs, size_t count)
{
	EVP_CIPHER_CTX *ctx = ((struct libcrypto_state *)arg)->seal;
	uint8_t nonce[AEAD_NONCE_SIZE];
	int len;

	EVP_EncryptInit_ex2(ctx, NULL, key, NULL, NULL);
	for (size_t i = 0; i < count; i++) {
		struct aead_job *job = &jobs[i];
		OSSL_PARAM tag[] = {
			OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, job->out + job->len,
						AEAD_TAG_SIZE),
			OSSL_PARAM_END,
		};

		aead_nonce(nonce, job->counter);
		EVP_EncryptInit_ex2(ctx, NULL, NULL, nonce, NULL);
		/* An empty update would be taken for a NULL one. */
		if (job->len)
			EVP_EncryptUpdate(ctx, job->out, &len, job->in, (int)job->len);
		EVP_EncryptFinal_ex(ctx, job->out + job->len, &len);
		EVP_CIPHER_CTX_get_params(ctx, tag);
	}
	EVP_EncryptInit_ex2(ctx, NULL, no_key, NULL, NULL);
}

static void libcrypto_open(void *arg, const uint8_t *key, struct aead_job *jobs, size_t count)
{
	EVP_CIPHER_CTX *ctx = ((struct libcrypto_state *)arg)->open;
	uint8_t nonce[AEAD_NONCE_SIZE];
	int len;

	EVP_DecryptInit_ex2(ctx, NULL, key, NULL, NULL);
	for (size_t i = 0; i < count; i++) {
		struct aead_job *job = &jobs[i];
		OSSL_PARAM tag[] = {
			OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG,
						(void *)(job->in + job->len), AEAD_TAG_SIZE),
			OSSL_PARAM_END,
		};

		aead_nonce(nonce, job->counter);
		job->authentic = EVP_DecryptInit_ex2(ctx, NULL, NULL, nonce, tag) == 1 &&
				 (!job->len || EVP_DecryptUpdate(ctx, job->out, &len, job->in,
								 (int)job->len) == 1) &&
				 EVP_DecryptFinal_ex(ctx, job->out + job->len, &len) == 1;
	}
	EVP_DecryptInit_ex2(ctx, NULL, no_key, NULL, NULL);
}

const struct aead_backend aead_backend_libcrypto = {
	.name = "libcrypto",
	.state_new = libcrypto_state_new,
	.state_free = libcrypto_state_free,
	.seal = libcrypto_seal,
	.open = libcrypto_open,
};
