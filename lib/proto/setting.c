#include "proto/setting.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_text(const json_t *value, size_t min, size_t max)
{
	return json_is_string(value) && json_string_length(value) >= min &&
	       json_string_length(value) <= max;
}

static int decode_option(struct setting_option *option, const json_t *pair)
{
	const json_t *name = json_array_get(pair, 0), *value = json_array_get(pair, 1);

	if (json_array_size(pair) != 2 || !is_text(name, 1, SETTING_KEY_MAX) ||
	    !is_text(value, 0, SETTING_VALUE_MAX))
		return -EBADMSG;
	*option = (struct setting_option){ json_string_value(name), json_string_value(value) };
	return 0;
}

static bool is_member(const char *name)
{
	return strcmp(name, "verb") == 0 || strcmp(name, "key") == 0 ||
	       strcmp(name, "value") == 0 || strcmp(name, "options") == 0;
}

int setting_decode(struct setting *setting, const json_t *object)
{
	const json_t *key = json_object_get(object, "key");
	const json_t *value = json_object_get(object, "value");
	const json_t *options = json_object_get(object, "options");
	struct setting parsed = { 0 };
	const char *name;
	json_t *member;

	if (!is_text(key, 1, SETTING_KEY_MAX) || !is_text(value, 0, SETTING_VALUE_MAX) ||
	    (options && !json_is_array(options)) || json_array_size(options) > SETTING_OPTIONS_MAX)
		return -EBADMSG;
	json_object_foreach ((json_t *)(uintptr_t)object, name, member) {
		if (!is_member(name))
			return -EBADMSG;
	}
	parsed.key = json_string_value(key);
	parsed.value = json_string_value(value);
	for (; parsed.option_count < json_array_size(options); parsed.option_count++) {
		if (decode_option(&parsed.options[parsed.option_count],
				  json_array_get(options, parsed.option_count)) < 0)
			return -EBADMSG;
	}
	*setting = parsed;
	return 0;
}

json_t *setting_encode(const struct setting *setting)
{
	json_t *options = json_array();
	bool failed = !options;
	size_t i;

	for (i = 0; i < setting->option_count && !failed; i++)
		failed = json_array_append_new(options, json_pack("[s,s]", setting->options[i].name,
								  setting->options[i].value)) < 0;
	if (failed) {
		json_decref(options);
		return NULL;
	}
	return json_pack("{s:s,s:s,s:o}", "key", setting->key, "value", setting->value, "options",
			 options);
}

const char *setting_option(const struct setting *setting, const char *name, const char *fallback)
{
	size_t i;

	for (i = setting->option_count; i-- > 0;) {
		if (strcmp(setting->options[i].name, name) == 0)
			return setting->options[i].value;
	}
	return fallback;
}

char *setting_text(const struct setting *setting)
{
	char *text = NULL;
	size_t len, i;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	fputs(setting->value, out);
	for (i = 0; i < setting->option_count; i++)
		fprintf(out, " --%s %s", setting->options[i].name, setting->options[i].value);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
