#ifndef WARREN_PROTO_TAI64N_H
#define WARREN_PROTO_TAI64N_H

#include <stdbool.h>
#include <stdint.h>

/* TAI64N labels: 8 bytes of seconds, 4 of nanoseconds, big-endian, so memcmp orders them. */
#define TAI64N_SIZE 12

/* Nanoseconds are rounded down to this, so that a stamp tells little about the clock. */
#define TAI64N_STEP_NS (1U << 24)

/* The wall clock (ns since 1970) as a label. */
void tai64n_from_wall(uint8_t stamp[static TAI64N_SIZE], uint64_t wall_ns);
bool tai64n_after(const uint8_t a[static TAI64N_SIZE], const uint8_t b[static TAI64N_SIZE]);

/*
 * A source of strictly increasing labels, whatever the wall clock does. What a source gave out last
 * must survive a restart, else a peer that saw a clock in the future refuses us until that time has
 * come. So labels are reserved ahead and the end of the reservation is what the owner stores.
 */
struct tai64n_source {
	uint8_t last[TAI64N_SIZE];
	uint8_t reserved[TAI64N_SIZE];
};

#define TAI64N_RESERVE_S 60

/* stored: the reservation saved before, or NULL when there is none. */
void tai64n_source_init(struct tai64n_source *source, const uint8_t *stored);
/* True: source->reserved has moved and must be stored before the stamp is used. */
bool tai64n_source_next(struct tai64n_source *source, uint64_t wall_ns,
			uint8_t stamp[static TAI64N_SIZE]);

#endif
