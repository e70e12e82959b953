#ifndef WARREN_BASE_CONFIG_H
#define WARREN_BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Strict reading of `key = value` files through libinih: no sections, every key at most once,
 * comments after # or ;. The first thing wrong ends it, with its line.
 */
#define CONFIG_SIZE_MAX 65536
#define CONFIG_LINE_MAX 199 /* libinih cuts what is longer */
#define CONFIG_KEYS_MAX 64

struct config_error {
	unsigned int line; /* from 1; 0: the file as a whole */
	char text[160];    /* what and why */
};

/* One known key. set returns NULL, or why the value cannot be ("not a number"). */
struct config_key {
	const char *name;
	const char *(*set)(void *arg, const char *value);
};

/*
 * Parses len bytes of text. 0; -EINVAL with *error filled; -EFBIG; -ENOMEM. set may have been
 * called for earlier lines when a later one fails: parse into a copy.
 */
int config_parse(const char *text, size_t len, const struct config_key *keys, size_t count,
		 void *arg, struct config_error *error);
/* The same for keys that are known by name only and set in one place. */
int config_parse_named(const char *text, size_t len, const char *const *names, size_t count,
		       const char *(*set)(void *arg, const char *name, const char *value),
		       void *arg, struct config_error *error);

/* Value parsers. 0 or -EINVAL; outputs untouched on failure. */
int config_number(unsigned long *out, const char *value, unsigned long min, unsigned long max);
int config_bool(bool *out, const char *value); /* yes/no, true/false, on/off */

#endif
