#ifndef WARREN_BASE_ABSENCE_H
#define WARREN_BASE_ABSENCE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Finds out that this program did not run for a while: the machine slept, which CLOCK_BOOTTIME
 * counts and CLOCK_MONOTONIC does not, or the process was stopped, which shows in a timer that
 * fires far too late. Pure: whoever has the clocks tells them. Zero-initialise.
 */
struct absence {
	bool known;
	uint64_t ahead_ns; /* CLOCK_BOOTTIME over CLOCK_MONOTONIC */
};

#define ABSENCE_MIN_MS 2000 /* shorter ones are a busy machine's */

/*
 * Now; due_ns is the deadline of the first timer, CLOCK_NEVER when there is none or it was looked
 * at before its time. How long we were away since the last call, 0 when we were not.
 */
uint64_t absence_note(struct absence *absence, uint64_t boottime_ns, uint64_t monotonic_ns,
		      uint64_t due_ns);

#endif
