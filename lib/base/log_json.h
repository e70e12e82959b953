#ifndef WARREN_BASE_LOG_JSON_H
#define WARREN_BASE_LOG_JSON_H

#include <stddef.h>
#include <stdint.h>

/*
 * A log line of this program as one JSON object, for machines that collect them:
 * `ready port=443 name="a b"` becomes {"time":"…Z","level":"info","event":"ready","port":"443",
 * "name":"a b"}. All values are text. A value in quotes ends at a quote that a blank or the end
 * follows; what is not printable ASCII becomes '?'. out is cut at its end but always whole JSON;
 * size is at least 256. Returns the length.
 */
size_t log_json_format(char *out, size_t size, const char *level, const char *line,
		       uint64_t wall_ms);

#endif
