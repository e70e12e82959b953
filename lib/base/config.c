#include "base/config.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parse {
	const char *const *names;
	size_t count;
	const char *(*set)(void *arg, const char *name, const char *value);
	void *arg;
	char why[sizeof(((struct config_error *)0)->text)];
	bool failed;
	bool seen[CONFIG_KEYS_MAX];
};

static int refuse(struct parse *parse, const char *name, const char *why)
{
	size_t i;

	/* libinih goes on after an error; only the first one counts. */
	if (parse->failed)
		return 0;
	parse->failed = true;
	snprintf(parse->why, sizeof(parse->why), "%.40s: %s", name, why);
	for (i = 0; parse->why[i]; i++) {
		if (parse->why[i] < ' ' || parse->why[i] > '~')
			parse->why[i] = '?';
	}
	return 0;
}

/* libinih's handler: 1 is success. */
static int on_pair(void *user, const char *section, const char *name, const char *value)
{
	struct parse *parse = user;
	const char *why;
	size_t i;

	if (parse->failed)
		return 0;
	(void)section; /* check_lines refuses them */
	for (i = 0; i < parse->count; i++) {
		if (strcmp(parse->names[i], name) == 0)
			break;
	}
	if (i == parse->count)
		return refuse(parse, name, "unknown key");
	if (parse->seen[i])
		return refuse(parse, name, "given twice");
	parse->seen[i] = true;
	why = parse->set(parse->arg, name, value ? value : "");
	return why ? refuse(parse, name, why) : 1;
}

/* What libinih would silently cut or misread is refused before it sees the text. */
static int check_lines(const char *text, size_t len, struct config_error *error)
{
	unsigned int line = 1;
	size_t start = 0;
	size_t i;

	for (i = 0; i <= len; i++) {
		if (i < len && text[i] == '\0') {
			*error = (struct config_error){ line, "a NUL byte" };
			return -EINVAL;
		}
		if (i < len && text[i] != '\n')
			continue;
		if (i - start > CONFIG_LINE_MAX - 2) {
			*error = (struct config_error){ line, "the line is too long" };
			return -EINVAL;
		}
		if (i > start && text[start] == '[') {
			*error = (struct config_error){ line, "sections are not used here" };
			return -EINVAL;
		}
		/* A leading blank would continue the value of the line before. */
		if (i > start && (text[start] == ' ' || text[start] == '\t') &&
		    strspn(text + start, " \t\r") < i - start) {
			*error =
				(struct config_error){ line, "a line must not begin with a blank" };
			return -EINVAL;
		}
		start = i + 1;
		line++;
	}
	return 0;
}

int config_parse_named(const char *text, size_t len, const char *const *names, size_t count,
		       const char *(*set)(void *arg, const char *name, const char *value),
		       void *arg, struct config_error *error)
{
	struct parse parse = { .names = names, .count = count, .set = set, .arg = arg };
	char *copy;
	int line;

	if (len > CONFIG_SIZE_MAX)
		return -EFBIG;
	if (count > CONFIG_KEYS_MAX)
		return -EINVAL;
	copy = malloc(len + 1);
	if (!copy)
		return -ENOMEM;
	if (len)
		memcpy(copy, text, len);
	copy[len] = '\0';
	if (check_lines(copy, len, error)) {
		free(copy);
		return -EINVAL;
	}
	line = ini_parse_string(copy, on_pair, &parse);
	free(copy);
	if (line < 0)
		return -ENOMEM;
	if (line == 0)
		return 0;
	error->line = (unsigned int)line;
	snprintf(error->text, sizeof(error->text), "%s",
		 parse.failed ? parse.why : "not of the form key = value");
	return -EINVAL;
}

struct table {
	const struct config_key *keys;
	void *arg;
};

static const char *set_by_table(void *arg, const char *name, const char *value)
{
	const struct table *table = arg;
	size_t i = 0;

	while (strcmp(table->keys[i].name, name) != 0)
		i++;
	return table->keys[i].set(table->arg, value);
}

int config_parse(const char *text, size_t len, const struct config_key *keys, size_t count,
		 void *arg, struct config_error *error)
{
	struct table table = { .keys = keys, .arg = arg };
	const char *names[CONFIG_KEYS_MAX];

	if (count > CONFIG_KEYS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < count; i++)
		names[i] = keys[i].name;
	return config_parse_named(text, len, names, count, set_by_table, &table, error);
}

int config_number(unsigned long *out, const char *value, unsigned long min, unsigned long max)
{
	unsigned long n = 0;
	const char *at;

	if (!value[0])
		return -EINVAL;
	for (at = value; *at; at++) {
		unsigned long digit = (unsigned long)(*at - '0');

		if (*at < '0' || *at > '9' || n > max / 10 || digit > max - n * 10)
			return -EINVAL;
		n = n * 10 + digit;
	}
	if (n < min || n > max)
		return -EINVAL;
	*out = n;
	return 0;
}

int config_bool(bool *out, const char *value)
{
	static const char *const yes[] = { "yes", "true", "on" };
	static const char *const no[] = { "no", "false", "off" };
	size_t i;

	for (i = 0; i < 3; i++) {
		if (strcmp(value, yes[i]) == 0 || strcmp(value, no[i]) == 0) {
			*out = strcmp(value, yes[i]) == 0;
			return 0;
		}
	}
	return -EINVAL;
}
