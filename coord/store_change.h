#ifndef WARREN_COORD_STORE_CHANGE_H
#define WARREN_COORD_STORE_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/*
 * What was changed in a shared database, by whomever (store_postgres_text.h): numbers grow in the
 * order of commits, so who has read up to one misses nothing by reading on from there.
 */
#define STORE_CHANGE_KIND_MAX 32
#define STORE_CHANGE_ID_MAX   128
#define STORE_CHANGE_LIFE_S   (24 * 3600)

struct store_change {
	char kind[STORE_CHANGE_KIND_MAX];    /* the table */
	uint8_t id[STORE_CHANGE_ID_MAX + 1]; /* the row's key, as bytes or text; then a NUL */
	size_t id_len;
};

/* The newest number; 0: none yet. */
int store_change_newest(struct store *store, uint64_t *seq);
/* Were changes after this number forgotten already? Then everything has to be read again. */
int store_change_has_gap(struct store *store, uint64_t since, bool *gap);
/* Those of others, each row once; malloc'd. */
int store_change_list(struct store *store, uint64_t since, struct store_change **changes,
		      size_t *count);
/* Did another coordinator change this row since? */
int store_change_is_stale(struct store *store, const char *kind, const void *id, size_t len,
			  uint64_t since, bool *stale);
int store_change_purge(struct store *store, uint64_t now_s);

#endif
