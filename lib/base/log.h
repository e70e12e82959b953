#ifndef WARREN_BASE_LOG_H
#define WARREN_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Logging for programs; library layers return errors instead. A line goes to stderr as
 * `LEVEL event key=value …`; with the level prefix of sd-daemon(3) when JOURNAL_STREAM is set.
 * Callers pass the event and its pairs as one printf format: log_info("ready port=%u", port).
 * Text that came from outside goes through log_quote first. Never log a secret.
 */
enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

void log_set_level(enum log_level level);
/* From now on lines are JSON objects; see base/log_json.h. */
void log_set_json(bool json);
bool log_enabled(enum log_level level);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The first 8 base64 characters of a public key, NUL-terminated: enough to tell keys apart. */
struct log_key {
	char text[9];
};
struct log_key log_key(const uint8_t key[static 32]);

/* Copies printable ASCII of in (at most len bytes) to out, everything else as '?'; always ended. */
const char *log_quote(char *out, unsigned long out_size, const char *in, unsigned long len);

#endif
