#include "coord/store_copy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coord/network.h"
#include "coord/store.h"
#include "coord/store_statement.h"

#define TABLES_MAX  64
#define COLUMNS_MAX 32
#define NAME_SIZE   64
#define SQL_MAX     4096

struct table {
	char name[NAME_SIZE];
	char columns[COLUMNS_MAX][NAME_SIZE];
	bool numbers[COLUMNS_MAX];
	bool texts[COLUMNS_MAX];
	size_t count;
};

/* Names come from our own schema, so they need no quotes. */
static int list_tables(struct store *sqlite, char names[TABLES_MAX][NAME_SIZE], size_t *count)
{
	struct statement s;

	*count = 0;
	statement_init(&s, sqlite,
		       "SELECT name FROM sqlite_schema WHERE type = 'table'"
		       " AND name NOT LIKE 'sqlite_%' ORDER BY name");
	while (*count < TABLES_MAX && statement_row(&s))
		statement_get_text(&s, names[(*count)++], NAME_SIZE);
	return statement_end(&s);
}

static int describe(struct store *sqlite, struct table *table)
{
	char type[NAME_SIZE];
	struct statement s;

	table->count = 0;
	statement_init(&s, sqlite, "SELECT name, type FROM pragma_table_info($1)");
	statement_text(&s, table->name);
	while (table->count < COLUMNS_MAX && statement_row(&s)) {
		type[0] = '\0';
		statement_get_text(&s, table->columns[table->count], NAME_SIZE);
		statement_get_text(&s, type, sizeof(type));
		table->numbers[table->count] = strcmp(type, "INTEGER") == 0;
		table->texts[table->count++] = strcmp(type, "TEXT") == 0;
	}
	return statement_end(&s);
}

static void write_sql(char select[static SQL_MAX], char insert[static SQL_MAX],
		      const struct table *table)
{
	char columns[COLUMNS_MAX * NAME_SIZE] = "";
	char values[COLUMNS_MAX * 8] = "";
	size_t at = 0;
	size_t to = 0;

	for (size_t i = 0; i < table->count; i++) {
		at += (size_t)snprintf(columns + at, sizeof(columns) - at, "%s%s", i ? ", " : "",
				       table->columns[i]);
		to += (size_t)snprintf(values + to, sizeof(values) - to, "%s$%zu", i ? ", " : "",
				       i + 1);
	}
	snprintf(select, SQL_MAX, "SELECT %s FROM %s", columns, table->name);
	snprintf(insert, SQL_MAX, "INSERT INTO %s (%s) VALUES (%s)", table->name, columns, values);
}

static int copy_row(struct statement *row, struct store *to, const char *insert,
		    const struct table *table)
{
	struct statement s;

	statement_init(&s, to, insert);
	for (size_t i = 0; i < table->count && row->err == 0; i++) {
		uint8_t *data;
		size_t len = 0;

		if (table->numbers[i]) {
			statement_u64(&s, statement_get_u64(row));
			continue;
		}
		data = statement_get_copy(row, &len);
		if (data && table->texts[i])
			statement_text(&s, (char *)data);
		else if (data)
			statement_blob(&s, data, len);
		if (data)
			explicit_bzero(data, len);
		free(data);
	}
	if (row->err < 0) {
		statement_end(&s);
		return row->err;
	}
	return statement_run(&s);
}

static int copy_table(struct store *to, struct store *from, const struct table *table)
{
	char select[SQL_MAX];
	char insert[SQL_MAX];
	struct statement s;
	int result = 0;
	int err;

	write_sql(select, insert, table);
	statement_init(&s, from, select);
	while (result == 0 && statement_row(&s))
		result = copy_row(&s, to, insert, table);
	err = statement_end(&s);
	return err < 0 ? err : result;
}

static int copy_all(struct store *to, struct store *from, struct store *sqlite)
{
	static char names[TABLES_MAX][NAME_SIZE];
	static struct table table;
	size_t count;
	int err = list_tables(sqlite, names, &count);

	for (size_t i = 0; err == 0 && i < count; i++) {
		memcpy(table.name, names[i], sizeof(table.name));
		err = describe(sqlite, &table);
		if (err == 0)
			err = copy_table(to, from, &table);
	}
	return err;
}

int store_copy(struct store *to, struct store *from, struct store *sqlite)
{
	/* Nobody changes anything meanwhile. */
	int err = store_begin(from);

	if (err < 0)
		return err;
	err = store_begin(to);
	if (err == 0)
		err = copy_all(to, from, sqlite);
	if (err == 0)
		err = store_commit(to);
	if (err < 0)
		store_rollback(to);
	store_rollback(from);
	return err;
}

static const char *const counters[] = { NETWORK_VALUE_SERIAL, NETWORK_VALUE_EPOCH };

int store_copy_counters_to_values(struct store *store)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < sizeof(counters) / sizeof(counters[0]); i++) {
		struct statement s;
		uint64_t next = 0;

		statement_init(&s, store, "SELECT next FROM counter WHERE name = $1");
		statement_text(&s, counters[i]);
		if (statement_row(&s))
			next = statement_get_u64(&s);
		err = statement_end(&s);
		if (err == 0 && next)
			err = store_set_u64(store, counters[i], next);
	}
	return err;
}

int store_copy_values_to_counters(struct store *store)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < sizeof(counters) / sizeof(counters[0]); i++) {
		struct statement s;
		uint64_t value = 0;

		err = store_get_u64(store, counters[i], &value);
		if (err < 0)
			return err;
		statement_init(&s, store,
			       "INSERT INTO counter (name, next) VALUES ($1, $2)"
			       " ON CONFLICT (name) DO UPDATE SET next = excluded.next");
		statement_text(&s, counters[i]);
		statement_u64(&s, value + 1);
		err = statement_run(&s);
	}
	return err;
}
