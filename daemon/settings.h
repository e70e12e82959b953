#ifndef WARREN_DAEMON_SETTINGS_H
#define WARREN_DAEMON_SETTINGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "proto/pathchoice.h"
#include "proto/setting.h"

#define SETTINGS_PATHS_MAX 1024
#define SETTINGS_NAME_SIZE 64

/* "auto", "direct", "relay". */
const char *path_mode_name(enum path_mode mode);
/* 0 or -EINVAL. */
int path_mode_parse(enum path_mode *mode, const char *text);

/* What the user chose with up, down and set; kept over restarts. */
struct settings {
	bool up;
	struct settings_path {
		char name[SETTINGS_NAME_SIZE];
		enum path_mode mode;
	} * paths; /* only those that are not auto */
	size_t path_count;
	json_t *values; /* by key, as setting_encode writes them; NULL: none yet */
};

void settings_init(struct settings *settings);
void settings_clear(struct settings *settings);
enum path_mode settings_path(const struct settings *settings, const char *name);
/* 0, -ENOSPC, -ENOMEM. */
int settings_set_path(struct settings *settings, const char *name, enum path_mode mode);

/* 0; a file that is not there leaves the defaults; -EBADMSG when damaged; or -errno. */
int settings_load(struct settings *settings, const char *path);
int settings_save(const struct settings *settings, const char *path);
/* Sets a path and saves all; what could not be saved is not set either. 0 or -errno. */
int settings_store_path(struct settings *settings, const char *name, enum path_mode mode,
			const char *path);

/* What was set for a key. 0 (strings borrowed until it is set again) or -ENOENT. */
int settings_get(const struct settings *settings, const char *key, struct setting *setting);
/* Of a key that is "yes" or "no". */
bool settings_yes(const struct settings *settings, const char *key, bool fallback);
/* Sets one and saves all; what could not be saved is not set either. 0 or -errno. */
int settings_store(struct settings *settings, const struct setting *setting, const char *path);

#endif
