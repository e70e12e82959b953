#include <stdio.h>
#include <string.h>

#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/format.h"
#include "ctl/report.h"
#include "ctl/verbs.h"

#define TEXT_MAX 256

/* The answer without its wrapping; errors are reported. */
static int call(const struct client *client, const char *verb, json_t *request, json_t **reply)
{
	int code = client_call(client, request, CLIENT_PATIENCE_MS, NULL, NULL, reply);

	if (code == LOCAL_TIMEOUT)
		report(LOCAL_TIMEOUT, "%s: the daemon did not answer: see journalctl -u warren",
		       verb);
	return code;
}

int verb_set(const struct client *client, int argc, char **argv)
{
	struct local_set_path set = { 0 };
	json_t *reply = NULL;
	int operands;
	int code;

	if (arguments_parse(argc, argv, NULL, 0, 1, 3, &operands))
		return LOCAL_USAGE;
	if (strcmp(argv[1], "path") != 0)
		return report(LOCAL_USAGE, "set: there is no setting %s: path is one", argv[1]);
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
