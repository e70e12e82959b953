#include <stdio.h>
#include <string.h>

#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/format.h"
#include "ctl/report.h"
#include "ctl/verbs.h"
#include "proto/setting.h"

#define TEXT_MAX 256

/* The answer without its wrapping; errors are reported. */
static int call(const struct client *client, const char *verb, json_t *request, json_t **reply)
{
	int code = client_call(client, request, CLIENT_PATIENCE_MS, NULL, NULL, reply);

	if (code == CLIENT_SILENCE)
		code = report(LOCAL_TIMEOUT,
			      "%s: the daemon did not answer: see journalctl -u warren", verb);
	return code;
}

static int set_path(const struct client *client, int argc, char **argv)
{
	struct local_set_path set = { 0 };
	json_t *reply = NULL;
	int operands;
	int code;

	if (arguments_parse(argc, argv, NULL, 0, 1, 3, &operands))
		return LOCAL_USAGE;
	if (operands != 3)
		return report(LOCAL_USAGE, "set: write set path NAME auto|direct|relay");
	set.name = argv[2];
	set.path = argv[3];
	if (strcmp(set.path, "auto") != 0 && strcmp(set.path, "direct") != 0 &&
	    strcmp(set.path, "relay") != 0)
		return report(LOCAL_USAGE, "set: %s is not a path: auto, direct or relay",
			      set.path);
	code = call(client, "set", local_set_path_encode(&set), &reply);
	json_decref(reply);
	return code;
}

/* --NAME VALUE or --NAME=VALUE; which names there are is for the daemon to say. */
static int take_option(struct setting *setting, int argc, char **argv, int *at)
{
	char *name = argv[*at] + 2;
	char *equals = strchr(name, '=');
	const char *value = equals ? equals + 1 : NULL;

	if (!value && *at + 1 < argc)
		value = argv[++*at];
	if (equals)
		*equals = '\0';
	if (!value || !name[0])
		return report(LOCAL_USAGE, "set: --%s needs a value", name);
	if (setting->option_count == SETTING_OPTIONS_MAX)
		return report(LOCAL_USAGE, "set: more than %d options", SETTING_OPTIONS_MAX);
	setting->options[setting->option_count++] = (struct setting_option){ name, value };
	return LOCAL_OK;
}

static int take_setting(struct setting *setting, int argc, char **argv)
{
	int code = LOCAL_OK;
	int at;

	for (at = 1; at < argc && code == LOCAL_OK; at++) {
		if (strncmp(argv[at], "--", 2) == 0)
			code = take_option(setting, argc, argv, &at);
		else if (!setting->key)
			setting->key = argv[at];
		else if (!setting->value)
			setting->value = argv[at];
		else
			code = report(LOCAL_USAGE, "set: too many arguments: write set KEY VALUE");
	}
	if (code == LOCAL_OK && setting->key && !setting->value)
		code = report(LOCAL_USAGE, "set: %.40s wants a value: write set %.40s VALUE",
			      setting->key, setting->key);
	if (code == LOCAL_OK && !setting->key)
		code = report(LOCAL_USAGE, "set: write set KEY VALUE, such as set routes none");
	if (code == LOCAL_OK && strlen(setting->value) > SETTING_VALUE_MAX)
		code = report(LOCAL_USAGE, "set: a value has at most %d characters",
			      SETTING_VALUE_MAX);
	return code;
}

int verb_set(const struct client *client, int argc, char **argv)
{
	struct setting setting = { 0 };
	json_t *request;
	json_t *reply = NULL;
	int code;

	if (argc > 1 && strcmp(argv[1], "path") == 0)
		return set_path(client, argc, argv);
	code = take_setting(&setting, argc, argv);
	if (code)
		return code;
	request = setting_encode(&setting);
	if (!request || json_object_set_new(request, "verb", json_string("set")) < 0) {
		json_decref(request);
		return report(LOCAL_USAGE, "set: that is no text");
	}
	code = call(client, "set", request, &reply);
	json_decref(reply);
	return code;
}

static void print_setting(const char *key, const json_t *value, bool alone)
{
	const char *text = json_string_value(value);
	char clean_value[TEXT_MAX];
	char clean_key[TEXT_MAX];

	format_text(clean_value, sizeof(clean_value), text ? text : "-");
	if (alone)
		puts(clean_value);
	else
		printf("%s = %s\n", format_text(clean_key, sizeof(clean_key), key), clean_value);
}

int verb_get(const struct client *client, int argc, char **argv)
{
	json_t *settings;
	json_t *reply = NULL;
	const char *key;
	json_t *value;
	int operands;
	int code;

	if (arguments_parse(argc, argv, NULL, 0, 0, 1, &operands))
		return LOCAL_USAGE;
	code = call(client, "get", local_plain_encode("get"), &reply);
	if (code)
		return code;
	settings = json_object_get(reply, "settings");
	if (operands && !json_object_get(settings, argv[1]))
		code = report(LOCAL_FAILURE, "%s is not set: warren get lists what is", argv[1]);
	else if (operands)
		print_setting(argv[1], json_object_get(settings, argv[1]), true);
	else
		json_object_foreach (settings, key, value)
			print_setting(key, value, false);
	json_decref(reply);
	return code;
}

int verb_rotate_key(const struct client *client, int argc, char **argv)
{
	json_t *reply = NULL;
	int operands;
	int code;

	if (arguments_parse(argc, argv, NULL, 0, 0, 0, &operands))
		return LOCAL_USAGE;
	code = call(client, "rotate-key", local_plain_encode("rotate-key"), &reply);
	if (code == 0)
		puts(json_is_true(json_object_get(reply, "again"))
			     ? "a new key is waiting for its certificate already; asked again"
			     : "a new key is in use as soon as a certificate names it");
	json_decref(reply);
	return code;
}
