/* The coordinators that share a database. */
#include "coord/store_coordinator.h"

#include <string.h>

#include "coord/store_statement.h"

int store_coordinator_put(struct store *store, const struct store_coordinator *coordinator)
{
	struct statement s;

	statement_init(&s, store,
		       "INSERT INTO coordinator (address, relay, relay_port, seen_s)"
		       " VALUES ($1, $2, $3, $4) ON CONFLICT (address) DO UPDATE SET"
		       " relay = excluded.relay, relay_port = excluded.relay_port,"
		       " seen_s = excluded.seen_s");
	statement_text(&s, coordinator->address);
	statement_text(&s, coordinator->relay);
	statement_u64(&s, coordinator->relay_port);
	statement_u64(&s, coordinator->seen_s);
	return statement_run(&s);
}

int store_coordinator_seen(struct store *store, const char *address, uint64_t now_s)
{
	struct statement s;

	statement_init(&s, store, "UPDATE coordinator SET seen_s = $1 WHERE address = $2");
	statement_u64(&s, now_s);
	statement_text(&s, address);
	return statement_run(&s);
}

int store_coordinator_each(struct store *store,
			   int (*each)(void *arg, const struct store_coordinator *coordinator),
			   void *arg)
{
	struct store_coordinator coordinator;
	struct statement s;
	int result = 0;
	int err;

	statement_init(&s, store,
		       "SELECT address, relay, relay_port, seen_s FROM coordinator"
		       " ORDER BY address");
	while (result == 0 && statement_row(&s)) {
		memset(&coordinator, 0, sizeof(coordinator));
		statement_get_text(&s, coordinator.address, sizeof(coordinator.address));
		statement_get_text(&s, coordinator.relay, sizeof(coordinator.relay));
		coordinator.relay_port = (uint16_t)statement_get_u64(&s);
		coordinator.seen_s = statement_get_u64(&s);
		if (s.err == 0)
			result = each(arg, &coordinator);
	}
	err = statement_end(&s);
	return err < 0 ? err : result;
}

int store_coordinator_purge(struct store *store, uint64_t before_s)
{
	struct statement s;

	statement_init(&s, store, "DELETE FROM coordinator WHERE seen_s < $1");
	statement_u64(&s, before_s);
	return statement_run(&s);
}
