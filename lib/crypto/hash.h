#ifndef WARREN_CRYPTO_HASH_H
#define WARREN_CRYPTO_HASH_H

#include <stddef.h>
#include <stdint.h>

/*
 * Hashes and MACs through libcrypto. Algorithms are fetched once and every thread keeps its own
 * contexts, since looking them up costs more than hashing a handshake. There is no error to
 * return: a process in which libcrypto cannot hash aborts rather than derive a key from nothing.
 */

#define HASH_SIZE      32
#define HASH_MAC_SIZE  16
#define HASH_SHA1_SIZE 20

/* BLAKE2s-256 of a then b (b may be NULL with b_len 0). out may alias the inputs. */
void hash_blake2s(uint8_t out[static HASH_SIZE], const void *a, size_t a_len, const void *b,
		  size_t b_len);
/* BLAKE2b-256 (RFC 7693), which is the quicker one for long data. */
void hash_blake2b(uint8_t out[static HASH_SIZE], const void *data, size_t len);
/* BLAKE2s with a 16-byte result, keyed with 1 to 32 bytes (RFC 7693 section 2.9). */
void hash_mac16(uint8_t out[static HASH_MAC_SIZE], const void *key, size_t key_len,
		const void *data, size_t len);
/* HMAC (RFC 2104) over BLAKE2s-256. */
void hash_hmac_blake2s(uint8_t out[static HASH_SIZE], const void *key, size_t key_len,
		       const void *data, size_t len);
/*
 * The Noise KDF: HKDF (RFC 5869) with the chaining key as salt and empty info. out2 and out3 may
 * be NULL. The outputs may alias chaining_key, not each other.
 */
void hash_kdf(uint8_t out1[static HASH_SIZE], uint8_t *out2, uint8_t *out3,
	      const uint8_t chaining_key[static HASH_SIZE], const void *input, size_t len);
/* HMAC-SHA1, for STUN's MESSAGE-INTEGRITY and the relay credentials only. */
void hash_hmac_sha1(uint8_t out[static HASH_SHA1_SIZE], const void *key, size_t key_len,
		    const void *data, size_t len);

#endif
