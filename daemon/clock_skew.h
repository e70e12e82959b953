#ifndef WARREN_DAEMON_CLOCK_SKEW_H
#define WARREN_DAEMON_CLOCK_SKEW_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_SKEW_TELL_S    60 /* a clock further off than this is worth a line in status */
#define CLOCK_SKEW_TEXT_SIZE 24

/* How far a clock is off, "90 s", "5 h", "3 d"; false when it is right enough. */
bool clock_skew_text(char text[static CLOCK_SKEW_TEXT_SIZE], uint64_t own_s, uint64_t right_s);

#endif
