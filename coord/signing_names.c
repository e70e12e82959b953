#include "coord/signing_names.h"

#include <stdlib.h>
#include <string.h>

#include "coord/signing_summary.h"
#include "proto/names_document.h"

/* None is called so: all names that are not relative are other networks'. */
#define NO_NETWORK "x--signing"

/* The lines of a document, each for one entry, in an order of their own. */
struct entries {
	char **lines;
	size_t count;
};

static void entries_clear(struct entries *entries)
{
	for (size_t i = 0; i < entries->count; i++)
		free(entries->lines[i]);
	free(entries->lines);
}

static void add(struct entries *entries, int len, char *line)
{
	if (len >= 0)
		entries->lines[entries->count++] = line;
}

static char *split_line(const struct names_split *split)
{
	char text[ENDPOINT_TEXT_SIZE];
	char *line = NULL;
	size_t len;
	FILE *out = open_memstream(&line, &len);

	if (!out)
		return NULL;
	fprintf(out, "questions below %s go to", split->domain);
	for (size_t i = 0; i < split->server_count; i++)
		fprintf(out, " %s", names_server_format(text, &split->servers[i]));
	return fclose(out) == 0 ? line : NULL;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/*
 * Names need no network here: whatever the network's name is, the text is canonical and relative.
 * False: it is no names document.
 */
static bool read_entries(struct entries *entries, const struct document *document)
{
	struct names_document names;
	char error[NAMES_ERROR_SIZE];

	*entries = (struct entries){ .count = 0 };
	if (names_document_parse(&names, document->names ? document->names : "",
				 document->names_len, NO_NETWORK, error) < 0)
		return false;
	entries->lines = calloc(names.record_count + names.split_count + 1, sizeof(char *));
	for (size_t i = 0; entries->lines && i < names.record_count; i++) {
		const struct names_record *record = &names.records[i];
		char *line;
		int len = asprintf(&line, "%s %s \"%s\"", record->name,
				   names_type_text(record->type), record->value);

		add(entries, len, line);
	}
	for (size_t i = 0; entries->lines && i < names.split_count; i++) {
		char *line = split_line(&names.splits[i]);

		add(entries, line ? 0 : -1, line);
	}
	if (entries->lines)
		qsort(entries->lines, entries->count, sizeof(char *), compare);
	names_document_clear(&names);
	return entries->lines;
}

static void print(FILE *out, char sign, const char *line)
{
	fprintf(out, "    %c ", sign);
	signing_summary_text(out, line);
	fputc('\n', out);
}

void signing_summary_names(FILE *out, const struct document *previous,
			   const struct document *document)
{
	struct entries before;
	struct entries after;
	size_t i = 0;
	size_t j = 0;

	if (!read_entries(&after, document)) {
		fputs("    NO valid names: machines will refuse them\n", out);
		signing_summary_text(out, document->names);
		fputc('\n', out);
		entries_clear(&after);
		return;
	}
	read_entries(&before, previous);
	while (i < before.count || j < after.count) {
		int order = i == before.count  ? 1
			    : j == after.count ? -1
					       : strcmp(before.lines[i], after.lines[j]);

		if (order < 0)
			print(out, '-', before.lines[i++]);
		else if (order > 0)
			print(out, '+', after.lines[j++]);
		else
			i++, j++;
	}
	fprintf(out, "    %zu in all\n", after.count);
	entries_clear(&before);
	entries_clear(&after);
}
