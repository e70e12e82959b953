#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/encoding.h"
#include "base/log_json.h"

static enum log_level threshold = LOG_LEVEL_INFO;
static bool as_json;

static const struct {
	const char *name;
	const char *journal; /* sd-daemon(3) level prefix */
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", "<3>" },
	[LOG_LEVEL_WARN] = { "warn", "<4>" },
	[LOG_LEVEL_INFO] = { "info", "<6>" },
	[LOG_LEVEL_DEBUG] = { "debug", "<7>" },
};

void log_set_level(enum log_level level)
{
	threshold = level;
}

void log_set_json(bool json)
{
	as_json = json;
}

bool log_enabled(enum log_level level)
{
	return level <= threshold;
}

static void write_line(enum log_level level, const char *fmt, va_list ap)
{
	char line[1024];
	char object[2048];
	struct timespec now;

	if (!log_enabled(level))
		return;
	vsnprintf(line, sizeof(line), fmt, ap);
	if (as_json) {
		clock_gettime(CLOCK_REALTIME, &now);
		log_json_format(object, sizeof(object), levels[level].name, line,
				(uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
		fprintf(stderr, "%s\n", object);
		return;
	}
	fprintf(stderr, "%s%s %s\n", getenv("JOURNAL_STREAM") ? levels[level].journal : "",
		levels[level].name, line);
}

#define DEFINE_LOG(function, level)         \
	void function(const char *fmt, ...) \
	{                                   \
		va_list ap;                 \
		va_start(ap, fmt);          \
		write_line(level, fmt, ap); \
		va_end(ap);                 \
	}

DEFINE_LOG(log_error, LOG_LEVEL_ERROR)
DEFINE_LOG(log_warn, LOG_LEVEL_WARN)
DEFINE_LOG(log_info, LOG_LEVEL_INFO)
DEFINE_LOG(log_debug, LOG_LEVEL_DEBUG)

struct log_key log_key(const uint8_t key[static 32])
{
	struct log_key short_key;
	char full[BASE64_KEY_SIZE];

	encoding_base64_key(full, key);
	snprintf(short_key.text, sizeof(short_key.text), "%.8s", full);
	return short_key;
}

const char *log_quote(char *out, unsigned long out_size, const char *in, unsigned long len)
{
	unsigned long i;

	for (i = 0; i < len && i + 1 < out_size && in[i]; i++)
		out[i] = in[i] > ' ' && in[i] < 0x7f ? in[i] : '?';
	out[i] = '\0';
	return out;
}
