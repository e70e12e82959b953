#include "coord/policy_options.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char policy_options_usage[] =
	"  policy check [FILE] --from WHO --to WHO|ADDR [--proto tcp] [--port P] [--json]\n"
	"                              which rule decides; without FILE, of the present policy\n"
	"  policy check FILE --diff [--json]\n"
	"                              who would gain and lose what\n";

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "warren-coord: %s: %s; see warren-coord --help\n", what, why);
	return -EINVAL;
}

/* `policy check`, wherever options stand between; *words: all that are no options. */
static bool is_policy_check(int argc, char **argv, int *words)
{
	const char *found[2] = { "", "" };

	*words = 0;
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-') {
			/* The values of the options that any command has, and of ours. */
			if (strchr(argv[i], '=') == NULL && i + 1 < argc &&
			    strcmp(argv[i], "--diff") != 0 && strcmp(argv[i], "--json") != 0 &&
			    strcmp(argv[i], "--verbose") != 0 && strcmp(argv[i], "--help") != 0 &&
			    strcmp(argv[i], "--version") != 0)
				i++;
			continue;
		}
		if (*words < 2)
			found[*words] = argv[i];
		(*words)++;
	}
	return strcmp(found[0], "policy") == 0 && strcmp(found[1], "check") == 0;
}

static int take_port(json_t *request, const char *value)
{
	char *end;
	long port = strtol(value, &end, 10);

	if (value[0] < '0' || value[0] > '9' || *end || port > UINT16_MAX)
		return complain("--port", "want a number up to 65535");
	return json_object_set_new(request, "port", json_integer(port));
}

/* 1: taken, with its value if it has one; 0: not ours. */
static int take_one(json_t *request, const char *option, const char *value)
{
	if (strcmp(option, "--diff") == 0)
		return json_object_set_new(request, "diff", json_true()) < 0 ? -ENOMEM : 1;
	if (strcmp(option, "--from") != 0 && strcmp(option, "--to") != 0 &&
	    strcmp(option, "--proto") != 0 && strcmp(option, "--port") != 0)
		return 0;
	if (!value)
		return complain(option, "wants a value");
	if (strcmp(option, "--port") == 0)
		return take_port(request, value) < 0 ? -EINVAL : 1;
	if (json_object_set_new(request, option + 2, json_string(value)) < 0)
		return complain(option, "is not UTF-8 text");
	return 1;
}

static int take_all(json_t *request, int *argc, char **argv)
{
	int kept = 1;

	for (int i = 1; i < *argc; i++) {
		char *equals = strncmp(argv[i], "--", 2) == 0 ? strchr(argv[i], '=') : NULL;
		char option[16] = "";
		const char *value = equals ? equals + 1 : i + 1 < *argc ? argv[i + 1] : NULL;
		int taken;

		snprintf(option, sizeof(option), "%.*s",
			 equals ? (int)(equals - argv[i]) : (int)sizeof(option) - 1, argv[i]);
		taken = take_one(request, option, value);
		if (taken < 0)
			return taken;
		if (!taken)
			argv[kept++] = argv[i];
		else if (!equals && strcmp(option, "--diff") != 0)
			i++;
	}
	*argc = kept;
	return 0;
}

int policy_options_take(json_t **out, int *argc, char **argv)
{
	static char present[] = "";
	json_t *request;
	bool asks;
	int words;
	int before = *argc;

	if (!is_policy_check(*argc, argv, &words))
		return 0;
	request = json_object();
	if (!request || take_all(request, argc, argv) < 0) {
		json_decref(request);
		return -EINVAL;
	}
	asks = json_object_get(request, "from") || json_object_get(request, "to");
	if (asks && (!json_object_get(request, "from") || !json_object_get(request, "to"))) {
		json_decref(request);
		return complain("policy check", "--from and --to belong together");
	}
	/* Options that were taken out have left room. */
	if (asks && words == 2 && *argc < before) {
		argv[(*argc)++] = present;
		argv[*argc] = NULL;
	}
	*out = request;
	return 0;
}
