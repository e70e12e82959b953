#include "crypto/rng.h"

#include <sodium.h>
#include <string.h>

#include "base/buf.h"

static void system_fill(void *arg, uint8_t *out, size_t len)
{
	(void)arg;
	randombytes_buf(out, len);
}

struct rng rng_system(void)
{
	/* Repeated calls are cheap; failure leaves the working default generator in place. */
	(void)!sodium_init();
	return (struct rng){ .fill = system_fill };
}

void rng_seeded_init(struct rng_seeded *state, uint64_t seed)
{
	memset(state, 0, sizeof(*state));
	store_le64(state->seed, seed);
}

static void seeded_fill(void *arg, uint8_t *out, size_t len)
{
	struct rng_seeded *state = arg;
	uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];

	/* Every call gets a stream of its own, so results do not depend on how calls are cut. */
	store_le64(nonce, state->block++);
	crypto_stream_chacha20(out, len, nonce, state->seed);
}

struct rng rng_from_seeded(struct rng_seeded *state)
{
	return (struct rng){ .fill = seeded_fill, .arg = state };
}

void rng_fill(const struct rng *rng, void *out, size_t len)
{
	rng->fill(rng->arg, out, len);
}

uint32_t rng_u32(const struct rng *rng)
{
	uint8_t b[4];

	rng_fill(rng, b, sizeof(b));
	return load_le32(b);
}

uint32_t rng_below(const struct rng *rng, uint32_t bound)
{
	uint32_t v, unfair;

	if (bound < 2)
		return 0;
	/* The lowest 2^32 mod bound values would come up once too often. */
	unfair = (0U - bound) % bound;
	do
		v = rng_u32(rng);
	while (v < unfair);
	return v % bound;
}
