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
	struct table *table = calloc(1, sizeof(*table));

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

static size_t column_width(const struct table *table, size_t column)
{
	size_t width = 0;
	size_t i;

	for (i = column; i < table->count; i += table->columns) {
		size_t len = strlen(table->cells[i].text);

		if (len > width)
			width = len;
	}
	return width;
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
	size_t column;
	size_t i;

	for (i = 0; i < table->count; i++) {
		const struct cell *cell = &table->cells[i];
		size_t width;

		column = i % table->columns;
		if (column + 1 == table->columns || i + 1 == table->count) {
			print_cell(cell, out, 0, colour);
			fputc('\n', out);
			continue;
		}
		width = column_width(table, column);
		print_cell(cell, out, width - strlen(cell->text) + 2, colour);
	}
}
