/* The text of a policy: comments, and where in it something stands, which the JSON parser does not
 * tell. */
#include <stdlib.h>
#include <string.h>

#include "proto/policy_model.h"

#define BLANKS " \t\r\n"

/* The place of the closing quote of the string that begins at `at`, or the end. */
static size_t string_end(const char *text, size_t len, size_t at)
{
	for (at++; at < len && text[at] != '"'; at++)
		if (text[at] == '\\')
			at++;
	return at < len ? at : len;
}

/* The length of the comment that begins here, or 0. */
static size_t comment_len(const char *text, size_t len)
{
	const char *end;

	if (text[0] == '#' || (len > 1 && text[0] == '/' && text[1] == '/')) {
		end = memchr(text, '\n', len);
		return end ? (size_t)(end - text) : len;
	}
	if (len < 4 || text[0] != '/' || text[1] != '*')
		return 0;
	end = memmem(text + 2, len - 2, "*/", 2);
	return end ? (size_t)(end + 2 - text) : 0;
}

static void blank(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] != '\n')
			text[i] = ' ';
}

char *policy_text_clean(const char *text, size_t len)
{
	char *copy = malloc(len + 1);
	char *comma = NULL; /* behind a value, and nothing but blanks since */
	char last = '[';    /* that is no blank */
	size_t at = 0;

	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	while (at < len) {
		size_t comment = comment_len(copy + at, len - at);
		char c = copy[at];

		if (comment) {
			blank(copy + at, comment);
			at += comment;
			continue;
		}
		if ((c == ']' || c == '}') && comma)
			*comma = ' ';
		if (c == ',')
			comma = strchr("[{,", last) ? NULL : &copy[at];
		else if (c == '\0' || !strchr(BLANKS, c))
			comma = NULL;
		if (c == '\0' || !strchr(BLANKS, c))
			last = c;
		at = c == '"' ? string_end(copy, len, at) + 1 : at + 1;
	}
	return copy;
}

int policy_text_line(const char *text, size_t at)
{
	int line = 1;

	for (size_t i = 0; i < at; i++)
		line += text[i] == '\n';
	return line;
}

static bool is_string(const char *text, size_t at, size_t end, const char *wanted)
{
	size_t len = strlen(wanted);

	return end - at - 1 == len && memcmp(text + at + 1, wanted, len) == 0;
}

/* The place of the opening bracket of the array at top-level member key, or len. */
static size_t find_array(const char *text, size_t len, const char *key)
{
	bool active = false;
	int depth = 0;

	for (size_t at = 0; at < len; at++) {
		char c = text[at];

		if (c == '"') {
			size_t end = string_end(text, len, at);

			active = depth == 1 && is_string(text, at, end, key);
			at = end;
		} else if (c == '[' && active) {
			return at;
		} else if (c == '{' || c == '[') {
			depth++;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	return len;
}

/* The place behind the value that begins at `at`. */
static size_t value_end(const char *text, size_t len, size_t at)
{
	int depth = 0;

	for (; at < len; at++) {
		char c = text[at];

		if (c == '"')
			at = string_end(text, len, at);
		else if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && depth-- == 0)
			return at;
		else if (c == ',' && depth == 0)
			return at;
		if (depth == 0 && (c == '}' || c == ']'))
			return at + 1;
	}
	return len;
}

size_t policy_text_elements(const char *text, size_t len, const char *key,
			    struct policy_span *spans, size_t max)
{
	size_t at = find_array(text, len, key) + 1;
	size_t counted = 0; /* up to where lines were counted */
	size_t found = 0;
	int line = 1;

	while (at < len && found < max) {
		size_t end;

		at += strspn(text + at, BLANKS ",");
		if (at >= len || text[at] == ']')
			break;
		for (; counted < at; counted++)
			line += text[counted] == '\n';
		end = value_end(text, len, at);
		spans[found++] = (struct policy_span){ .at = at, .len = end - at, .line = line };
		at = end > at ? end : at + 1;
	}
	return found;
}

int policy_text_find(const char *text, size_t len, size_t at, const char *needle)
{
	for (size_t i = at; needle && i < len; i++) {
		size_t end;

		if (text[i] != '"')
			continue;
		end = string_end(text, len, i);
		if (is_string(text, i, end, needle))
			return policy_text_line(text, i);
		i = end;
	}
	return policy_text_line(text, at);
}
