/* What is the same for every database: transactions and single values. */
#include "coord/store.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "coord/store_audit.h"
#include "coord/store_driver.h"
#include "coord/store_statement.h"

void store_close(struct store *store)
{
	if (!store)
		return;
	store->driver->close(store);
	free(store->note);
	free(store);
}

int store_backup(struct store *store, const char *path)
{
	struct store_audit *note = store->note;
	int err;

	/* It is no change of the store, and takes no transaction. */
	store->note = NULL;
	err = store->driver->backup(store, path);
	store->note = note;
	return err;
}

bool store_is_away(const struct store *store)
{
	return store->driver->is_away && store->driver->is_away(store);
}

int store_begin(struct store *store)
{
	int err = store->driver->begin(store);

	store->in_transaction = err == 0;
	if (err < 0)
		store_audit_note(store, NULL);
	return err;
}

int store_commit(struct store *store)
{
	int err = store->note ? store_audit_add(store, store->note) : 0;

	if (err == 0)
		err = store->driver->commit(store);
	if (err < 0)
		return err;
	store->in_transaction = false;
	return store_audit_note(store, NULL);
}

void store_rollback(struct store *store)
{
	store->in_transaction = false;
	store->driver->rollback(store);
	/* What was noted did not happen. */
	store_audit_note(store, NULL);
}

int store_get(struct store *store, const char *name, uint8_t **value, size_t *len)
{
	uint8_t *copy = NULL;
	struct statement s;
	size_t got = 0;
	int err;

	statement_init(&s, store, "SELECT value FROM value WHERE name = $1");
	statement_text(&s, name);
	if (statement_row(&s))
		copy = statement_get_copy(&s, &got);
	err = statement_end(&s);
	if (err == 0 && !copy)
		return -ENOENT;
	if (err < 0) {
		free(copy);
		return err;
	}
	*value = copy;
	*len = got;
	return 0;
}

int store_set(struct store *store, const char *name, const void *value, size_t len)
{
	struct statement s;

	statement_init(&s, store,
		       "INSERT INTO value (name, value) VALUES ($1, $2)"
		       " ON CONFLICT (name) DO UPDATE SET value = excluded.value");
	statement_text(&s, name);
	statement_blob(&s, value, len);
	return statement_run(&s);
}

int store_unset(struct store *store, const char *name)
{
	struct statement s;

	statement_init(&s, store, "DELETE FROM value WHERE name = $1");
	statement_text(&s, name);
	return statement_run(&s);
}

int store_get_u64(struct store *store, const char *name, uint64_t *value)
{
	uint8_t *data;
	size_t len;
	int err = store_get(store, name, &data, &len);

	if (err == -ENOENT) {
		*value = 0;
		return 0;
	}
	if (err < 0)
		return err;
	if (len == 8)
		*value = load_be64(data);
	free(data);
	return len == 8 ? 0 : -EUCLEAN;
}

int store_set_u64(struct store *store, const char *name, uint64_t value)
{
	uint8_t data[8];

	store_be64(data, value);
	return store_set(store, name, data, sizeof(data));
}
