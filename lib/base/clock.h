#ifndef WARREN_BASE_CLOCK_H
#define WARREN_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_S  1000000000ULL
#define NS_PER_MS 1000000ULL
#define NS_PER_US 1000ULL

/* The largest deadline: a timer that never fires. */
#define CLOCK_NEVER UINT64_MAX

/*
 * Nanoseconds of CLOCK_BOOTTIME: goes on through suspend, never jumps. This is the `now_ns` that
 * every protocol core is handed; cores never call it themselves.
 */
uint64_t clock_now_ns(void);

/* The same but for the time that the machine slept: see absence.h. */
uint64_t clock_awake_ns(void);

/* Seconds since 1970 of the wall clock, for certificates and TAI64N only. */
uint64_t clock_wall_s(void);

/* Nanoseconds since 1970 of the wall clock. */
uint64_t clock_wall_ns(void);

#endif
