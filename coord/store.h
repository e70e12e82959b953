#ifndef WARREN_COORD_STORE_H
#define WARREN_COORD_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coord/node.h"
#include "proto/token.h"

/*
 * What the coordinator must not lose. Behind this interface is SQLite (WAL, synchronous FULL)
 * or PostgreSQL;
 * every call that changes something is on disk when it returns, or, between store_begin and
 * store_commit, when store_commit does. Errors: -EIO and -ENOSPC from the database, -ENOMEM; of
 * PostgreSQL also those in store_postgres.h.
 */
struct store;

/* Does a node that joins with the key have to wait for an admin? */
enum key_approval {
	KEY_APPROVAL_NETWORK, /* as the network's setting says */
	KEY_APPROVAL_NEEDED,
	KEY_APPROVAL_GIVEN,
	KEY_APPROVAL_SIGN_IN, /* the node waits for its user */
	KEY_APPROVAL_COUNT,
};

#define STORE_WHO_MAX 128

/* A join key. The secret is kept as a hash only. */
struct store_key {
	uint8_t id[TOKEN_KEY_ID_SIZE];
	uint8_t secret_hash[32];
	char name[64];
	bool reusable;
	bool ephemeral;
	bool revoked;
	struct labels groups;
	struct labels tags;
	uint64_t created_s;
	uint64_t expires_s;
	uint64_t uses;
	uint64_t uses_max; /* of a reusable one; 0: any number */
	enum key_approval approval;
	char for_node[NODE_KEY_TEXT_SIZE]; /* its node takes the place of this one; or "" */
	char created_by[STORE_WHO_MAX];
	uint64_t used_s;          /* last; 0: never */
	struct route_list routes; /* that its nodes may carry, without further approval */
};

#define STORE_RELAY_SECRET_MAX 128

struct store_relay {
	struct netmap_relay relay;
	uint8_t secret[STORE_RELAY_SECRET_MAX];
	size_t secret_len;
	bool builtin; /* runs inside a coordinator, and is in memory only */
};

/* 0; -EEXIST: the file is there. */
int store_create(struct store **store, const char *path);
/* 0; -ENOENT; -EPROTO: written by a newer version; -EUCLEAN: damaged or no database. */
int store_open(struct store **store, const char *path);
/* Accepts NULL. */
void store_close(struct store *store);
/* 0 or -EIO: copies everything to a new file, also while the store is in use. */
int store_backup(struct store *store, const char *path);

/* The database does not answer: every call fails at once, with -ENOTCONN. */
bool store_is_away(const struct store *store);

int store_begin(struct store *store);
int store_commit(struct store *store);
void store_rollback(struct store *store);

/* Single values by name; *value is malloc'd with a NUL after *len bytes. 0 or -ENOENT. */
int store_get(struct store *store, const char *name, uint8_t **value, size_t *len);
int store_set(struct store *store, const char *name, const void *value, size_t len);
int store_unset(struct store *store, const char *name);
/* Do other coordinators write into it as well? */
bool store_is_shared(const struct store *store);
/* A number that nobody had before, counted from 1 or from where it was seeded. */
int store_counter_take(struct store *store, const char *name, uint64_t *taken);
/* Unless it counts already. */
int store_counter_seed(struct store *store, const char *name, uint64_t next);

/* As a number; absent: 0. */
int store_get_u64(struct store *store, const char *name, uint64_t *value);
int store_set_u64(struct store *store, const char *name, uint64_t value);

int store_key_add(struct store *store, const struct store_key *key);
/* 0 or -ENOENT. */
int store_key_find(struct store *store, const uint8_t id[static TOKEN_KEY_ID_SIZE],
		   struct store_key *key);
/* Counts a use. 0, -ENOENT, or -EBUSY: it was used up or revoked. */
int store_key_use(struct store *store, const uint8_t id[static TOKEN_KEY_ID_SIZE], uint64_t now_s);
/* Keys for one node are for the other now: that one took its place. */
int store_key_follow(struct store *store, const char *from_node, const char *to_node);
int store_key_revoke(struct store *store, const uint8_t id[static TOKEN_KEY_ID_SIZE]);
/* Calls each in order of creation; stops when it returns non-zero, and returns that. */
int store_key_each(struct store *store, int (*each)(void *arg, const struct store_key *key),
		   void *arg);

int store_node_put(struct store *store, const struct node *node);
/* Only when it was last seen, what it said of itself, and its logins: no row is made or otherwise
 * changed. */
int store_node_seen(struct store *store, const struct node *node);
int store_node_delete(struct store *store, const uint8_t device_key[static 32]);
/* 0 or -ENOENT. */
int store_node_find(struct store *store, const uint8_t device_key[static 32], struct node *node);
/* node is the callback's to copy. */
int store_node_each(struct store *store, int (*each)(void *arg, const struct node *node),
		    void *arg);

/* Serials that are refused until their certificates would have expired anyway. */
int store_revoked_add(struct store *store, uint64_t serial, uint64_t until_s);
/* 0 or -ENOENT. */
int store_revoked_find(struct store *store, uint64_t serial);
int store_revoked_purge(struct store *store, uint64_t now_s);
int store_revoked_each(struct store *store, int (*each)(void *arg, uint64_t serial), void *arg);

int store_relay_put(struct store *store, const struct store_relay *relay);
/* 0 or -ENOENT. */
int store_relay_delete(struct store *store, const char *name);
int store_relay_each(struct store *store, int (*each)(void *arg, const struct store_relay *relay),
		     void *arg);

#endif
