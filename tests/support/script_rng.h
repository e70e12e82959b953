#ifndef WARREN_TESTS_SCRIPT_RNG_H
#define WARREN_TESTS_SCRIPT_RNG_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/rng.h"

/* Randomness that is a text of hexadecimal, for known-answer tests; zeros after its end. */
struct script_rng {
	const char *hex;
	size_t used; /* bytes */
};

struct rng script_rng(struct script_rng *script, const char *hex);

#endif
