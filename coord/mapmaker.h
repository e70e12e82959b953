#ifndef WARREN_COORD_MAPMAKER_H
#define WARREN_COORD_MAPMAKER_H

#include "coord/network.h"

/*
 * Makes each node's map from the network: the peers that policy lets it talk to in one of the
 * directions, with what they may start towards it. A node's last map is kept, so that a change
 * costs work for the nodes that changed only.
 */

/* A whole new map, signed, in node->map. 0, -EMSGSIZE, -ENOSPC, -ENOMEM. */
int mapmaker_build(struct network *network, struct node *node);
/*
 * Brings node->map up to date with the dirty nodes; with `whole` (a node that was away) or when the
 * network says so, with everything. *delta is malloc'd, or NULL when nothing changed for this node.
 * node->map must be there.
 */
int mapmaker_update(struct network *network, struct node *node, bool whole, uint8_t **delta,
		    size_t *len);
/*
 * Before maps are updated after a change: finds out whom the dirty nodes concern. 0, -ENOSPC: the
 * rules for a pair are more than FILTER_RULES_MAX, -ENOMEM.
 */
int mapmaker_prepare(struct network *network);
/* After all nodes' maps were updated: nothing is dirty any more. */
void mapmaker_settle(struct network *network);
/* The policy is about to be replaced; every map may have to change. */
void mapmaker_forget_policy(struct network *network);
/* The node is about to be freed. */
void mapmaker_forget_node(struct network *network, struct node *node);

#endif
