#include "coord/store_change.h"

#include <errno.h>
#include <stdlib.h>

#include "coord/store_statement.h"

static int get_number(struct statement *s, uint64_t *value)
{
	if (statement_row(s))
		*value = statement_get_u64(s);
	return statement_end(s);
}

int store_change_newest(struct store *store, uint64_t *seq)
{
	struct statement s;

	*seq = 0;
	statement_init(&s, store, "SELECT COALESCE(MAX(seq), 0) FROM change");
	return get_number(&s, seq);
}

int store_change_has_gap(struct store *store, uint64_t since, bool *gap)
{
	uint64_t oldest = 0;
	struct statement s;
	int err;

	statement_init(&s, store, "SELECT COALESCE(MIN(seq), 0) FROM change");
	err = get_number(&s, &oldest);
	/* Numbers that were taken and rolled back look the same; reading all again does no harm. */
	*gap = err == 0 && oldest > since + 1;
	return err;
}

int store_change_list(struct store *store, uint64_t since, struct store_change **out,
		      size_t *out_count)
{
	struct store_change *changes = NULL;
	size_t count = 0;
	struct statement s;
	int err;

	statement_init(&s, store,
		       "SELECT kind, id FROM change WHERE seq > $1 AND source <> pg_backend_pid()"
		       " GROUP BY kind, id ORDER BY MAX(seq)");
	statement_u64(&s, since);
	while (statement_row(&s)) {
		struct store_change *grown = realloc(changes, (count + 1) * sizeof(*changes));
		struct store_change *change;

		if (!grown) {
			s.err = -ENOMEM;
			break;
		}
		changes = grown;
		change = &changes[count++];
		statement_get_text(&s, change->kind, sizeof(change->kind));
		statement_get_blob(&s, change->id, STORE_CHANGE_ID_MAX, &change->id_len);
		if (s.err == 0)
			change->id[change->id_len] = '\0';
	}
	err = statement_end(&s);
	if (err < 0) {
		free(changes);
		return err;
	}
	*out = changes;
	*out_count = count;
	return 0;
}

int store_change_is_stale(struct store *store, const char *kind, const void *id, size_t len,
			  uint64_t since, bool *stale)
{
	uint64_t count = 0;
	struct statement s;
	int err;

	statement_init(&s, store,
		       "SELECT count(*) FROM change WHERE kind = $1 AND id = $2 AND seq > $3"
		       " AND source <> pg_backend_pid()");
	statement_text(&s, kind);
	statement_blob(&s, id, len);
	statement_u64(&s, since);
	err = get_number(&s, &count);
	*stale = count > 0;
	return err;
}

int store_change_purge(struct store *store, uint64_t now_s)
{
	struct statement s;

	statement_init(&s, store, "DELETE FROM change WHERE at_s < $1");
	statement_u64(&s, now_s - STORE_CHANGE_LIFE_S);
	return statement_run(&s);
}
