#include "base/absence.h"

#include "base/clock.h"

uint64_t absence_note(struct absence *absence, uint64_t boottime_ns, uint64_t monotonic_ns,
		      uint64_t due_ns)
{
	uint64_t ahead_ns = boottime_ns > monotonic_ns ? boottime_ns - monotonic_ns : 0;
	uint64_t slept_ns = 0, late_ns = 0, away_ns;

	if (absence->known && ahead_ns > absence->ahead_ns)
		slept_ns = ahead_ns - absence->ahead_ns;
	if (due_ns < boottime_ns)
		late_ns = boottime_ns - due_ns;
	/* Sleep in small pieces adds up; the two clocks are never read at the same instant. */
	if (!absence->known || slept_ns >= ABSENCE_MIN_MS * NS_PER_MS)
		absence->ahead_ns = ahead_ns;
	absence->known = true;
	away_ns = slept_ns > late_ns ? slept_ns : late_ns;
	return away_ns >= ABSENCE_MIN_MS * NS_PER_MS ? away_ns : 0;
}
