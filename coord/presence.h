#ifndef WARREN_COORD_PRESENCE_H
#define WARREN_COORD_PRESENCE_H

#include <stdbool.h>

struct netmap;
struct node;
struct session;
struct sessions;

/*
 * Who is online and at which relay: told to those whose map names the node, unsigned. Work and
 * messages are in proportion to what changed, not to the network.
 */

/* Everything a session may know, to one that is new here. */
void presence_tell_all(struct session *session);
/* About the peers that its map has and `before` had not. */
void presence_tell_added(struct session *session, const struct netmap *before);
/* To everybody: the nodes that came, went or moved, apart from those who are new here. */
void presence_tell_changes(struct sessions *sessions);

#endif
