#include "ctl/format.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DURATION_MAX_MS (365ULL * 24 * 3600 * 1000)

const char *format_bytes(char out[static FORMAT_SIZE], uint64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(out, FORMAT_SIZE, "%u B", (unsigned int)bytes);
		return out;
	}
	/* What would be rounded to 1024.0 is 1.0 of the next unit. */
	for (value /= 1024; value >= 1023.95 && unit < 5; unit++)
		value /= 1024;
	snprintf(out, FORMAT_SIZE, "%.1f %s", value, units[unit]);
	return out;
}

const char *format_duration(char out[static FORMAT_SIZE], uint64_t seconds)
{
	static const struct {
		uint64_t size;
		char name;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	size_t i = 0;
	uint64_t rest;
	int n;

	while (i < 3 && seconds < units[i].size)
		i++;
	n = snprintf(out, FORMAT_SIZE, "%llu%c", (unsigned long long)(seconds / units[i].size),
		     units[i].name);
	if (i == 3)
		return out;
	rest = seconds % units[i].size / units[i + 1].size;
	if (rest && n > 0)
		snprintf(out + n, FORMAT_SIZE - (size_t)n, "%llu%c", (unsigned long long)rest,
			 units[i + 1].name);
	return out;
}

const char *format_latency(char out[static FORMAT_SIZE], double ms)
{
	if (!(ms >= 0))
		snprintf(out, FORMAT_SIZE, "-");
	else if (ms < 0.95)
		snprintf(out, FORMAT_SIZE, "%.1fms", ms);
	else
		snprintf(out, FORMAT_SIZE, "%.0fms", ms);
	return out;
}

const char *format_latency_fine(char out[static FORMAT_SIZE], double ms)
{
	if (!(ms >= 0))
		snprintf(out, FORMAT_SIZE, "-");
	else
		snprintf(out, FORMAT_SIZE, "%.1fms", ms);
	return out;
}

const char *format_text(char *out, size_t size, const char *text)
{
	size_t i;

	for (i = 0; i + 1 < size && text[i]; i++)
		out[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	out[i] = '\0';
	return out;
}

static uint64_t unit_ms(const char *unit)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = { { "", 1000 },   { "ms", 1 },      { "s", 1000 },
		      { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(units[i].name, unit) == 0)
			return units[i].ms;
	}
	return 0;
}

int format_parse_duration(uint64_t *ms, const char *text)
{
	uint64_t n = 0;
	uint64_t unit;
	size_t i;

	for (i = 0; text[i] >= '0' && text[i] <= '9'; i++) {
		n = n * 10 + (uint64_t)(text[i] - '0');
		if (n > DURATION_MAX_MS)
			return -EINVAL;
	}
	unit = unit_ms(text + i);
	if (i == 0 || !unit || n == 0 || n > DURATION_MAX_MS / unit)
		return -EINVAL;
	*ms = n * unit;
	return 0;
}
