#ifndef WARREN_DAEMON_COORDINATION_H
#define WARREN_DAEMON_COORDINATION_H

#include <stdint.h>

struct mesh;

/*
 * The dialogue with the coordinator: who we say we are, and what its messages change. The
 * connection itself is control_client.h.
 */

/* Begins, or begins at once instead of after the retry pause. 0 or -ENOMEM. */
int coordination_start(struct mesh *mesh);
/* The connection may be dead without knowing: asks, or dials anew. */
void coordination_network_changed(struct mesh *mesh);
/* It is dead for certain. */
void coordination_redial(struct mesh *mesh);
void coordination_stop(struct mesh *mesh);

/* Another relay is home: peers have to know where to find us. */
void coordination_tell_home_relay(struct mesh *mesh);

/* For status: "ok", "connecting", "unreachable", "refused", "none". */
const char *coordination_state(const struct mesh *mesh);

#endif
