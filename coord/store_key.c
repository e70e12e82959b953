/* Join keys in the store. */
#include <errno.h>
#include <string.h>

#include "coord/store.h"
#include "coord/store_statement.h"

#define COLUMNS                                                                                     \
	"id, secret_hash, name, reusable, ephemeral, revoked, groups, tags, created_s, expires_s, " \
	"uses, uses_max, approval, for_node, created_by, used_s, routes"

int store_key_add(struct store *store, const struct store_key *key)
{
	char routes[NODE_ROUTES_TEXT_SIZE];
	struct statement s;

	statement_init(&s, store,
		       "INSERT INTO key (" COLUMNS ")"
		       " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,"
		       " $15, $16, $17)");
	statement_blob(&s, key->id, sizeof(key->id));
	statement_blob(&s, key->secret_hash, sizeof(key->secret_hash));
	statement_text(&s, key->name);
	statement_u64(&s, key->reusable);
	statement_u64(&s, key->ephemeral);
	statement_u64(&s, key->revoked);
	statement_labels(&s, &key->groups);
	statement_labels(&s, &key->tags);
	statement_u64(&s, key->created_s);
	statement_u64(&s, key->expires_s);
	statement_u64(&s, key->uses);
	statement_u64(&s, key->uses_max);
	statement_u64(&s, key->approval);
	statement_text(&s, key->for_node);
	statement_text(&s, key->created_by);
	statement_u64(&s, key->used_s);
	route_list_format(routes, &key->routes);
	statement_text(&s, routes);
	return statement_run(&s);
}

static void read_key(struct statement *s, struct store_key *key)
{
	char routes[NODE_ROUTES_TEXT_SIZE] = "";
	uint64_t approval;

	memset(key, 0, sizeof(*key));
	statement_get_bytes(s, key->id, sizeof(key->id));
	statement_get_bytes(s, key->secret_hash, sizeof(key->secret_hash));
	statement_get_text(s, key->name, sizeof(key->name));
	key->reusable = statement_get_u64(s);
	key->ephemeral = statement_get_u64(s);
	key->revoked = statement_get_u64(s);
	statement_get_labels(s, &key->groups);
	statement_get_labels(s, &key->tags);
	key->created_s = statement_get_u64(s);
	key->expires_s = statement_get_u64(s);
	key->uses = statement_get_u64(s);
	key->uses_max = statement_get_u64(s);
	approval = statement_get_u64(s);
	statement_get_text(s, key->for_node, sizeof(key->for_node));
	statement_get_text(s, key->created_by, sizeof(key->created_by));
	key->used_s = statement_get_u64(s);
	statement_get_text(s, routes, sizeof(routes));
	if (route_list_parse(&key->routes, routes) < 0 && s->err == 0)
		s->err = -EUCLEAN;
	if (approval < KEY_APPROVAL_COUNT)
		key->approval = (enum key_approval)approval;
	else if (s->err == 0)
		s->err = -EUCLEAN;
}

int store_key_find(struct store *store, const uint8_t id[static TOKEN_KEY_ID_SIZE],
		   struct store_key *key)
{
	struct statement s;
	bool found;
	int err;

	statement_init(&s, store, "SELECT " COLUMNS " FROM key WHERE id = $1");
	statement_blob(&s, id, TOKEN_KEY_ID_SIZE);
	found = statement_row(&s);
	if (found)
		read_key(&s, key);
	err = statement_end(&s);
	return err < 0 ? err : found ? 0 : -ENOENT;
}

static int change_one(struct store *store, const char *sql,
		      const uint8_t id[static TOKEN_KEY_ID_SIZE])
{
	struct statement s;

	statement_init(&s, store, sql);
	statement_blob(&s, id, TOKEN_KEY_ID_SIZE);
	return statement_run_found(&s);
}

int store_key_use(struct store *store, const uint8_t id[static TOKEN_KEY_ID_SIZE], uint64_t now_s)
{
	struct store_key key;
	struct statement s;
	int err = store_key_find(store, id, &key);

	if (err < 0)
		return err;
	/* The condition decides, not what was read above. */
	statement_init(&s, store,
		       "UPDATE key SET uses = uses + 1, used_s = $1 WHERE id = $2 AND revoked = 0"
		       " AND (reusable <> 0 OR uses = 0) AND (uses_max = 0 OR uses < uses_max)");
	statement_u64(&s, now_s);
	statement_blob(&s, id, TOKEN_KEY_ID_SIZE);
	err = statement_run_found(&s);
	return err == -ENOENT ? -EBUSY : err;
}

int store_key_follow(struct store *store, const char *from_node, const char *to_node)
{
	struct statement s;

	statement_init(&s, store, "UPDATE key SET for_node = $1 WHERE for_node = $2");
	statement_text(&s, to_node);
	statement_text(&s, from_node);
	return statement_run(&s);
}

int store_key_revoke(struct store *store, const uint8_t id[static TOKEN_KEY_ID_SIZE])
{
	return change_one(store, "UPDATE key SET revoked = 1 WHERE id = $1", id);
}

int store_key_each(struct store *store, int (*each)(void *arg, const struct store_key *key),
		   void *arg)
{
	struct store_key key;
	struct statement s;
	int result = 0;
	int err;

	statement_init(&s, store, "SELECT " COLUMNS " FROM key ORDER BY created_s, id");
	while (result == 0 && statement_row(&s)) {
		read_key(&s, &key);
		if (s.err == 0)
			result = each(arg, &key);
	}
	err = statement_end(&s);
	return err < 0 ? err : result;
}
