#ifndef WARREN_COORD_STORE_COPY_H
#define WARREN_COORD_STORE_COPY_H

struct store;

/*
 * All rows of all tables from one database into another that has the tables and no rows, as they
 * are at one moment. One of both is SQLite, which knows its tables by name. 0 or -errno, after
 * which the other one is as it was.
 */
int store_copy(struct store *to, struct store *from, struct store *sqlite);
/* What counters of a shared database say becomes values, as SQLite has them; and the other way. */
int store_copy_counters_to_values(struct store *store);
int store_copy_values_to_counters(struct store *store);

#endif
