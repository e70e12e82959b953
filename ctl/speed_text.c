#include "ctl/speed_text.h"

#include <string.h>

#include "ctl/format.h"
#include "ctl/status_field.h"

#define TEXT_MAX 256

const char *speed_rate(char out[static SPEED_RATE_SIZE], double mbps)
{
	if (!(mbps >= 0))
		snprintf(out, SPEED_RATE_SIZE, "-");
	else if (mbps >= 999.5)
		snprintf(out, SPEED_RATE_SIZE, "%.2f Gbit/s", mbps / 1000);
	else if (mbps >= 99.95)
		snprintf(out, SPEED_RATE_SIZE, "%.0f Mbit/s", mbps);
	else
		snprintf(out, SPEED_RATE_SIZE, "%.1f Mbit/s", mbps);
	return out;
}

static void print_path(const json_t *path, FILE *out)
{
	char clean[TEXT_MAX];

	fprintf(out, "%s ", format_text(clean, sizeof(clean), status_text(path, "path", "-")));
	fputs(format_text(clean, sizeof(clean), status_text(path, "via", "-")), out);
}

/* "via relay fra, after 1.2s direct 203.0.113.5:41641" */
static void print_paths(const json_t *paths, FILE *out)
{
	for (size_t i = 0; i < json_array_size(paths); i++) {
		const json_t *path = json_array_get(paths, i);

		if (i)
			fprintf(out, ", after %.1fs ", status_number(path, "at_s"));
		print_path(path, out);
	}
	fputc('\n', out);
}

static void print_direction(const char *label, const json_t *direction, FILE *out)
{
	double bytes = status_number(direction, "bytes");
	char latency[FORMAT_SIZE], amount[FORMAT_SIZE], rate[SPEED_RATE_SIZE];

	fprintf(out, "%-9s %s (%s), latency %s\n", label,
		speed_rate(rate, status_number(direction, "mbit_per_s")),
		format_bytes(amount, bytes > 0 ? (uint64_t)bytes : 0),
		format_latency_fine(latency, status_number(direction, "latency_ms")));
}

void speed_text_print(const json_t *speed, FILE *out)
{
	char latency[FORMAT_SIZE], clean[TEXT_MAX];

	fprintf(out, "%-9s %s", "to",
		format_text(clean, sizeof(clean), status_text(speed, "name", "-")));
	fprintf(out, " (%s)\n",
		format_text(clean, sizeof(clean), status_text(speed, "address", "-")));
	fprintf(out, "%-9s ", "path");
	print_paths(json_object_get(speed, "paths"), out);
	fprintf(out, "%-9s %s\n", "idle",
		format_latency_fine(latency, status_number(speed, "latency_ms")));
	print_direction("up", json_object_get(speed, "up"), out);
	print_direction("down", json_object_get(speed, "down"), out);
}
