#include "crypto/dh.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "crypto/rng.h"

void dh_private_clamp(uint8_t priv[static DH_KEY_SIZE])
{
	priv[0] &= 248;
	priv[31] = (uint8_t)((priv[31] & 127) | 64);
}

void dh_private_new(uint8_t priv[static DH_KEY_SIZE], const struct rng *rng)
{
	rng_fill(rng, priv, DH_KEY_SIZE);
	dh_private_clamp(priv);
}

void dh_public(uint8_t pub[static DH_KEY_SIZE], const uint8_t priv[static DH_KEY_SIZE])
{
	/* Cannot fail: the base point has full order. */
	(void)!crypto_scalarmult_base(pub, priv);
}

int dh_shared(uint8_t shared[static DH_KEY_SIZE], const uint8_t priv[static DH_KEY_SIZE],
	      const uint8_t pub[static DH_KEY_SIZE])
{
	uint8_t out[DH_KEY_SIZE];
	int ret = 0;

	if (crypto_scalarmult(out, priv, pub) || sodium_is_zero(out, sizeof(out)))
		ret = -EINVAL;
	else
		memcpy(shared, out, sizeof(out));
	sodium_memzero(out, sizeof(out));
	return ret;
}
