#ifndef WARREN_CTL_TABLE_H
#define WARREN_CTL_TABLE_H

#include <stddef.h>
#include <stdio.h>

/* Text in aligned columns, two blanks apart; what a cell holds is made printable on the way in. */
struct table;

#define TABLE_CELL_MAX    128 /* longer text is cut */
#define TABLE_COLUMNS_MAX 16

enum table_colour {
	TABLE_PLAIN,
	TABLE_GREEN,
	TABLE_YELLOW,
	TABLE_RED,
};

/* NULL when out of memory or for more columns. */
struct table *table_new(size_t columns);
void table_free(struct table *table);
/* Adds the next cell, row by row. Out of memory drops the cell. */
void table_add(struct table *table, const char *text, enum table_colour colour);
/* Colours only when asked to. */
void table_print(const struct table *table, FILE *out, int colour);

#endif
