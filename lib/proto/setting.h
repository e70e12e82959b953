#ifndef WARREN_PROTO_SETTING_H
#define WARREN_PROTO_SETTING_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * What `warren set KEY VALUE [--OPTION VALUE]…` says: on the local socket, in the daemon's settings
 * and in what `warren get` prints. Which keys there are is the daemon's (daemon/setting_table.c).
 */
#define SETTING_OPTIONS_MAX 64
#define SETTING_KEY_MAX     31   /* bytes; of an option's name too */
#define SETTING_VALUE_MAX   4095 /* bytes; of an option's value too */

/* Strings are borrowed from the JSON or the command line they came from. */
struct setting {
	const char *key;
	const char *value;
	struct setting_option {
		const char *name; /* without dashes */
		const char *value;
	} options[SETTING_OPTIONS_MAX]; /* in the order given; a name may come again */
	size_t option_count;
};

/*
 * Reads {"key":…,"value":…,"options":[["map","A=B"],…]}; options may be missing, verb is skipped. 0
 * or -EBADMSG.
 */
int setting_decode(struct setting *setting, const json_t *object);
/* New reference, without a verb; NULL when out of memory or a string is not UTF-8. */
json_t *setting_encode(const struct setting *setting);
/* The last of that name, or fallback. */
const char *setting_option(const struct setting *setting, const char *name, const char *fallback);
/* As it was typed behind the key: "10.1.0.0/16 --snat no". malloc'd, NULL when out of memory. */
char *setting_text(const struct setting *setting);

#endif
