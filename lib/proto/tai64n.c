#include "proto/tai64n.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"

/* 2^62 is the year 1970 in TAI64; TAI was 10 s ahead of UTC then. */
#define TAI64_EPOCH (0x4000000000000000ULL + 10)

void tai64n_from_wall(uint8_t stamp[static TAI64N_SIZE], uint64_t wall_ns)
{
	store_be64(stamp, TAI64_EPOCH + wall_ns / NS_PER_S);
	store_be32(stamp + 8, (uint32_t)(wall_ns % NS_PER_S) & ~(TAI64N_STEP_NS - 1));
}

bool tai64n_after(const uint8_t a[static TAI64N_SIZE], const uint8_t b[static TAI64N_SIZE])
{
	return memcmp(a, b, TAI64N_SIZE) > 0;
}

void tai64n_source_init(struct tai64n_source *source, const uint8_t *stored)
{
	memset(source, 0, sizeof(*source));
	if (!stored)
		return;
	memcpy(source->last, stored, TAI64N_SIZE);
	memcpy(source->reserved, stored, TAI64N_SIZE);
}

static void step(uint8_t stamp[static TAI64N_SIZE])
{
	uint64_t seconds = load_be64(stamp);
	uint64_t ns = (uint64_t)load_be32(stamp + 8) + TAI64N_STEP_NS;

	if (ns >= NS_PER_S) {
		seconds++;
		ns = 0;
	}
	store_be64(stamp, seconds);
	store_be32(stamp + 8, (uint32_t)ns);
}

bool tai64n_source_next(struct tai64n_source *source, uint64_t wall_ns,
			uint8_t stamp[static TAI64N_SIZE])
{
	tai64n_from_wall(stamp, wall_ns);
	if (!tai64n_after(stamp, source->last)) {
		memcpy(stamp, source->last, TAI64N_SIZE);
		step(stamp);
	}
	memcpy(source->last, stamp, TAI64N_SIZE);
	if (!tai64n_after(stamp, source->reserved))
		return false;
	memcpy(source->reserved, stamp, TAI64N_SIZE);
	store_be64(source->reserved, load_be64(stamp) + TAI64N_RESERVE_S);
	return true;
}
