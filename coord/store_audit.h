#ifndef WARREN_COORD_STORE_AUDIT_H
#define WARREN_COORD_STORE_AUDIT_H

#include <stddef.h>
#include <stdint.h>

struct store;

/* Who changed what and when, in the store. */

#define STORE_AUDIT_DETAILS_MAX 2047

struct store_audit {
	uint64_t id; /* grows from entry to entry, also among coordinators */
	uint64_t time_s;
	char who[128];   /* "local:root", "token:ci", "user:…", "key:ID", "warren" */
	char from[64];   /* an address, "local" or "" */
	char action[32]; /* "node-rename" */
	char target[192];
	char details[STORE_AUDIT_DETAILS_MAX + 1]; /* a JSON object */
};

/* Gives it an id. */
int store_audit_add(struct store *store, struct store_audit *entry);

/*
 * The entry to be written with the next change, in one transaction with that; a copy. NULL forgets
 * the one that waits.
 */
int store_audit_note(struct store *store, const struct store_audit *entry);
/* Writes the one that waits, if no change took it along. */
int store_audit_settle(struct store *store);

struct store_audit_query {
	uint64_t since_s;
	uint64_t before; /* an id: only older ones; 0: all */
	uint64_t limit;
	const char *action; /* NULL: all */
};

/* Newest first; stops when `each` returns non-zero, and returns that. */
int store_audit_each(struct store *store, const struct store_audit_query *query,
		     int (*each)(void *arg, const struct store_audit *entry), void *arg);
/* Forgets what is older, and the oldest of more than `keep`. */
int store_audit_purge(struct store *store, uint64_t before_s, uint64_t keep);

#endif
