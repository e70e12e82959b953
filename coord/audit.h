#ifndef WARREN_COORD_AUDIT_H
#define WARREN_COORD_AUDIT_H

#include <jansson.h>
#include <stdint.h>

#include "coord/store_audit.h"

struct admin_caller;
struct node;
struct sessions;

/* The audit log: every change with who and when, and no secrets. */

#define AUDIT_PURGE_S 3600 /* how often what is too old is forgotten */

/*
 * Notes what the next change of the store is about to be. caller NULL: the coordinator itself;
 * details is an object, stolen, or NULL.
 */
void audit_note(struct store *store, const struct admin_caller *caller, const char *action,
		const char *target, json_t *details, uint64_t now_s);
/* A machine is about to be stored as a new node, by this key. */
void audit_note_join(struct store *store, const struct node *node, const uint8_t *key_id,
		     uint64_t now_s);
/* The change did not happen. */
void audit_forget(struct store *store);
/* Forgets what is too old, from time to time. */
void audit_tick(struct sessions *sessions, uint64_t now_s);

#endif
