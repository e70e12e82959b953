#ifndef WARREN_CRYPTO_DH_H
#define WARREN_CRYPTO_DH_H

#include <stdint.h>

struct rng;

#define DH_KEY_SIZE 32

/* A fresh X25519 private key, clamped (RFC 7748 section 5). */
void dh_private_new(uint8_t priv[static DH_KEY_SIZE], const struct rng *rng);
/* Clamps a private key that came from elsewhere, in place. */
void dh_private_clamp(uint8_t priv[static DH_KEY_SIZE]);
void dh_public(uint8_t pub[static DH_KEY_SIZE], const uint8_t priv[static DH_KEY_SIZE]);
/*
 * The shared secret. -EINVAL when it would be all zero, which a public point of low order brings
 * about; shared is then untouched. shared is the caller's to wipe.
 */
int dh_shared(uint8_t shared[static DH_KEY_SIZE], const uint8_t priv[static DH_KEY_SIZE],
	      const uint8_t pub[static DH_KEY_SIZE]);

#endif
