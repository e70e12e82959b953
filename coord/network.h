#ifndef WARREN_COORD_NETWORK_H
#define WARREN_COORD_NETWORK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coord/node.h"
#include "coord/pool.h"
#include "coord/rule_lists.h"
#include "coord/store.h"
#include "coord/strict.h"
#include "crypto/rng.h"
#include "proto/policy.h"
#include "proto/token.h"

/*
 * The network that a coordinator serves: its keys, nodes, policy and relays. Memory follows the
 * store: a change is stored first and shown only when that succeeded.
 */
struct network {
	char dir[PATH_MAX];
	struct store *store;
	struct rng rng;
	uint8_t id[CERT_NETWORK_ID_SIZE];
	char name[NETMAP_NETWORK_NAME_MAX + 1];
	uint8_t authority_key[32];
	uint8_t authority_secret[64]; /* zeros in strict mode */
	struct strict strict;         /* zeros in simple mode */
	uint8_t coordinator_key[32];
	uint8_t coordinator_secret[32];
	struct token_address addresses[TOKEN_ADDRESSES_MAX]; /* public ones */
	size_t address_count;
	char own_address[TOKEN_ADDRESS_TEXT_SIZE]; /* ours, among several coordinators; or "" */
	struct pool pool;
	struct map *nodes; /* by device key */
	struct policy *policy;
	struct netmap_names *names;    /* the names document in force; NULL: none */
	struct policy_index *index;    /* of it and the members; made by mapmaker.c when needed */
	struct rule_lists *rule_lists; /* what it makes of the nodes */
	uint32_t due_mark;             /* counts marks in nodes */
	struct store_relay relays[NETMAP_RELAYS_MAX];
	size_t relay_count;
	uint64_t *revoked; /* serials */
	size_t revoked_count;
	uint64_t next_serial;
	uint64_t followed;         /* changes of a shared store that memory has; see follow.h */
	uint64_t purged_s;         /* when old ones were forgotten */
	uint64_t revoked_purged_s; /* when serials of expired certificates were */
	uint64_t version;          /* of the newest map; grows over restarts too */
	bool needs_approval;       /* keys that say nothing else make nodes that wait */
	bool all_dirty;            /* every map may have to change */
	bool report_paths;         /* nodes may tell of their paths and health */
	bool relays_dirty;         /* every node wants the relays and credentials again */
};

/* Values in the store. */
#define NETWORK_VALUE_ID        "network_id"
#define NETWORK_VALUE_NAME      "network_name"
#define NETWORK_VALUE_POOL4     "pool4"
#define NETWORK_VALUE_POOL6     "pool6"
#define NETWORK_VALUE_ADDRESSES "addresses" /* "host:port", separated by spaces */
#define NETWORK_VALUE_APPROVAL  "approval"  /* "required" */
#define NETWORK_VALUE_POLICY    "policy"
#define NETWORK_VALUE_NAMES     "names"
#define NETWORK_VALUE_SERIAL    "next_serial"
#define NETWORK_VALUE_EPOCH     "epoch" /* counts starts: the upper half of map versions */
#define NETWORK_VALUE_PROBE     "probe" /* written to see whether writing works again */
#define NETWORK_VALUE_RELAY     "relay_secret"
#define NETWORK_VALUE_REPORT    "report_paths" /* "no", else yes */

/*
 * Loads everything from DIR. 0, or an error with a line for people in error: what is wrong and what
 * to do.
 */
int network_open(struct network *network, const char *dir, char *error, size_t error_size);
/* The keys from dir, everything else from this place (store_postgres.h; NULL: from dir as well). */
int network_open_at(struct network *network, const char *dir, const char *place, char *error,
		    size_t error_size);
/* Also of one half open. Frees nodes; their sessions must be gone. */
void network_close(struct network *network);

/* For a certificate; none is given twice, by no coordinator of the network. */
int network_take_serial(struct network *network, uint64_t *serial);
/* Within the transaction that stores what the serials were taken for. */
int network_store_serial(struct network *network);

struct node *network_find(const struct network *network, const uint8_t device_key[static 32]);
struct node *network_find_name(const struct network *network, const char *name);
/* Walks all nodes: start with *cursor = 0, ends with NULL. */
struct node *network_next(const struct network *network, size_t *cursor);

/* Puts an enrolled node under the network's care (memory only). 0, -ENOSPC, -ENOMEM. */
int network_adopt(struct network *network, struct node *node);

/* Makes a member of a node that waited, with a certificate. 0, or the store's error: it waits on.
 */
int network_approve(struct network *network, struct node *node, uint64_t now_s);
/*
 * Forgets a node whose row is gone or another's already: its addresses are its successor's. Its
 * session must be gone; frees it.
 */
int network_forget(struct network *network, struct node *node);
/* Stores what changed in a node, and lets its peers' maps follow. */
int network_store_node(struct network *network, struct node *node);
/* Cuts a node off: its certificate counts no more. The session is the caller's to end. */
int network_revoke(struct network *network, struct node *node, uint64_t now_s);
/* As revoke, and forgets it; frees node, whose session must be gone. */
int network_delete(struct network *network, struct node *node, uint64_t now_s);
/* Its two halves, for those who have to tell its session between them; see sessions_delete. */
int network_store_delete(struct network *network, const struct node *node, uint64_t now_s);
int network_drop(struct network *network, struct node *node);
/* From time to time: forgets serials whose certificates have expired, which nobody takes anyway. */
int network_purge_revoked(struct network *network, uint64_t now_s);
/* 0, -EINVAL: no valid name, -EEXIST: taken. Issues a certificate in the new name. */
int network_rename(struct network *network, struct node *node, const char *name, uint64_t now_s);

/*
 * A new certificate, with this WireGuard key, which may be the present one. 0, -EEXIST: another
 * node has it.
 */
int network_rekey(struct network *network, struct node *node,
		  const uint8_t wireguard_key[static 32], uint64_t now_s);

/* Parses, checks against the nodes there are, stores and obeys. -EINVAL and -EPERM fill *error. */
int network_check_policy(const struct network *network, const char *text, size_t len,
			 struct policy **policy, struct policy_error *error);
/* In strict mode it is asked for, by who, and obeyed when it is signed. */
int network_set_policy(struct network *network, const char *text, size_t len, const char *who,
		       uint64_t now_s, struct policy_error *error);
/* Takes the policy and makes it the one in force, in memory only. */
void network_obey(struct network *network, struct policy *policy);

/* Those that are in the store go from memory; those that run inside coordinators stay. */
void network_drop_stored_relays(struct network *network);
/* 0, -EEXIST, -ENOSPC. */
int network_add_relay(struct network *network, const struct store_relay *relay);
/* 0 or -ENOENT. */
int network_remove_relay(struct network *network, const char *name);

#endif
