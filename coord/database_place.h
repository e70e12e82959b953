#ifndef WARREN_COORD_DATABASE_PLACE_H
#define WARREN_COORD_DATABASE_PLACE_H

struct options;

/*
 * Where the network's tables are, by --database and --database-file: *place is NULL (SQLite in the
 * data folder) or malloc'd text for libpq, which may hold a password: free with
 * database_place_free. Warns of a password in the arguments. 0, or the exit code with a line on
 * stderr.
 */
int database_place(char **place, const struct options *options);
/* Wipes. Accepts NULL. */
void database_place_free(char *place);

#endif
