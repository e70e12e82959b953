#include "proto/mapping_lifetime.h"

#include "base/clock.h"

#define LEAST_NS (MAPPING_INTERVAL_MIN_MS * NS_PER_MS)
#define MOST_NS  (MAPPING_INTERVAL_MS * NS_PER_MS)

void mapping_lifetime_init(struct mapping_lifetime *lifetime)
{
	*lifetime = (struct mapping_lifetime){ .interval_ns = MOST_NS };
}

/* A quarter below what was fatal, because both are measured at one end of the line only. */
static uint64_t ceiling_ns(const struct mapping_lifetime *lifetime)
{
	uint64_t safe_ns = lifetime->fatal_ns - lifetime->fatal_ns / 4;

	if (!lifetime->fatal_ns || safe_ns > MOST_NS)
		return MOST_NS;
	return safe_ns > LEAST_NS ? safe_ns : LEAST_NS;
}

void mapping_lifetime_held(struct mapping_lifetime *lifetime, uint64_t silence_ns)
{
	/* Shorter silences, as under traffic, try nothing. */
	if (silence_ns < lifetime->interval_ns / 2)
		return;
	if (++lifetime->held < MAPPING_GROW_AFTER)
		return;
	lifetime->held = 0;
	lifetime->interval_ns += lifetime->interval_ns / 8;
	if (lifetime->interval_ns > ceiling_ns(lifetime))
		lifetime->interval_ns = ceiling_ns(lifetime);
}

void mapping_lifetime_died(struct mapping_lifetime *lifetime, uint64_t silence_ns)
{
	if (silence_ns < lifetime->interval_ns / 2)
		return;
	lifetime->held = 0;
	if (!lifetime->fatal_ns || silence_ns < lifetime->fatal_ns)
		lifetime->fatal_ns = silence_ns;
	lifetime->interval_ns /= 2;
	if (lifetime->interval_ns < LEAST_NS)
		lifetime->interval_ns = LEAST_NS;
}
