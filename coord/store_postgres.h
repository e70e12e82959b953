#ifndef WARREN_COORD_STORE_POSTGRES_H
#define WARREN_COORD_STORE_POSTGRES_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/*
 * The store in PostgreSQL, which several coordinators may share. Statements are waited for, but
 * none longer than STORE_POSTGRES_LIMIT_MS: then, as when the connection is lost, it is given up,
 * and every call fails at once (-ENOTCONN) until somebody hands over a new connection. A
 * transaction that changes something is alone (an advisory lock), so that numbers of changes grow
 * in the order of commits, and what one coordinator checked is still so when it commits.
 *
 * -ETIMEDOUT: the connection broke after COMMIT was sent; whether it was done is not known, the
 * changes say so after the next connection. -EAGAIN: busy, nothing was changed.
 */
#define STORE_POSTGRES_LIMIT_MS      3000
#define STORE_POSTGRES_OPEN_LIMIT_MS 30000 /* until store_postgres_serve */
#define STORE_POSTGRES_CONNECT_S     3

/*
 * Connects, waiting; place is a URL or libpq's keywords. May be called by any thread. NULL with a
 * line in error, which has no secret in it.
 */
PGconn *store_postgres_connect(const char *place, char *error, size_t error_size);
/* Does the text hold a password? Then others saw it in the list of processes. */
bool store_postgres_has_password(const char *place);

/* As store_create and store_open; -EEXIST: a network is in there. Fills error. */
int store_postgres_create(struct store **store, const char *place, char *error, size_t error_size);
int store_postgres_open(struct store **store, const char *place, char *error, size_t error_size);
/* From now on a short limit for every call. */
void store_postgres_serve(struct store *store);
/* Takes the connection over as the store's; NULL: the present one is lost. */
void store_postgres_adopt(struct store *store, PGconn *conn);

#endif
