/* Numbers that are given once, however many coordinators ask. */
#include "coord/store.h"
#include "coord/store_driver.h"

bool store_is_shared(const struct store *store)
{
	return store->driver->shared;
}

int store_counter_seed(struct store *store, const char *name, uint64_t next)
{
	struct statement s;

	statement_init(&s, store,
		       "INSERT INTO counter (name, next) VALUES ($1, $2)"
		       " ON CONFLICT (name) DO NOTHING");
	statement_text(&s, name);
	statement_u64(&s, next);
	return statement_run(&s);
}

int store_counter_take(struct store *store, const char *name, uint64_t *taken)
{
	struct statement s;
	uint64_t next = 0;
	int err;

	statement_init(&s, store,
		       "INSERT INTO counter (name, next) VALUES ($1, 2)"
		       " ON CONFLICT (name) DO UPDATE SET next = counter.next + 1 RETURNING next");
	statement_text(&s, name);
	while (statement_row(&s))
		next = statement_get_u64(&s);
	err = statement_end(&s);
	if (err == 0)
		*taken = next - 1;
	return err;
}
