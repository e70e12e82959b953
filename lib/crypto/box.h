#ifndef WARREN_CRYPTO_BOX_H
#define WARREN_CRYPTO_BOX_H

#include <stddef.h>
#include <stdint.h>

struct rng;

/*
 * Authenticated boxes between two X25519 keys (libsodium's crypto_box): a random 24-byte nonce,
 * then tag and ciphertext.
 */

#define BOX_KEY_SIZE 32
#define BOX_OVERHEAD 40 /* nonce 24, tag 16 */

/* out gets len + BOX_OVERHEAD bytes, and must not overlap msg. 0, or -EINVAL for a bad key. */
int box_seal(uint8_t *out, const void *msg, size_t len, const uint8_t to_pub[static BOX_KEY_SIZE],
	     const uint8_t from_priv[static BOX_KEY_SIZE], const struct rng *rng);
/* out gets len - BOX_OVERHEAD bytes, and must not overlap box. 0, or -EBADMSG. */
int box_open(uint8_t *out, const uint8_t *box, size_t len,
	     const uint8_t from_pub[static BOX_KEY_SIZE],
	     const uint8_t to_priv[static BOX_KEY_SIZE]);

#endif
