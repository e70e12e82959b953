#include "daemon/setting_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/exit.h"
#include "daemon/local_server.h"
#include "daemon/mesh.h"
#include "daemon/name_service.h"
#include "daemon/router.h"
#include "daemon/routing.h"
#include "daemon/speed_service.h"

static const struct setting_row rows[] = {
	{ "routes", "PREFIX,...|none [--map REAL=SEEN]... [--snat yes|no] [--weight 1..255]",
	  "none", " map snat weight ", router_check_setting, router_apply_setting },
	{ "exit-node", "NAME|auto|none [--keep-local yes|no] [--kill-switch yes|no]", "none",
	  " keep-local kill-switch ", exit_check_node, exit_update },
	{ "accept-routes", "yes|no", "yes", NULL, NULL, routing_map_changed },
	{ "offer-exit", "yes|no", "no", NULL, exit_check_offer, exit_update },
	{ "speed", "yes|no", "yes", NULL, NULL, speed_service_refresh },
	{ "names", "yes|no", "yes", NULL, NULL, name_service_apply },
};

#define ROW_COUNT (sizeof(rows) / sizeof(*rows))

static const struct setting_row *find(const char *key)
{
	size_t i;

	for (i = 0; i < ROW_COUNT; i++) {
		if (strcmp(rows[i].key, key) == 0)
			return &rows[i];
	}
	return NULL;
}

static int refuse_key(const char *key, char why[static SETTING_WHY_SIZE])
{
	size_t used =
		(size_t)snprintf(why, SETTING_WHY_SIZE, "there is no setting %.*s; there are path",
				 SETTING_KEY_MAX, key);
	size_t i;

	for (i = 0; i < ROW_COUNT && used < SETTING_WHY_SIZE; i++)
		used += (size_t)snprintf(why + used, SETTING_WHY_SIZE - used, ", %s", rows[i].key);
	return -EINVAL;
}

static bool takes_option(const struct setting_row *row, const char *name)
{
	char wanted[SETTING_KEY_MAX + 3];

	snprintf(wanted, sizeof(wanted), " %s ", name);
	return row->options && !strchr(name, ' ') && strstr(row->options, wanted);
}

static int check(const struct mesh *mesh, const struct setting_row *row,
		 const struct setting *setting, char why[static SETTING_WHY_SIZE])
{
	size_t i;

	for (i = 0; i < setting->option_count; i++) {
		if (takes_option(row, setting->options[i].name))
			continue;
		snprintf(why, SETTING_WHY_SIZE, "%s has no option --%s; write set %s %s", row->key,
			 setting->options[i].name, row->key, row->usage);
		return -EINVAL;
	}
	if (row->check)
		return row->check(mesh, setting, why);
	if (strcmp(setting->value, "yes") == 0 || strcmp(setting->value, "no") == 0)
		return 0;
	snprintf(why, SETTING_WHY_SIZE, "%s is yes or no; write set %s %s", row->key, row->key,
		 row->usage);
	return -EINVAL;
}

/*
 * With the options of before that are not given now: who names another exit node must not lose the
 * kill switch by it.
 */
static struct setting complete(const struct mesh *mesh, const struct setting_row *row,
			       const struct setting *given)
{
	struct setting all = *given, former;

	if (strcmp(row->key, "exit-node") != 0 ||
	    settings_get(&mesh->settings, row->key, &former) < 0)
		return all;
	for (size_t i = 0; i < former.option_count && all.option_count < SETTING_OPTIONS_MAX; i++) {
		if (!setting_option(&all, former.options[i].name, NULL))
			all.options[all.option_count++] = former.options[i];
	}
	return all;
}

int setting_set(struct mesh *mesh, const struct setting *given, char why[static SETTING_WHY_SIZE])
{
	const struct setting_row *row = find(given->key);
	const struct setting all = row ? complete(mesh, row, given) : *given;
	const struct setting *setting = &all;
	int err = row ? check(mesh, row, setting, why) : refuse_key(setting->key, why);

	if (err < 0)
		return err;
	err = settings_store(&mesh->settings, setting, mesh_path(mesh, "settings").text);
	if (err < 0) {
		snprintf(why, SETTING_WHY_SIZE, "the setting cannot be stored: %s", strerror(-err));
		return err;
	}
	mesh_saved(mesh, "settings", 0);
	log_info("setting key=%s value=\"%s\" options=%zu", setting->key, setting->value,
		 setting->option_count);
	if (row->apply)
		row->apply(mesh);
	return 0;
}

void setting_list(const struct mesh *mesh, json_t *object)
{
	struct setting setting;
	size_t i;

	for (i = 0; i < ROW_COUNT; i++) {
		char *text = NULL;

		if (settings_get(&mesh->settings, rows[i].key, &setting) == 0)
			text = setting_text(&setting);
		json_object_set_new(object, rows[i].key,
				    json_string(text ? text : rows[i].fallback));
		free(text);
	}
}

void setting_handle(void *arg, struct local_request *request)
{
	char why[SETTING_WHY_SIZE];
	struct setting setting;
	int err;

	if (setting_decode(&setting, local_request_body(request)) < 0) {
		local_reply_error(request, LOCAL_USAGE,
				  "set: write set KEY VALUE [--OPTION VALUE]..., up to %d options",
				  SETTING_OPTIONS_MAX);
		return;
	}
	err = setting_set(arg, &setting, why);
	if (err < 0)
		local_reply_error(request, err == -EINVAL ? LOCAL_USAGE : LOCAL_FAILURE, "set: %s",
				  why);
	else
		local_reply_end(request, NULL);
}
