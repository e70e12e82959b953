#ifndef WARREN_CRYPTO_CHAPOLY_H
#define WARREN_CRYPTO_CHAPOLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * ChaCha20-Poly1305 (RFC 8439) for single messages: handshakes, cookies, the control channel.
 * Bulk traffic goes through aead.h. Output and input may be the same buffer.
 */

#define CHAPOLY_KEY_SIZE    32
#define CHAPOLY_TAG_SIZE    16
#define CHAPOLY_XNONCE_SIZE 24

/* nonce is 32 zero bits, then the counter little-endian, as Noise and WireGuard have it. out gets
 * len + CHAPOLY_TAG_SIZE bytes. */
void chapoly_seal(uint8_t *out, const uint8_t key[static CHAPOLY_KEY_SIZE], uint64_t counter,
		  const void *ad, size_t ad_len, const uint8_t *in, size_t len);
/* len includes the tag. False when the tag is wrong or missing; out (len - tag bytes, may be NULL
 * for an empty message) is then untouched. */
bool chapoly_open(uint8_t *out, const uint8_t key[static CHAPOLY_KEY_SIZE], uint64_t counter,
		  const void *ad, size_t ad_len, const uint8_t *in, size_t len);

/* The same with XChaCha20 and a 24-byte nonce that may be random. */
void xchapoly_seal(uint8_t *out, const uint8_t key[static CHAPOLY_KEY_SIZE],
		   const uint8_t nonce[static CHAPOLY_XNONCE_SIZE], const void *ad, size_t ad_len,
		   const uint8_t *in, size_t len);
bool xchapoly_open(uint8_t *out, const uint8_t key[static CHAPOLY_KEY_SIZE],
		   const uint8_t nonce[static CHAPOLY_XNONCE_SIZE], const void *ad, size_t ad_len,
		   const uint8_t *in, size_t len);

#endif
