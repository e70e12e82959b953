#include "ctl/ping_text.h"

#include <stdio.h>
#include <string.h>

#include "ctl/format.h"
#include "ctl/status_field.h"

const char *ping_text(char out[static PING_TEXT_MAX], const json_t *fields, const char *name)
{
	bool direct = strcmp(status_text(fields, "via", ""), "direct") == 0;
	char line[PING_TEXT_MAX];
	char latency[FORMAT_SIZE];

	if (json_is_true(json_object_get(fields, "lost")))
		snprintf(line, sizeof(line), "no reply from %.200s", name);
	else
		snprintf(line, sizeof(line), "pong from %.100s (%.50s) via %s %.100s in %s",
			 status_text(fields, "from", name), status_text(fields, "address", "-"),
			 direct ? "direct" : "relay",
			 status_text(fields, direct ? "endpoint" : "relay", "-"),
			 format_latency_fine(latency, status_number(fields, "latency_ms")));
	return format_text(out, PING_TEXT_MAX, line);
}
