#ifndef WARREN_CRYPTO_SIGN_H
#define WARREN_CRYPTO_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rng;

/* Ed25519 (RFC 8032) with a domain, so that a signature made for one purpose serves no other. */

#define SIGN_PUBLIC_SIZE 32
#define SIGN_SECRET_SIZE 64 /* seed, then public key */
#define SIGN_SEED_SIZE   32
#define SIGN_SIZE        64

void sign_key_new(uint8_t pub[static SIGN_PUBLIC_SIZE], uint8_t secret[static SIGN_SECRET_SIZE],
		  const struct rng *rng);
void sign_key_from_seed(uint8_t pub[static SIGN_PUBLIC_SIZE],
			uint8_t secret[static SIGN_SECRET_SIZE],
			const uint8_t seed[static SIGN_SEED_SIZE]);
/*
 * Signs domain, a zero byte, then the message. domain is a constant text such as "warren
 * certificate 1". 0 or -ENOMEM.
 */
int sign_make(uint8_t sig[static SIGN_SIZE], const uint8_t secret[static SIGN_SECRET_SIZE],
	      const char *domain, const void *msg, size_t len);
/* Strict: no non-canonical encodings, no keys of low order. False also when out of memory. */
bool sign_verify(const uint8_t sig[static SIGN_SIZE], const uint8_t pub[static SIGN_PUBLIC_SIZE],
		 const char *domain, const void *msg, size_t len);

#endif
