#ifndef WARREN_COORD_STORE_LOGIN_H
#define WARREN_COORD_STORE_LOGIN_H

#include <stdbool.h>
#include <stdint.h>

struct store;

/* API tokens and the sessions of the web pages; of either secret the store has a hash only. */

#define STORE_API_TOKEN_ID_SIZE  8
#define STORE_API_TOKEN_NAME_MAX 63
#define STORE_API_TOKENS_MAX     1000
#define STORE_LOGINS_MAX         10000
#define STORE_LOGINS_OF_ONE      64 /* of one person or token; the oldest gives way */

struct store_api_token {
	uint8_t id[STORE_API_TOKEN_ID_SIZE];
	uint8_t secret_hash[32];
	char name[STORE_API_TOKEN_NAME_MAX + 1];
	bool admin; /* else it may only look */
	uint64_t created_s;
	char created_by[128];
	uint64_t expires_s; /* 0: never */
	bool revoked;
};

/* 0; -ENOSPC: there are too many. */
int store_api_token_add(struct store *store, const struct store_api_token *token);
/* 0 or -ENOENT. */
int store_api_token_find(struct store *store, const uint8_t id[static STORE_API_TOKEN_ID_SIZE],
			 struct store_api_token *token);
/* Its logins end too. 0 or -ENOENT. */
int store_api_token_revoke(struct store *store, const uint8_t id[static STORE_API_TOKEN_ID_SIZE]);
/* In order of creation; stops when `each` returns non-zero, and returns that. */
int store_api_token_each(struct store *store,
			 int (*each)(void *arg, const struct store_api_token *token), void *arg);

struct store_login {
	uint8_t id_hash[32];
	char who[128];
	bool admin;
	uint8_t token[STORE_API_TOKEN_ID_SIZE]; /* by which it was opened, or zeroes */
	uint64_t expires_s;
};

/* 0; -ENOSPC: there are too many. */
int store_login_add(struct store *store, const struct store_login *login);
/* 0 or -ENOENT. */
int store_login_find(struct store *store, const uint8_t id_hash[static 32],
		     struct store_login *login);
int store_login_delete(struct store *store, const uint8_t id_hash[static 32]);
/* All of one person. */
int store_login_delete_who(struct store *store, const char *who);
int store_login_purge(struct store *store, uint64_t now_s);

#endif
