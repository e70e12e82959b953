#ifndef WARREN_COORD_APPROVAL_H
#define WARREN_COORD_APPROVAL_H

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

#endif
