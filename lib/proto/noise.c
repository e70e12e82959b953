#include "proto/noise.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

void noise_init(struct noise_state *noise, const char *protocol)
{
	size_t len = strlen(protocol);

	memset(noise, 0, sizeof(*noise));
	/* Section 5.2: a name that fits is padded with zeros, a longer one hashed. */
	if (len <= HASH_SIZE)
		memcpy(noise->hash, protocol, len);
	else
		hash_blake2s(noise->hash, protocol, len, NULL, 0);
	memcpy(noise->chaining_key, noise->hash, HASH_SIZE);
}

void noise_clear(struct noise_state *noise)
{
	sodium_memzero(noise, sizeof(*noise));
}

void noise_mix_hash(struct noise_state *noise, const void *data, size_t len)
{
	hash_blake2s(noise->hash, noise->hash, HASH_SIZE, data, len);
}

static void cipher_start(struct noise_state *noise)
{
	noise->cipher.nonce = 0;
	noise->has_key = true;
}

void noise_mix_key(struct noise_state *noise, const uint8_t input[static 32])
{
	hash_kdf(noise->chaining_key, noise->cipher.key, NULL, noise->chaining_key, input, 32);
	cipher_start(noise);
}

int noise_mix_dh(struct noise_state *noise, const uint8_t priv[static DH_KEY_SIZE],
		 const uint8_t pub[static DH_KEY_SIZE])
{
	uint8_t shared[DH_KEY_SIZE];
	int ret = dh_shared(shared, priv, pub);

	if (ret < 0)
		return ret;
	noise_mix_key(noise, shared);
	sodium_memzero(shared, sizeof(shared));
	return 0;
}

void noise_mix_psk(struct noise_state *noise, const uint8_t psk[static 32])
{
	uint8_t temp[HASH_SIZE];

	hash_kdf(noise->chaining_key, temp, noise->cipher.key, noise->chaining_key, psk, 32);
	noise_mix_hash(noise, temp, sizeof(temp));
	sodium_memzero(temp, sizeof(temp));
	cipher_start(noise);
}

void noise_encrypt_and_hash(struct noise_state *noise, uint8_t *out, const uint8_t *in, size_t len)
{
	size_t sealed = len;

	if (noise->has_key) {
		chapoly_seal(out, noise->cipher.key, noise->cipher.nonce++, noise->hash, HASH_SIZE,
			     in, len);
		sealed += CHAPOLY_TAG_SIZE;
	} else if (len) {
		memmove(out, in, len);
	}
	noise_mix_hash(noise, out, sealed);
}

bool noise_decrypt_and_hash(struct noise_state *noise, uint8_t *out, const uint8_t *in, size_t len)
{
	uint8_t next_hash[HASH_SIZE];

	/* The hash covers the ciphertext, which opening in place would overwrite. */
	hash_blake2s(next_hash, noise->hash, HASH_SIZE, in, len);
	if (noise->has_key) {
		if (!chapoly_open(out, noise->cipher.key, noise->cipher.nonce, noise->hash,
				  HASH_SIZE, in, len))
			return false;
		noise->cipher.nonce++;
	} else if (len) {
		memmove(out, in, len);
	}
	memcpy(noise->hash, next_hash, HASH_SIZE);
	return true;
}

void noise_split(struct noise_state *noise, uint8_t first[static 32], uint8_t second[static 32])
{
	hash_kdf(first, second, NULL, noise->chaining_key, NULL, 0);
	noise_clear(noise);
}

int noise_cipher_seal(struct noise_cipher *cipher, uint8_t *out, const void *ad, size_t ad_len,
		      const uint8_t *in, size_t len)
{
	if (cipher->nonce == NOISE_NONCE_LIMIT)
		return -EOVERFLOW;
	chapoly_seal(out, cipher->key, cipher->nonce++, ad, ad_len, in, len);
	return 0;
}

int noise_cipher_open(struct noise_cipher *cipher, uint8_t *out, const void *ad, size_t ad_len,
		      const uint8_t *in, size_t len)
{
	if (cipher->nonce == NOISE_NONCE_LIMIT)
		return -EOVERFLOW;
	if (!chapoly_open(out, cipher->key, cipher->nonce, ad, ad_len, in, len))
		return -EBADMSG;
	cipher->nonce++;
	return 0;
}
