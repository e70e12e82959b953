/* Where in the text something stands: the JSON parser does not tell. */
#include <string.h>

#include "proto/policy_model.h"

struct scan {
	const char *text;
	size_t len;
	size_t at;
	int depth;
};

static int line_at(const char *text, size_t at)
{
	int line = 1;

	for (size_t i = 0; i < at; i++)
		line += text[i] == '\n';
	return line;
}

/* The end of the string that begins at the quote `at`: the place of its closing quote. */
static size_t string_end(const char *text, size_t len, size_t at)
{
	for (at++; at < len && text[at] != '"'; at++)
		if (text[at] == '\\')
			at++;
	return at < len ? at : len;
}

static bool is_string(const struct scan *s, size_t end, const char *wanted)
{
	size_t len = strlen(wanted);

	return end - s->at - 1 == len && memcmp(s->text + s->at + 1, wanted, len) == 0;
}

/* Moves to the opening bracket of the array at top-level member key. */
static bool find_array(struct scan *s, const char *key)
{
	bool active = false;

	for (; s->at < s->len; s->at++) {
		char c = s->text[s->at];

		if (c == '"') {
			size_t end = string_end(s->text, s->len, s->at);

			active = s->depth == 1 && is_string(s, end, key);
			s->at = end;
		} else if (c == '[' && active) {
			return true;
		} else if (c == '{' || c == '[') {
			s->depth++;
		} else if (c == '}' || c == ']') {
			s->depth--;
		}
	}
	return false;
}

/* From the bracket to the start of element number index. */
static bool find_element(struct scan *s, size_t index)
{
	int depth = 0;
	bool expecting = true;

	for (s->at++; s->at < s->len; s->at++) {
		char c = s->text[s->at];

		if (strchr(" \t\r\n", c))
			continue;
		if (depth == 0 && expecting && c != ']') {
			if (index-- == 0)
				return true;
			expecting = false;
		}
		if (c == '"')
			s->at = string_end(s->text, s->len, s->at);
		else if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && depth-- == 0)
			return false;
		else if (c == ',' && depth == 0)
			expecting = true;
	}
	return false;
}

static bool find_string(struct scan *s, const char *needle)
{
	for (; s->at < s->len; s->at++) {
		size_t end;

		if (s->text[s->at] != '"')
			continue;
		end = string_end(s->text, s->len, s->at);
		if (is_string(s, end, needle))
			return true;
		s->at = end;
	}
	return false;
}

int policy_find_line(const char *text, size_t len, const char *key, size_t index,
		     const char *needle)
{
	struct scan s = { .text = text, .len = len };
	size_t element;

	if (key) {
		if (!find_array(&s, key) || !find_element(&s, index))
			return 0;
	}
	element = s.at;
	if (needle && !find_string(&s, needle))
		return key ? line_at(text, element) : 0;
	return line_at(text, s.at);
}
