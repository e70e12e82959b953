/* API tokens and logins in the store. */
#include "coord/store_login.h"

#include <errno.h>
#include <string.h>

#include "coord/store.h"
#include "coord/store_statement.h"

#define TOKEN_COLUMNS "id, secret_hash, name, admin, created_s, created_by, expires_s, revoked"

static int count(struct store *store, const char *sql, uint64_t *out)
{
	struct statement s;

	statement_init(&s, store, sql);
	if (statement_row(&s))
		*out = statement_get_u64(&s);
	return statement_end(&s);
}

int store_api_token_add(struct store *store, const struct store_api_token *token)
{
	uint64_t there = 0;
	struct statement s;
	int err = count(store, "SELECT COUNT(*) FROM api_token", &there);

	if (err < 0)
		return err;
	if (there >= STORE_API_TOKENS_MAX)
		return -ENOSPC;
	statement_init(&s, store,
		       "INSERT INTO api_token (" TOKEN_COLUMNS
		       ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
	statement_blob(&s, token->id, sizeof(token->id));
	statement_blob(&s, token->secret_hash, sizeof(token->secret_hash));
	statement_text(&s, token->name);
	statement_u64(&s, token->admin);
	statement_u64(&s, token->created_s);
	statement_text(&s, token->created_by);
	statement_u64(&s, token->expires_s);
	statement_u64(&s, token->revoked);
	return statement_run(&s);
}

static void read_token(struct statement *s, struct store_api_token *token)
{
	memset(token, 0, sizeof(*token));
	statement_get_bytes(s, token->id, sizeof(token->id));
	statement_get_bytes(s, token->secret_hash, sizeof(token->secret_hash));
	statement_get_text(s, token->name, sizeof(token->name));
	token->admin = statement_get_u64(s);
	token->created_s = statement_get_u64(s);
	statement_get_text(s, token->created_by, sizeof(token->created_by));
	token->expires_s = statement_get_u64(s);
	token->revoked = statement_get_u64(s);
}

int store_api_token_find(struct store *store, const uint8_t id[static STORE_API_TOKEN_ID_SIZE],
			 struct store_api_token *token)
{
	struct statement s;
	bool found;
	int err;

	statement_init(&s, store, "SELECT " TOKEN_COLUMNS " FROM api_token WHERE id = $1");
	statement_blob(&s, id, STORE_API_TOKEN_ID_SIZE);
	found = statement_row(&s);
	if (found)
		read_token(&s, token);
	err = statement_end(&s);
	return err < 0 ? err : found ? 0 : -ENOENT;
}

static int run_with(struct store *store, const char *sql, const void *data, size_t len, bool found)
{
	struct statement s;

	statement_init(&s, store, sql);
	statement_blob(&s, data, len);
	return found ? statement_run_found(&s) : statement_run(&s);
}

int store_api_token_revoke(struct store *store, const uint8_t id[static STORE_API_TOKEN_ID_SIZE])
{
	int err = store_begin(store);

	if (err < 0)
		return err;
	err = run_with(store, "UPDATE api_token SET revoked = 1 WHERE id = $1", id,
		       STORE_API_TOKEN_ID_SIZE, true);
	if (err == 0)
		err = run_with(store, "DELETE FROM login WHERE token = $1", id,
			       STORE_API_TOKEN_ID_SIZE, false);
	if (err == 0)
		err = store_commit(store);
	if (err < 0)
		store_rollback(store);
	return err;
}

int store_api_token_each(struct store *store,
			 int (*each)(void *arg, const struct store_api_token *token), void *arg)
{
	struct store_api_token token;
	struct statement s;
	int result = 0;
	int err;

	statement_init(&s, store, "SELECT " TOKEN_COLUMNS " FROM api_token ORDER BY created_s, id");
	while (result == 0 && statement_row(&s)) {
		read_token(&s, &token);
		if (s.err == 0)
			result = each(arg, &token);
	}
	err = statement_end(&s);
	return err < 0 ? err : result;
}

/* Whoever signs in again and again ends logins of their own, nobody else's. */
static int make_room(struct store *store, const char *who)
{
	uint64_t theirs = 0;
	struct statement s;
	int err;

	statement_init(&s, store, "SELECT COUNT(*) FROM login WHERE who = $1");
	statement_text(&s, who);
	if (statement_row(&s))
		theirs = statement_get_u64(&s);
	err = statement_end(&s);
	if (err < 0 || theirs < STORE_LOGINS_OF_ONE)
		return err;
	statement_init(&s, store,
		       "DELETE FROM login WHERE id_hash IN (SELECT id_hash FROM login"
		       " WHERE who = $1 ORDER BY expires_s LIMIT 1)");
	statement_text(&s, who);
	return statement_run(&s);
}

static int insert_login(struct store *store, const struct store_login *login)
{
	uint64_t there = 0;
	struct statement s;
	int err = count(store, "SELECT COUNT(*) FROM login", &there);

	if (err < 0)
		return err;
	if (there >= STORE_LOGINS_MAX)
		return -ENOSPC;
	statement_init(&s, store,
		       "INSERT INTO login (id_hash, who, admin, token, expires_s)"
		       " VALUES ($1, $2, $3, $4, $5)");
	statement_blob(&s, login->id_hash, sizeof(login->id_hash));
	statement_text(&s, login->who);
	statement_u64(&s, login->admin);
	statement_blob(&s, login->token, sizeof(login->token));
	statement_u64(&s, login->expires_s);
	return statement_run(&s);
}

int store_login_add(struct store *store, const struct store_login *login)
{
	int err = store_begin(store);

	if (err < 0)
		return err;
	err = make_room(store, login->who);
	if (err == 0)
		err = insert_login(store, login);
	if (err == 0)
		err = store_commit(store);
	if (err < 0)
		store_rollback(store);
	return err;
}

int store_login_find(struct store *store, const uint8_t id_hash[static 32],
		     struct store_login *login)
{
	struct statement s;
	bool found;
	int err;

	statement_init(&s, store,
		       "SELECT who, admin, token, expires_s FROM login WHERE id_hash = $1");
	statement_blob(&s, id_hash, 32);
	found = statement_row(&s);
	if (found) {
		memcpy(login->id_hash, id_hash, 32);
		statement_get_text(&s, login->who, sizeof(login->who));
		login->admin = statement_get_u64(&s);
		statement_get_bytes(&s, login->token, sizeof(login->token));
		login->expires_s = statement_get_u64(&s);
	}
	err = statement_end(&s);
	return err < 0 ? err : found ? 0 : -ENOENT;
}

int store_login_delete(struct store *store, const uint8_t id_hash[static 32])
{
	return run_with(store, "DELETE FROM login WHERE id_hash = $1", id_hash, 32, false);
}

int store_login_delete_who(struct store *store, const char *who)
{
	struct statement s;

	statement_init(&s, store, "DELETE FROM login WHERE who = $1");
	statement_text(&s, who);
	return statement_run(&s);
}

int store_login_purge(struct store *store, uint64_t now_s)
{
	struct statement s;

	statement_init(&s, store, "DELETE FROM login WHERE expires_s <= $1");
	statement_u64(&s, now_s);
	return statement_run(&s);
}
