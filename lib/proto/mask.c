#include "proto/mask.h"

#include "crypto/rng.h"

void mask_apply(uint8_t *out, const uint8_t *data, size_t len, const struct rng *rng)
{
	rng_fill(rng, out, MASK_OVERHEAD);
	out[0] |= 0x80;
	for (size_t i = 0; i < len; i++)
		out[MASK_OVERHEAD + i] = data[i] ^ out[i % MASK_OVERHEAD];
}

void mask_remove(uint8_t *data, size_t len)
{
	for (size_t i = MASK_OVERHEAD; i < len; i++)
		data[i] ^= data[i % MASK_OVERHEAD];
}
