#ifndef WARREN_DAEMON_EXIT_H
#define WARREN_DAEMON_EXIT_H

#include <stdbool.h>

#include "base/addr.h"

struct cert;
struct mesh;
struct mesh_peer;
struct route_report;

/*
 * Exits: peers that carry all traffic to the internet. What is here is the user's choice and what
 * follows from it: who may carry, what is blocked meanwhile, what this node offers itself. Which
 * peer of those that may is used, and the kernel's routes, are the same affair as for any other
 * prefix (daemon/routing.h): an exit carries the prefixes of length 0.
 *
 * While an exit is wanted the default routes lead into the tunnel, in both families and also when
 * nobody carries them: then packets are refused, never sent another way.
 */

/* `set exit-node` names one, or auto, and this node is up in a network. */
bool exit_wanted(const struct mesh *mesh);
/* Networks that this machine has a route to besides the default one stay beside the tunnel. */
bool exit_keeps_local(const struct mesh *mesh);
/* May this peer carry the prefixes of length 0 for us? By the user's choice and its certificate. */
bool exit_may_carry(const struct mesh *mesh, const struct cert *cert, const struct prefix *prefix);
/* Who carries that family (AF_INET, AF_INET6) now; NULL: nobody. */
struct mesh_peer *exit_carrier(const struct mesh *mesh, int family);

/* From routing: another peer, or none, carries that family from now on. */
void exit_carrier_changed(struct mesh *mesh, int family, struct mesh_peer *peer);

/*
 * Before anything of the network is touched: what was blocked when the daemon ended stays, or comes
 * back. 0, or -errno when it cannot be blocked; then nothing may be connected.
 */
int exit_begin(struct mesh *mesh);
/* After `up`, with every map, and when settings changed: blocks, offers, says in status. */
void exit_update(struct mesh *mesh);
/* `down` and `logout`: everything open again, the choice is kept for the next up. */
void exit_stop(struct mesh *mesh);
/* The daemon ends: all is taken back but what the kill switch blocks. */
void exit_end(struct mesh *mesh);

/* What this node's own exits are, for `warren routes`. */
void exit_report(struct route_report *report, const struct mesh *mesh);

#endif
