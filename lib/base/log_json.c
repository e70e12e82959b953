#include "base/log_json.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct writer {
	char *out;
	size_t len;
	size_t room; /* up to where whole members may be written */
	bool full;
};

static void put(struct writer *w, char c)
{
	if (w->len < w->room)
		w->out[w->len++] = c;
	else
		w->full = true;
}

static void put_text(struct writer *w, const char *text, size_t len)
{
	put(w, '"');
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"' || text[i] == '\\')
			put(w, '\\');
		put(w, text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?');
	}
	put(w, '"');
}

/* One member, or nothing of it when it does not fit. */
static void put_member(struct writer *w, const char *name, size_t name_len, const char *value,
		       size_t value_len)
{
	size_t before = w->len;

	if (w->full)
		return;
	if (w->len > 1)
		put(w, ',');
	put_text(w, name, name_len);
	put(w, ':');
	put_text(w, value, value_len);
	if (w->full)
		w->len = before;
}

static void put_time(struct writer *w, uint64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	char day[40];
	char text[64];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03uZ", day, (unsigned int)(wall_ms % 1000));
	put_member(w, "time", 4, text, strlen(text));
}

/* The length of a quoted value behind its opening quote, without the closing one. */
static size_t quoted_len(const char *value)
{
	size_t len = 0;

	while (value[len] && !(value[len] == '"' && (value[len + 1] == ' ' || !value[len + 1])))
		len++;
	return len;
}

/* One word of the line, "name=value" or a word alone; returns what follows. */
static const char *put_pair(struct writer *w, const char *at)
{
	size_t name_len = strcspn(at, "= ");
	const char *value = at + name_len;
	size_t len;

	if (*value != '=') {
		put_member(w, "text", 4, at, name_len);
		return value;
	}
	value++;
	if (*value != '"') {
		len = strcspn(value, " ");
		put_member(w, at, name_len, value, len);
		return value + len;
	}
	value++;
	len = quoted_len(value);
	put_member(w, at, name_len, value, len);
	return value + len + (value[len] == '"');
}

size_t log_json_format(char *out, size_t size, const char *level, const char *line,
		       uint64_t wall_ms)
{
	struct writer w = { .out = out, .room = size - 2 };
	size_t event_len = strcspn(line, " ");

	put(&w, '{');
	put_time(&w, wall_ms);
	put_member(&w, "level", 5, level, strlen(level));
	put_member(&w, "event", 5, line, event_len);
	line += event_len;
	while (*line) {
		line += strspn(line, " ");
		if (*line)
			line = put_pair(&w, line);
	}
	out[w.len++] = '}';
	out[w.len] = '\0';
	return w.len;
}
