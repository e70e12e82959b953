/* Users in the store. */
#include "coord/store_account.h"

#include <errno.h>
#include <string.h>

#include "coord/store.h"
#include "coord/store_statement.h"

#define COLUMNS "name, issuer, subject, revoked, created_s, seen_s"

static void read_account(struct statement *s, struct store_account *account)
{
	memset(account, 0, sizeof(*account));
	statement_get_text(s, account->name, sizeof(account->name));
	statement_get_text(s, account->issuer, sizeof(account->issuer));
	statement_get_text(s, account->subject, sizeof(account->subject));
	account->revoked = statement_get_u64(s);
	account->created_s = statement_get_u64(s);
	account->seen_s = statement_get_u64(s);
}

int store_account_find(struct store *store, const char *name, struct store_account *account)
{
	struct store_account got;
	struct statement s;
	bool found;
	int err;

	statement_init(&s, store, "SELECT " COLUMNS " FROM account WHERE name = $1");
	statement_text(&s, name);
	found = statement_row(&s);
	if (found)
		read_account(&s, &got);
	err = statement_end(&s);
	if (err < 0 || !found)
		return err < 0 ? err : -ENOENT;
	*account = got;
	return 0;
}

static int check_room(struct store *store, const char *name)
{
	struct statement s;
	uint64_t others = 0;
	int err;

	statement_init(&s, store, "SELECT COUNT(*) FROM account WHERE name <> $1");
	statement_text(&s, name);
	if (statement_row(&s))
		others = statement_get_u64(&s);
	err = statement_end(&s);
	if (err < 0)
		return err;
	return others < STORE_ACCOUNTS_MAX ? 0 : -ENOSPC;
}

int store_account_put(struct store *store, const struct store_account *account)
{
	struct statement s;
	int err = check_room(store, account->name);

	if (err < 0)
		return err;
	statement_init(&s, store,
		       "INSERT INTO account (" COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6)"
		       " ON CONFLICT (name) DO UPDATE SET issuer = excluded.issuer,"
		       " subject = excluded.subject, revoked = excluded.revoked,"
		       " seen_s = excluded.seen_s");
	statement_text(&s, account->name);
	statement_text(&s, account->issuer);
	statement_text(&s, account->subject);
	statement_u64(&s, account->revoked);
	statement_u64(&s, account->created_s);
	statement_u64(&s, account->seen_s);
	return statement_run(&s);
}

int store_account_delete(struct store *store, const char *name)
{
	struct statement s;

	statement_init(&s, store, "DELETE FROM account WHERE name = $1");
	statement_text(&s, name);
	return statement_run_found(&s);
}

int store_account_each(struct store *store,
		       int (*each)(void *arg, const struct store_account *account), void *arg)
{
	struct store_account account;
	struct statement s;
	int result = 0;
	int err;

	statement_init(&s, store, "SELECT " COLUMNS " FROM account ORDER BY name");
	while (result == 0 && statement_row(&s)) {
		read_account(&s, &account);
		if (s.err == 0)
			result = each(arg, &account);
	}
	err = statement_end(&s);
	return err < 0 ? err : result;
}
