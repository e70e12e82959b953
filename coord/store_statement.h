#ifndef WARREN_COORD_STORE_STATEMENT_H
#define WARREN_COORD_STORE_STATEMENT_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "coord/labels.h"

struct store {
	sqlite3 *db;
};

/*
 * One prepared statement while it is used, for store*.c only. Parameters are bound in order; the
 * first error sticks. Results are read in order after statement_row.
 */
struct statement {
	sqlite3 *db;
	sqlite3_stmt *stmt;
	int parameter;
	int column;
	int err; /* of SQLite */
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
/* Exactly len bytes. */
void statement_get_bytes(struct statement *s, uint8_t *out, size_t len);
void statement_get_address(struct statement *s, int family, struct ip_addr *addr);
void statement_get_labels(struct statement *s, struct labels *labels);
/* Ends it; 0 or -errno. */
int statement_end(struct statement *s);
/* Runs a statement without results to its end. */
int statement_run(struct statement *s);

#endif
