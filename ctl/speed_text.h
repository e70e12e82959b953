#ifndef WARREN_CTL_SPEED_TEXT_H
#define WARREN_CTL_SPEED_TEXT_H

#include <jansson.h>
#include <stdio.h>

#define SPEED_RATE_SIZE 32

/* "812 Mbit/s", "9.4 Mbit/s", "1.2 Gbit/s" */
const char *speed_rate(char out[static SPEED_RATE_SIZE], double mbps);
/* The object of `speed --json` as text for people. */
void speed_text_print(const json_t *speed, FILE *out);

#endif
