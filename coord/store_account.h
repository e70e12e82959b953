#ifndef WARREN_COORD_STORE_ACCOUNT_H
#define WARREN_COORD_STORE_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "coord/oidc_token.h"
#include "coord/oidc_url.h"

struct store;

/* People who signed in, as the provider knows them. */

#define STORE_ACCOUNTS_MAX 100000

struct store_account {
	char name[CERT_OWNER_MAX + 1];
	/* Whose the name is for good: a name that is given to somebody else is another account. */
	char issuer[OIDC_URL_MAX + 1];
	char subject[OIDC_SUBJECT_MAX + 1];
	bool revoked;
	uint64_t created_s;
	uint64_t seen_s; /* the last sign-in */
};

/* 0 or -ENOENT. */
int store_account_find(struct store *store, const char *name, struct store_account *account);
/* 0; -ENOSPC: there are too many. */
int store_account_put(struct store *store, const struct store_account *account);
/* 0 or -ENOENT. */
int store_account_delete(struct store *store, const char *name);
/* By name; stops when `each` returns non-zero, and returns that. */
int store_account_each(struct store *store,
		       int (*each)(void *arg, const struct store_account *account), void *arg);

#endif
