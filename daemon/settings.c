#include "daemon/settings.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "daemon/record.h"

#define KIND "settings"

static const char *const mode_names[] = {
	[PATH_MODE_AUTO] = "auto",
	[PATH_MODE_DIRECT] = "direct",
	[PATH_MODE_RELAY] = "relay",
};

const char *path_mode_name(enum path_mode mode)
{
	return mode_names[mode];
}

int path_mode_parse(enum path_mode *mode, const char *text)
{
	size_t i;

	for (i = 0; i < sizeof(mode_names) / sizeof(*mode_names); i++) {
		if (strcmp(text, mode_names[i]) == 0) {
			*mode = (enum path_mode)i;
			return 0;
		}
	}
	return -EINVAL;
}

void settings_init(struct settings *settings)
{
	*settings = (struct settings){ 0 };
}

void settings_clear(struct settings *settings)
{
	free(settings->paths);
	json_decref(settings->values);
	settings_init(settings);
}

static struct settings_path *find_path(const struct settings *settings, const char *name)
{
	size_t i;

	for (i = 0; i < settings->path_count; i++) {
		if (strcmp(settings->paths[i].name, name) == 0)
			return &settings->paths[i];
	}
	return NULL;
}

enum path_mode settings_path(const struct settings *settings, const char *name)
{
	const struct settings_path *path = find_path(settings, name);

	return path ? path->mode : PATH_MODE_AUTO;
}

static void remove_path(struct settings *settings, struct settings_path *path)
{
	*path = settings->paths[--settings->path_count];
}

int settings_set_path(struct settings *settings, const char *name, enum path_mode mode)
{
	struct settings_path *path = find_path(settings, name);
	struct settings_path *grown;

	if (mode == PATH_MODE_AUTO) {
		if (path)
			remove_path(settings, path);
		return 0;
	}
	if (!path) {
		if (settings->path_count == SETTINGS_PATHS_MAX ||
		    strlen(name) >= SETTINGS_NAME_SIZE)
			return -ENOSPC;
		grown = reallocarray(settings->paths, settings->path_count + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		settings->paths = grown;
		path = &grown[settings->path_count++];
		snprintf(path->name, sizeof(path->name), "%s", name);
	}
	path->mode = mode;
	return 0;
}

/* Of every version: keys that this one does not know are kept. */
static int take_values(struct settings *settings, json_t *values)
{
	struct setting setting;
	const char *key;
	json_t *value;

	if (values && !json_is_object(values))
		return -EBADMSG;
	json_object_foreach (values, key, value) {
		if (setting_decode(&setting, value) < 0 || strcmp(setting.key, key) != 0)
			return -EBADMSG;
	}
	settings->values = json_incref(values);
	return 0;
}

static int parse(struct settings *settings, const char *text, size_t len)
{
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	json_t *paths = json_object_get(root, "paths");
	json_t *up = json_object_get(root, "up");
	const char *name;
	json_t *value;
	enum path_mode mode;
	int err = json_is_object(root) && json_is_boolean(up) ? 0 : -EBADMSG;

	settings->up = json_is_true(up);
	json_object_foreach (paths, name, value) {
		const char *mode_text = json_string_value(value);

		if (err == 0)
			err = mode_text ? path_mode_parse(&mode, mode_text) : -EBADMSG;
		if (err == 0)
			err = settings_set_path(settings, name, mode);
	}
	if (err == 0)
		err = take_values(settings, json_object_get(root, "values"));
	json_decref(root);
	return err;
}

int settings_load(struct settings *settings, const char *path)
{
	struct settings loaded;
	uint8_t *text;
	size_t len;
	int err = record_read(path, KIND, &text, &len);

	if (err < 0)
		return err == -ENOENT ? 0 : err;
	settings_init(&loaded);
	err = parse(&loaded, (const char *)text, len);
	file_free_secret(text, len);
	if (err < 0) {
		settings_clear(&loaded);
		return -EBADMSG;
	}
	settings_clear(settings);
	*settings = loaded;
	return 0;
}

int settings_save(const struct settings *settings, const char *path)
{
	json_t *paths = json_object();
	json_t *root;
	char *text;
	size_t i;
	int err;

	for (i = 0; i < settings->path_count; i++)
		json_object_set_new(paths, settings->paths[i].name,
				    json_string(path_mode_name(settings->paths[i].mode)));
	root = json_pack("{s:b,s:o,s:O*}", "up", settings->up, "paths", paths, "values",
			 settings->values);
	text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	if (!text)
		return -ENOMEM;
	err = record_write(path, KIND, text, strlen(text));
	free(text);
	return err;
}

int settings_store_path(struct settings *settings, const char *name, enum path_mode mode,
			const char *path)
{
	enum path_mode former = settings_path(settings, name);
	int err = settings_set_path(settings, name, mode);

	if (err < 0)
		return err;
	err = settings_save(settings, path);
	if (err < 0)
		settings_set_path(settings, name, former);
	return err;
}

int settings_get(const struct settings *settings, const char *key, struct setting *setting)
{
	const json_t *value = json_object_get(settings->values, key);

	return value && setting_decode(setting, value) == 0 ? 0 : -ENOENT;
}

bool settings_yes(const struct settings *settings, const char *key, bool fallback)
{
	struct setting setting;

	if (settings_get(settings, key, &setting) < 0)
		return fallback;
	return strcmp(setting.value, "yes") == 0;
}

int settings_store(struct settings *settings, const struct setting *setting, const char *path)
{
	json_t *former = settings->values;
	json_t *values = former ? json_copy(former) : json_object();
	int err = 0;

	if (!values || json_object_set_new(values, setting->key, setting_encode(setting)) < 0)
		err = -ENOMEM;
	settings->values = values;
	if (err == 0)
		err = settings_save(settings, path);
	settings->values = err < 0 ? former : values;
	json_decref(err < 0 ? values : former);
	return err;
}
