#ifndef WARREN_COORD_APPROVAL_H
#define WARREN_COORD_APPROVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coord/sessions.h"
#include "proto/control.h"

/*
 * Nodes that are not let in yet. They have a row, a name and addresses like any other, so that an
 * admin sees what will be; but no certificate, and nobody hears of them.
 */

/* What the node is told: its state, and the code of its keys. A sign-in's url is the caller's. */
void approval_describe(const struct node *node, struct control_pending *pending);
/*
 * Lets a node in that waited for whatever it was: stored, and welcomed at once when it is
 * connected. 0, -EALREADY: it did not wait, -EPERM: it is revoked, or the store's error.
 */
int approval_grant(struct sessions *sessions, struct node *node, uint64_t now_s);
/* Forgets a node that waits, and tells it. 0, -EALREADY: it did not wait, or the store's error. */
int approval_reject(struct sessions *sessions, struct node *node, uint64_t now_s);
/* Forgets nodes that have waited too long. */
void approval_expire(struct sessions *sessions, uint64_t now_s);
/*
 * The node that waits and has this name or shows this code. 0, -ENOENT, -EALREADY: the node of that
 * name (in *node) does not wait, -ENOTUNIQ: two show it, name one by its name.
 */
int approval_find(const struct network *network, const char *text, struct node **node);
size_t approval_count(const struct network *network);
/* The network's setting: keys that do not say otherwise make nodes that wait. 0 or the store's. */
int approval_require(struct network *network, bool required);

#endif
