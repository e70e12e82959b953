/* Times on the command line. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "coord/options.h"

#define LONGEST_LIFE_S (10ull * 365 * 86400)

int coord_options_duration(uint64_t *seconds, const char *text)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = { { '\0', 1 }, { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	unsigned long long value;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || value == 0 || (*end && end[1]))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (*end == units[i].unit && value <= LONGEST_LIFE_S / units[i].seconds) {
			*seconds = value * units[i].seconds;
			return 0;
		}
	}
	return -EINVAL;
}

int coord_options_since(uint64_t *since_s, const char *text)
{
	uint64_t now_s = (uint64_t)time(NULL);
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%d", &tm);
	uint64_t ago_s;

	if (end && !*end) {
		time_t day = timegm(&tm);

		*since_s = day > 0 ? (uint64_t)day : 0;
		return 0;
	}
	if (coord_options_duration(&ago_s, text) < 0)
		return -EINVAL;
	*since_s = now_s > ago_s ? now_s - ago_s : 0;
	return 0;
}
