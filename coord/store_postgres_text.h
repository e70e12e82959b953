#ifndef WARREN_COORD_STORE_POSTGRES_TEXT_H
#define WARREN_COORD_STORE_POSTGRES_TEXT_H

/* A script of store_schema.c in PostgreSQL's words; malloc'd, NULL when out of memory. */
char *store_postgres_text(const char *sql);

/*
 * What follows every change: a row in `change` with a number that grows in the order of commits,
 * and a notification on channel warren_change, so that the other coordinators read the row anew.
 */
extern const char store_postgres_following[];

#endif
