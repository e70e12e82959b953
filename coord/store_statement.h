#ifndef WARREN_COORD_STORE_STATEMENT_H
#define WARREN_COORD_STORE_STATEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "coord/labels.h"

struct store;

/*
 * One statement while it is used, for store*.c only; the same text runs on SQLite and PostgreSQL.
 * So: placeholders $1, $2 … that first appear in ascending order, in which they are bound; columns
 * of whole numbers (INTEGER), TEXT and BLOB; ON CONFLICT for what may exist; conditions that
 * compare
 * (`revoked <> 0`); no table called user, group, order or another reserved word. The first error
 * sticks. Results are read in order after statement_row.
 */
struct statement {
	struct store *store;
	const char *sql;
	int err; /* 0 or -errno */
	int parameter;
	int column;
	uint64_t changes; /* rows that it touched, once it ran to its end */
	void *driver;     /* the database's own */
};

void statement_init(struct statement *s, struct store *store, const char *sql);
void statement_u64(struct statement *s, uint64_t value);
void statement_text(struct statement *s, const char *text);
void statement_blob(struct statement *s, const void *data, size_t len);
void statement_address(struct statement *s, const struct ip_addr *addr);
void statement_labels(struct statement *s, const struct labels *labels);
/* Is there a (next) row? */
bool statement_row(struct statement *s);
uint64_t statement_get_u64(struct statement *s);
/* Damaged values set err. */
void statement_get_text(struct statement *s, char *out, size_t size);
/* At most size bytes; sets *len. */
void statement_get_blob(struct statement *s, uint8_t *out, size_t size, size_t *len);
/* malloc'd, with a NUL after *len bytes; NULL with err set. */
uint8_t *statement_get_copy(struct statement *s, size_t *len);
/* Exactly len bytes. */
void statement_get_bytes(struct statement *s, uint8_t *out, size_t len);
void statement_get_address(struct statement *s, int family, struct ip_addr *addr);
void statement_get_labels(struct statement *s, struct labels *labels);
/* Ends it; 0 or -errno. */
int statement_end(struct statement *s);
/* Runs a statement without results to its end. */
int statement_run(struct statement *s);
/* The same for one that has to change something; -ENOENT: no such row. */
int statement_run_found(struct statement *s);

#endif
