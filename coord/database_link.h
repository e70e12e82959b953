#ifndef WARREN_COORD_DATABASE_LINK_H
#define WARREN_COORD_DATABASE_LINK_H

#include <stdbool.h>
#include <stddef.h>

struct loop;
struct store;

/*
 * Keeps the connections to a PostgreSQL that several coordinators share: the store's, and one of
 * its own for LISTEN and NOTIFY. When either is lost both are made anew, by a thread, so that
 * nothing waits for a database that does not answer.
 */
struct database_link;

#define DATABASE_LINK_ID_SIZE   17   /* names one run of a coordinator: 8 bytes in hexadecimal */
#define DATABASE_LINK_LINE_MAX  7900 /* PostgreSQL takes less than 8000 bytes */
#define DATABASE_LINK_QUEUE_MAX (4u << 20) /* bytes that wait to be sent; more are dropped */

struct database_link_ops {
	/* Connected, at first or again: anything may have changed meanwhile. */
	void (*up)(void *arg);
	void (*down)(void *arg);
	/* Somebody, or ourselves, changed rows that are followed. */
	void (*changed)(void *arg);
	/* One line that a coordinator, or ourselves, sent to all or to us. */
	void (*line)(void *arg, const char *from, const char *line);
};

/* `up` follows from the loop. 0 or -errno. */
int database_link_new(struct database_link **link, struct loop *loop, struct store *store,
		      const char *place, const char *id, const struct database_link_ops *ops,
		      void *arg);
/* Accepts NULL. */
void database_link_free(struct database_link *link);
bool database_link_is_up(const struct database_link *link);
/*
 * To the coordinator with this id, NULL: to all and ourselves. Lines to the same arrive in order.
 * 0, -ENOTCONN, -EMSGSIZE, -ENOBUFS: too much waits already.
 */
int database_link_send(struct database_link *link, const char *to, const char *line);

#endif
