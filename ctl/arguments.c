#include "ctl/arguments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/format.h"
#include "ctl/report.h"

#define NUMBER_MAX 1000000

/* Where we are in the command line. */
struct cursor {
	int argc;
	char **argv;
	int at;
};

static int parse_number(uint64_t *out, const char *text)
{
	uint64_t n = 0;
	const char *at;

	for (at = text; *at >= '0' && *at <= '9' && n <= NUMBER_MAX; at++)
		n = n * 10 + (uint64_t)(*at - '0');
	if (*at || n < 1 || n > NUMBER_MAX)
		return -EINVAL;
	*out = n;
	return 0;
}

static int set_value(const char *verb, const struct argument *option, const char *text)
{
	if (option->kind == ARGUMENT_TEXT) {
		*(const char **)option->value = text;
		return 0;
	}
	if (option->kind == ARGUMENT_NUMBER) {
		if (parse_number(option->value, text) == 0)
			return 0;
		report(LOCAL_USAGE, "%s: %s is not a number from 1 to %d", verb, text, NUMBER_MAX);
		return -EINVAL;
	}
	if (format_parse_duration(option->value, text) == 0)
		return 0;
	report(LOCAL_USAGE, "%s: %s is not a duration: write 500ms, 60s, 5m or 1h", verb, text);
	return -EINVAL;
}

/* value: what came with "=" or behind the letter, or NULL. */
static int take_option(struct cursor *cursor, const struct argument *option, const char *value)
{
	const char *verb = cursor->argv[0];

	if (option->kind == ARGUMENT_FLAG) {
		if (value) {
			report(LOCAL_USAGE, "%s: %s takes no value", verb,
			       cursor->argv[cursor->at]);
			return -EINVAL;
		}
		*(bool *)option->value = true;
		return 0;
	}
	if (!value && cursor->at + 1 < cursor->argc)
		value = cursor->argv[++cursor->at];
	if (!value) {
		report(LOCAL_USAGE, "%s: %s needs a value", verb, cursor->argv[cursor->at]);
		return -EINVAL;
	}
	return set_value(verb, option, value);
}

/* The option that text names, and the value that stands in the same word. */
static const struct argument *find_option(const struct argument *options, size_t count,
					  const char *text, const char **value)
{
	size_t len = strcspn(text + 2, "=");
	size_t i;

	*value = NULL;
	for (i = 0; i < count; i++) {
		if (text[1] != '-') {
			if (options[i].letter != text[1])
				continue;
			*value = text[2] ? text + 2 : NULL;
			return &options[i];
		}
		if (strlen(options[i].name) != len || strncmp(options[i].name, text + 2, len) != 0)
			continue;
		*value = text[2 + len] ? text + 3 + len : NULL;
		return &options[i];
	}
	return NULL;
}

static int check_operands(const char *verb, int operands, int min, int max)
{
	if (operands >= min && operands <= max)
		return 0;
	report(LOCAL_USAGE, "%s: %s: see warren --help", verb,
	       operands < min ? "an argument is missing" : "too many arguments");
	return -EINVAL;
}

int arguments_parse(int argc, char **argv, const struct argument *options, size_t count, int min,
		    int max, int *operands)
{
	struct cursor cursor = { argc, argv, 1 };
	bool ended = false;
	int kept = 0;

	for (; cursor.at < argc; cursor.at++) {
		const struct argument *option;
		char *text = argv[cursor.at];
		const char *value;

		/* "-" alone is an operand: standard input. */
		if (ended || text[0] != '-' || !text[1]) {
			argv[1 + kept++] = text;
			continue;
		}
		ended = strcmp(text, "--") == 0;
		if (ended)
			continue;
		option = find_option(options, count, text, &value);
		if (!option) {
			report(LOCAL_USAGE, "%s: unknown option %s: see warren --help", argv[0],
			       text);
			return -EINVAL;
		}
		if (take_option(&cursor, option, value))
			return -EINVAL;
	}
	*operands = kept;
	return check_operands(argv[0], kept, min, max);
}
