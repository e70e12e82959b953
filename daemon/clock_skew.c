#include "daemon/clock_skew.h"

#include <stdio.h>

#define HOUR_S 3600u
#define DAY_S  (24 * HOUR_S)

bool clock_skew_text(char text[static CLOCK_SKEW_TEXT_SIZE], uint64_t own_s, uint64_t right_s)
{
	uint64_t off_s = own_s > right_s ? own_s - right_s : right_s - own_s;
	uint64_t number = off_s;
	char unit = 's';

	if (off_s <= CLOCK_SKEW_TELL_S)
		return false;
	if (off_s >= 2 * DAY_S) {
		number = off_s / DAY_S;
		unit = 'd';
	} else if (off_s >= 2 * HOUR_S) {
		number = off_s / HOUR_S;
		unit = 'h';
	}
	snprintf(text, CLOCK_SKEW_TEXT_SIZE, "%llu %c", (unsigned long long)number, unit);
	return true;
}
