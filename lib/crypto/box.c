#include "crypto/box.h"

#include <errno.h>
#include <sodium.h>

#include "crypto/rng.h"

_Static_assert(BOX_OVERHEAD == crypto_box_NONCEBYTES + crypto_box_MACBYTES, "box layout");

int box_seal(uint8_t *out, const void *msg, size_t len, const uint8_t to_pub[static BOX_KEY_SIZE],
	     const uint8_t from_priv[static BOX_KEY_SIZE], const struct rng *rng)
{
	uint8_t *nonce = out;
	uint8_t shared[crypto_box_BEFORENMBYTES];

	if (crypto_box_beforenm(shared, to_pub, from_priv))
		return -EINVAL;
	rng_fill(rng, nonce, crypto_box_NONCEBYTES);
	crypto_box_easy_afternm(out + crypto_box_NONCEBYTES, msg, len, nonce, shared);
	sodium_memzero(shared, sizeof(shared));
	return 0;
}

int box_open(uint8_t *out, const uint8_t *box, size_t len,
	     const uint8_t from_pub[static BOX_KEY_SIZE],
	     const uint8_t to_priv[static BOX_KEY_SIZE])
{
	if (len < BOX_OVERHEAD)
		return -EBADMSG;
	/* The tag is checked before a byte of out is written. */
	if (crypto_box_open_easy(out, box + crypto_box_NONCEBYTES, len - crypto_box_NONCEBYTES, box,
				 from_pub, to_priv))
		return -EBADMSG;
	return 0;
}
