#include "ctl/table.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/format.h"

struct cell {
	char text[TABLE_CELL_MAX];
	enum table_colour colour;
};

struct table {
	size_t columns;
	size_t count;
	size_t size;
	struct cell *cells;
};

struct table *table_new(size_t columns)
{
	struct table *table;

	if (columns < 1 || columns > TABLE_COLUMNS_MAX)
		return NULL;
	table = calloc(1, sizeof(*table));
	if (table)
		table->columns = columns;
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	free(table->cells);
	free(table);
}

void table_add(struct table *table, const char *text, enum table_colour colour)
{
	if (table->count == table->size) {
		size_t size = table->size ? table->size * 2 : 64;
		struct cell *cells = reallocarray(table->cells, size, sizeof(*cells));

		if (!cells)
			return;
		table->cells = cells;
		table->size = size;
	}
	format_text(table->cells[table->count].text, TABLE_CELL_MAX, text);
	table->cells[table->count++].colour = colour;
}

/* The widest cell of each column but the last, which needs no padding. */
static void measure(const struct table *table, size_t widths[static TABLE_COLUMNS_MAX])
{
	size_t i;

	memset(widths, 0, TABLE_COLUMNS_MAX * sizeof(*widths));
	for (i = 0; i < table->count; i++) {
		size_t len = strlen(table->cells[i].text);

		if (len > widths[i % table->columns])
			widths[i % table->columns] = len;
	}
}

static void print_cell(const struct cell *cell, FILE *out, size_t padding, int colour)
{
	static const char *const codes[] = {
		[TABLE_PLAIN] = "",
		[TABLE_GREEN] = "\033[32m",
		[TABLE_YELLOW] = "\033[33m",
		[TABLE_RED] = "\033[31m",
	};
	int coloured = colour && cell->colour != TABLE_PLAIN;

	fprintf(out, "%s%s%s%*s", coloured ? codes[cell->colour] : "", cell->text,
		coloured ? "\033[0m" : "", (int)padding, "");
}

void table_print(const struct table *table, FILE *out, int colour)
{
	size_t widths[TABLE_COLUMNS_MAX];
	size_t i;

	measure(table, widths);
	for (i = 0; i < table->count; i++) {
		const struct cell *cell = &table->cells[i];
		size_t column = i % table->columns;

		if (column + 1 == table->columns || i + 1 == table->count) {
			print_cell(cell, out, 0, colour);
			fputc('\n', out);
			continue;
		}
		print_cell(cell, out, widths[column] - strlen(cell->text) + 2, colour);
	}
}
