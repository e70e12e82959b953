/* The audit log in the store. */
#include "coord/store_audit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coord/store.h"
#include "coord/store_driver.h"
#include "coord/store_statement.h"

#define COLUMNS "id, time_s, who, origin, action, target, details"

/* An id is a second and a number in it, so that ids of several coordinators grow together. */
#define ID_SHIFT  20
#define TRIES_MAX 32
#define ID_MAX    INT64_MAX

static int next_id(struct store *store, uint64_t time_s, uint64_t *id)
{
	uint64_t last = 0;
	struct statement s;
	int err;

	statement_init(&s, store, "SELECT COALESCE(MAX(id), 0) FROM audit");
	if (statement_row(&s))
		last = statement_get_u64(&s);
	err = statement_end(&s);
	if (err == 0)
		*id = last >= time_s << ID_SHIFT ? last + 1 : time_s << ID_SHIFT;
	return err;
}

int store_audit_add(struct store *store, struct store_audit *entry)
{
	for (int i = 0; i < TRIES_MAX; i++) {
		struct statement s;
		int err = next_id(store, entry->time_s, &entry->id);

		if (err < 0)
			return err;
		statement_init(&s, store,
			       "INSERT INTO audit (" COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7)"
			       " ON CONFLICT (id) DO NOTHING");
		statement_u64(&s, entry->id);
		statement_u64(&s, entry->time_s);
		statement_text(&s, entry->who);
		statement_text(&s, entry->from);
		statement_text(&s, entry->action);
		statement_text(&s, entry->target);
		statement_text(&s, entry->details);
		while (statement_row(&s))
			;
		err = statement_end(&s);
		/* Another coordinator may have been quicker with the same id. */
		if (err < 0 || s.changes)
			return err;
	}
	return -EIO;
}

int store_audit_note(struct store *store, const struct store_audit *entry)
{
	struct store_audit *copy = NULL;

	if (entry) {
		copy = malloc(sizeof(*copy));
		if (!copy)
			return -ENOMEM;
		*copy = *entry;
	}
	free(store->note);
	store->note = copy;
	return 0;
}

int store_audit_settle(struct store *store)
{
	int err;

	if (!store->note)
		return 0;
	err = store_begin(store);
	if (err < 0)
		return err;
	err = store_commit(store);
	if (err < 0)
		store_rollback(store);
	return err;
}

static void read_entry(struct statement *s, struct store_audit *entry)
{
	entry->id = statement_get_u64(s);
	entry->time_s = statement_get_u64(s);
	statement_get_text(s, entry->who, sizeof(entry->who));
	statement_get_text(s, entry->from, sizeof(entry->from));
	statement_get_text(s, entry->action, sizeof(entry->action));
	statement_get_text(s, entry->target, sizeof(entry->target));
	statement_get_text(s, entry->details, sizeof(entry->details));
}

int store_audit_each(struct store *store, const struct store_audit_query *query,
		     int (*each)(void *arg, const struct store_audit *entry), void *arg)
{
	struct store_audit entry;
	struct statement s;
	int result = 0;
	int err;

	statement_init(&s, store,
		       "SELECT " COLUMNS " FROM audit WHERE time_s >= $1 AND id < $2"
		       " AND (action = $3 OR $4 = 0) ORDER BY id DESC LIMIT $5");
	statement_u64(&s, query->since_s);
	statement_u64(&s, query->before ? query->before : ID_MAX);
	statement_text(&s, query->action ? query->action : "");
	statement_u64(&s, query->action != NULL);
	statement_u64(&s, query->limit);
	while (result == 0 && statement_row(&s)) {
		read_entry(&s, &entry);
		if (s.err == 0)
			result = each(arg, &entry);
	}
	err = statement_end(&s);
	return err < 0 ? err : result;
}

int store_audit_purge(struct store *store, uint64_t before_s, uint64_t keep)
{
	struct statement s;
	int err;

	statement_init(&s, store, "DELETE FROM audit WHERE time_s < $1");
	statement_u64(&s, before_s);
	err = statement_run(&s);
	if (err < 0)
		return err;
	statement_init(&s, store,
		       "DELETE FROM audit WHERE id <="
		       " (SELECT id FROM audit ORDER BY id DESC LIMIT 1 OFFSET $1)");
	statement_u64(&s, keep);
	return statement_run(&s);
}
