#ifndef WARREN_DAEMON_SETTING_TABLE_H
#define WARREN_DAEMON_SETTING_TABLE_H

#include <jansson.h>

#include "proto/setting.h"

struct local_request;
struct mesh;

#define SETTING_WHY_SIZE 384

/*
 * One key of `warren set`. What is stored is what was typed; the part that a row belongs to reads
 * it from the settings (settings_get, settings_yes) whenever it needs it.
 */
struct setting_row {
	const char *key;
	const char *usage;    /* behind `warren set KEY `, for refusals */
	const char *fallback; /* the value while nothing was set */
	const char *options; /* names that may follow, each between blanks: " map snat "; or NULL */
	/*
	 * May it be? 0; or -EINVAL (wrong in itself), -EPERM (cannot be here and now) with why
	 * filled: one line that says what, why and what to do. Changes nothing. NULL: yes or no.
	 */
	int (*check)(const struct mesh *mesh, const struct setting *setting,
		     char why[static SETTING_WHY_SIZE]);
	/* It is stored now: takes effect. NULL: whoever needs it looks. */
	void (*apply)(struct mesh *mesh);
};

/* Checks, stores and applies a setting; -EINVAL, -EPERM as check, or -errno of storing it. */
int setting_set(struct mesh *mesh, const struct setting *setting,
		char why[static SETTING_WHY_SIZE]);
/* Adds the text of every key to an object of `get`. */
void setting_list(const struct mesh *mesh, json_t *object);
/* The verb `set` of the local socket. */
void setting_handle(void *mesh, struct local_request *request);

#endif
