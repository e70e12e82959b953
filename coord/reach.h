#ifndef WARREN_COORD_REACH_H
#define WARREN_COORD_REACH_H

#include "coord/network.h"

/*
 * Who has to do with whom: the network's policy and members in one index, and, when nodes change,
 * which others that concerns, so that a change costs work for those only. For mapmaker.c.
 */

/* A peer that is to be looked at in one node's map. */
struct map_due {
	struct node *peer;
	const struct policy_grant *in;  /* what the peer may start towards the node */
	const struct policy_grant *out; /* the other way; both NULL: they are strangers now */
};

/*
 * Brings the index up to date with the dirty nodes, and notes with everybody whom that concerns
 * what is due, unless all are (network->all_dirty). 0, -ENOSPC: too many rules for a pair, -ENOMEM;
 * then it is without an index, and all will be due.
 */
int reach_prepare(struct network *network);
/* What was due is done; nothing is dirty any more. */
void reach_settle(struct network *network);
/* The policy is about to be replaced: all will be due. */
void reach_drop(struct network *network);
/* The node is about to be freed: takes it out. */
void reach_remove(struct network *network, struct node *node);

#endif
