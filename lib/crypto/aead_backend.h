#ifndef WARREN_CRYPTO_AEAD_BACKEND_H
#define WARREN_CRYPTO_AEAD_BACKEND_H

#include "crypto/aead.h"

/* What a library under aead.h offers. state is the backend's own, one a context. */
struct aead_backend {
	const char *name;
	bool (*available)(void);  /* NULL: always; otherwise it may not be installed */
	void *(*state_new)(void); /* NULL: out of memory, or the processor lacks something */
	void (*state_free)(void *state);
	void (*seal)(void *state, const uint8_t *key, struct aead_job *jobs, size_t count);
	void (*open)(void *state, const uint8_t *key, struct aead_job *jobs, size_t count);
};

#define AEAD_NONCE_SIZE 12

/* Four zero bytes, then the counter little-endian (WireGuard paper, 5.4.6). */
void aead_nonce(uint8_t nonce[static AEAD_NONCE_SIZE], uint64_t counter);

extern const struct aead_backend aead_backend_ipsec_mb;
extern const struct aead_backend aead_backend_boringssl;
extern const struct aead_backend aead_backend_libcrypto;
extern const struct aead_backend aead_backend_libsodium;

#endif
