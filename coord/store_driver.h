#ifndef WARREN_COORD_STORE_DRIVER_H
#define WARREN_COORD_STORE_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coord/store_statement.h"

/* What a database has to do for store*.c. All errors are -errno as store.h names them. */

enum store_kind { STORE_NUMBER, STORE_TEXT, STORE_BLOB };

struct store_driver {
	bool shared; /* other programs may change it meanwhile */
	void (*close)(struct store *store);
	int (*begin)(struct store *store);
	int (*commit)(struct store *store);
	void (*rollback)(struct store *store);
	int (*backup)(struct store *store, const char *path);
	bool (*is_away)(const struct store *store); /* NULL: never */
	/* Statements without parameters and results, as SQLite writes them (see store_schema.c). */
	int (*script)(struct store *store, const char *sql);
	/* 0: an empty database. */
	int (*version)(struct store *store, uint64_t *version);
	int (*set_version)(struct store *store, uint64_t version);
	/* In the transaction that made or migrated the tables; NULL: nothing to do. */
	int (*settled)(struct store *store);

	int (*prepare)(struct statement *s);
	/* The next parameter; a number is 8 bytes, big-endian. */
	int (*bind)(struct statement *s, enum store_kind kind, const void *data, size_t len);
	/* 1: a row, 0: the end (s->changes is set then). */
	int (*step)(struct statement *s);
	int (*number)(struct statement *s, int column, uint64_t *value);
	/* Borrowed until the next row; after a text follows a NUL. */
	int (*bytes)(struct statement *s, int column, const void **data, size_t *len);
	void (*finish)(struct statement *s);
};

/* The part that every database has; drivers have more behind it. */
struct store {
	const struct store_driver *driver;
	/* For the audit log, with the next change; NULL: nothing. */
	struct store_audit *note;
	bool in_transaction;
	void *db; /* sqlite3 or what store_postgres.c keeps */
};

/*
 * Brings a database to this program's schema, in transactions: makes one in an empty database if
 * `create`, migrates an older one. 0; -EUCLEAN: none there; -EPROTO: newer.
 */
int store_schema_settle(struct store *store, bool create);

#endif
