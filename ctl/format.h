#ifndef WARREN_CTL_FORMAT_H
#define WARREN_CTL_FORMAT_H

#include <stddef.h>
#include <stdint.h>

/* Numbers and foreign text the way people read them. All write at most FORMAT_SIZE bytes. */
#define FORMAT_SIZE 32

/* "276 B", "1.2 MiB" */
const char *format_bytes(char out[static FORMAT_SIZE], uint64_t bytes);
/* The two largest units: "42s", "1m10s", "2h", "3d4h" */
const char *format_duration(char out[static FORMAT_SIZE], uint64_t seconds);
/* Whole milliseconds in tables: "9ms", but "0.4ms" below one; "-" when negative. */
const char *format_latency(char out[static FORMAT_SIZE], double ms);
/* One decimal for a single measurement: "9.1ms". */
const char *format_latency_fine(char out[static FORMAT_SIZE], double ms);

/* Copies text, every byte that is not printable ASCII as '?': names come from the network. */
const char *format_text(char *out, size_t size, const char *text);

/* "500ms", "60s", "5m", "2h", "1d", or seconds without a unit, to milliseconds. 0 or -EINVAL. */
int format_parse_duration(uint64_t *ms, const char *text);

#endif
