#ifndef WARREN_TESTS_DATABASE_H
#define WARREN_TESTS_DATABASE_H

/* A PostgreSQL cluster of the test's own (tests/support/postgres), where Debian's package is there.
 */
#define DATABASE_PLACE_SIZE 128

struct database {
	char dir[64];
	char place[DATABASE_PLACE_SIZE]; /* to connect to it */
};

/* 0, or -1: none here. */
int database_begin(struct database *database);
void database_end(struct database *database);
/* As an admin would. */
void database_stop(struct database *database);
void database_start(struct database *database);
/* Nothing is in it any more. */
void database_clear(struct database *database);
/* Runs statements from outside; aborts when they fail. */
void database_run(struct database *database, const char *sql);

#endif
