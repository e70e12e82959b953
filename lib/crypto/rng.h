#ifndef WARREN_CRYPTO_RNG_H
#define WARREN_CRYPTO_RNG_H

#include <stddef.h>
#include <stdint.h>

/*
 * A source of random bytes, passed by value or pointer to everything that needs some, so that
 * protocol cores are deterministic under test. fill never fails.
 */
struct rng {
	void (*fill)(void *arg, uint8_t *out, size_t len);
	void *arg;
};

/* libsodium's generator; initialises libsodium. */
struct rng rng_system(void);

/* A reproducible stream for tests and the simulator: ChaCha20 under a seed. Never for real keys. */
struct rng_seeded {
	uint8_t seed[32];
	uint64_t block;
};

void rng_seeded_init(struct rng_seeded *state, uint64_t seed);
/* state is borrowed and must outlive the result. */
struct rng rng_from_seeded(struct rng_seeded *state);

void rng_fill(const struct rng *rng, void *out, size_t len);
uint32_t rng_u32(const struct rng *rng);
/* Uniform in 0 … bound - 1; 0 when bound is 0 or 1. */
uint32_t rng_below(const struct rng *rng, uint32_t bound);

#endif
