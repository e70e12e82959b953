#include "crypto/aead_backend.h"

#ifdef HAVE_BORINGSSL

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

/*
 * BoringSSL, whose ChaCha20 and Poly1305 go over the data together, as Debian packages it for
 * Android's tools. It is not linked with: nearly every symbol of it is one of OpenSSL's, too, so it
 * is loaded to find its own ones first and to be found by nobody. Where it is missing there is one
 * backend less. It comes without headers, hence these few declarations of openssl/aead.h.
 */
typedef int (*aead_call)(const void *ctx, uint8_t *out, size_t *out_len, size_t out_max,
			 const uint8_t *nonce, size_t nonce_len, const uint8_t *in, size_t in_len,
			 const uint8_t *ad, size_t ad_len);

static struct {
	const void *(*cipher)(void);
	void *(*ctx_new)(const void *cipher, const uint8_t *key, size_t key_len, size_t tag_len);
	void (*ctx_free)(void *ctx);
	aead_call seal;
	aead_call open;
} lib;

static void find(void *library, const char *name, void *function)
{
	void *symbol = dlsym(library, name);

	memcpy(function, &symbol, sizeof(symbol));
}

static void load(void)
{
	void *library = dlopen(HAVE_BORINGSSL, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);

	if (!library)
		return;
	find(library, "EVP_aead_chacha20_poly1305", &lib.cipher);
	find(library, "EVP_AEAD_CTX_new", &lib.ctx_new);
	find(library, "EVP_AEAD_CTX_free", &lib.ctx_free);
	find(library, "EVP_AEAD_CTX_seal", &lib.seal);
	find(library, "EVP_AEAD_CTX_open", &lib.open);
}

static bool boringssl_available(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	return lib.cipher && lib.ctx_new && lib.ctx_free && lib.seal && lib.open;
}

/* Nothing is kept between two runs; a context only needs something that is not NULL. */
static char no_state;

static void *boringssl_state_new(void)
{
	return &no_state;
}

static void boringssl_state_free(void *state)
{
	(void)state;
}

static void boringssl_seal(void *state, const uint8_t *key, struct aead_job *jobs, size_t count)
{
	void *ctx = lib.ctx_new(lib.cipher(), key, AEAD_KEY_SIZE, AEAD_TAG_SIZE);
	uint8_t nonce[AEAD_NONCE_SIZE];
	size_t len;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		struct aead_job *job = &jobs[i];

		aead_nonce(nonce, job->counter);
		/* Without memory nothing readable may leave, and nobody takes zeros for a packet.
		 */
		if (!ctx || !lib.seal(ctx, job->out, &len, job->len + AEAD_TAG_SIZE, nonce,
				      sizeof(nonce), job->in, job->len, NULL, 0))
			memset(job->out, 0, job->len + AEAD_TAG_SIZE);
	}
	lib.ctx_free(ctx);
}

static void boringssl_open(void *state, const uint8_t *key, struct aead_job *jobs, size_t count)
{
	void *ctx = lib.ctx_new(lib.cipher(), key, AEAD_KEY_SIZE, AEAD_TAG_SIZE);
	uint8_t nonce[AEAD_NONCE_SIZE];
	size_t len;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		struct aead_job *job = &jobs[i];

		aead_nonce(nonce, job->counter);
		job->authentic =
			ctx && lib.open(ctx, job->out, &len, job->len, nonce, sizeof(nonce),
					job->in, job->len + AEAD_TAG_SIZE, NULL, 0) == 1;
	}
	lib.ctx_free(ctx);
}

const struct aead_backend aead_backend_boringssl = {
	.name = "boringssl",
	.available = boringssl_available,
	.state_new = boringssl_state_new,
	.state_free = boringssl_state_free,
	.seal = boringssl_seal,
	.open = boringssl_open,
};

#endif
