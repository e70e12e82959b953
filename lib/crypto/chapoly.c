#include "crypto/chapoly.h"

#include <sodium.h>
#include <string.h>

#include "base/buf.h"

static void counter_nonce(uint8_t nonce[static 12], uint64_t counter)
{
	memset(nonce, 0, 4);
	store_le64(nonce + 4, counter);
}

void chapoly_seal(uint8_t *out, const uint8_t key[static CHAPOLY_KEY_SIZE], uint64_t counter,
		  const void *ad, size_t ad_len, const uint8_t *in, size_t len)
{
	uint8_t nonce[12];

	counter_nonce(nonce, counter);
	crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, in, len, ad, ad_len, NULL, nonce, key);
}

bool chapoly_open(uint8_t *out, const uint8_t key[static CHAPOLY_KEY_SIZE], uint64_t counter,
		  const void *ad, size_t ad_len, const uint8_t *in, size_t len)
{
	uint8_t nonce[12];

	if (len < CHAPOLY_TAG_SIZE)
		return false;
	counter_nonce(nonce, counter);
	/* First the tag alone: libsodium zeroes the output when it does not match. */
	if (crypto_aead_chacha20poly1305_ietf_decrypt(NULL, NULL, NULL, in, len, ad, ad_len, nonce,
						      key))
		return false;
	if (out && len > CHAPOLY_TAG_SIZE)
		crypto_stream_chacha20_ietf_xor_ic(out, in, len - CHAPOLY_TAG_SIZE, nonce, 1, key);
	return true;
}

void xchapoly_seal(uint8_t *out, const uint8_t key[static CHAPOLY_KEY_SIZE],
		   const uint8_t nonce[static CHAPOLY_XNONCE_SIZE], const void *ad, size_t ad_len,
		   const uint8_t *in, size_t len)
{
	crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, in, len, ad, ad_len, NULL, nonce,
						   key);
}

bool xchapoly_open(uint8_t *out, const uint8_t key[static CHAPOLY_KEY_SIZE],
		   const uint8_t nonce[static CHAPOLY_XNONCE_SIZE], const void *ad, size_t ad_len,
		   const uint8_t *in, size_t len)
{
	if (len < CHAPOLY_TAG_SIZE)
		return false;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(NULL, NULL, NULL, in, len, ad, ad_len, nonce,
						       key))
		return false;
	if (out && len > CHAPOLY_TAG_SIZE)
		crypto_stream_xchacha20_xor_ic(out, in, len - CHAPOLY_TAG_SIZE, nonce, 1, key);
	return true;
}
