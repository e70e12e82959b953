#ifndef WARREN_PROTO_NOISE_H
#define WARREN_PROTO_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/chapoly.h"
#include "crypto/dh.h"
#include "crypto/hash.h"

/*
 * The symmetric and cipher states of the Noise protocol framework (revision 34, sections 5.1 and
 * 5.2) for 25519, ChaChaPoly and BLAKE2s. WireGuard's IKpsk2 and the control channel's IK are both
 * sequences of these calls. Embedded in their owner, who wipes them with the clear functions.
 */
struct noise_cipher {
	uint8_t key[CHAPOLY_KEY_SIZE];
	uint64_t nonce;
};

/* The last nonce is reserved (section 5.1): then every call fails. */
#define NOISE_NONCE_LIMIT UINT64_MAX
#define NOISE_MESSAGE_MAX 65535

struct noise_state {
	uint8_t chaining_key[HASH_SIZE];
	uint8_t hash[HASH_SIZE];
	struct noise_cipher cipher;
	bool has_key;
};

/* Starts with a protocol name of any length. */
void noise_init(struct noise_state *noise, const char *protocol);
/* Wipes. */
void noise_clear(struct noise_state *noise);

void noise_mix_hash(struct noise_state *noise, const void *data, size_t len);
void noise_mix_key(struct noise_state *noise, const uint8_t input[static 32]);
/* MixKey with the DH of the two keys; -EINVAL when that is all zero, state then unchanged. */
int noise_mix_dh(struct noise_state *noise, const uint8_t priv[static DH_KEY_SIZE],
		 const uint8_t pub[static DH_KEY_SIZE]);
/* MixKeyAndHash with a preshared key. */
void noise_mix_psk(struct noise_state *noise, const uint8_t psk[static 32]);
/* Under a key out gets len + CHAPOLY_TAG_SIZE bytes, else len; in may be NULL when len is 0. */
void noise_encrypt_and_hash(struct noise_state *noise, uint8_t *out, const uint8_t *in, size_t len);
/* False: not authentic, and nothing changed. len counts the tag; out may be NULL when it is only
 * that. */
bool noise_decrypt_and_hash(struct noise_state *noise, uint8_t *out, const uint8_t *in, size_t len);
/* Ends the handshake: first serves initiator to responder. Wipes the state. */
void noise_split(struct noise_state *noise, uint8_t first[static 32], uint8_t second[static 32]);

/* Transport messages (section 5.1). -EBADMSG, or -EOVERFLOW when the key is used up. */
int noise_cipher_seal(struct noise_cipher *cipher, uint8_t *out, const void *ad, size_t ad_len,
		      const uint8_t *in, size_t len);
/* A failure leaves the nonce where it was. */
int noise_cipher_open(struct noise_cipher *cipher, uint8_t *out, const void *ad, size_t ad_len,
		      const uint8_t *in, size_t len);

#endif
