#include "tests/support/database.h"

#include <libpq-fe.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int control(const char *verb, const char *dir)
{
	char *argv[] = { "tests/support/postgres", (char *)verb, (char *)dir, NULL };
	int status;
	pid_t child;

	if (posix_spawn(&child, argv[0], NULL, NULL, argv, environ) != 0 ||
	    waitpid(child, &status, 0) != child)
		return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

int database_begin(struct database *database)
{
	strcpy(database->dir, "/tmp/warren-database-XXXXXX");
	if (!mkdtemp(database->dir))
		return -1;
	if (control("start", database->dir) < 0) {
		control("remove", database->dir);
		rmdir(database->dir);
		return -1;
	}
	snprintf(database->place, sizeof(database->place), "host=%s user=postgres dbname=postgres",
		 database->dir);
	return 0;
}

void database_end(struct database *database)
{
	control("remove", database->dir);
}

void database_stop(struct database *database)
{
	if (control("stop", database->dir) < 0)
		abort();
}

void database_start(struct database *database)
{
	if (control("start", database->dir) < 0)
		abort();
}

void database_run(struct database *database, const char *sql)
{
	PGconn *conn = PQconnectdb(database->place);
	PGresult *result = PQexec(conn, sql);

	if (PQresultStatus(result) != PGRES_COMMAND_OK &&
	    PQresultStatus(result) != PGRES_TUPLES_OK) {
		fprintf(stderr, "%s", PQerrorMessage(conn));
		abort();
	}
	PQclear(result);
	PQfinish(conn);
}

void database_clear(struct database *database)
{
	database_run(database, "SET client_min_messages = warning;"
			       "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
}
