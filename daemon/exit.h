#ifndef WARREN_DAEMON_EXIT_H
#define WARREN_DAEMON_EXIT_H

#include <stdbool.h>

#include "base/addr.h"
#include "daemon/setting_table.h"

struct cert;
struct exit_use;
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
/*
 * The shortest prefixes, in v4 and v6, for which the machine's own routes are followed while an
 * exit is wanted: others divide the internet, however many there are. 0: none is followed.
 */
void exit_local_lengths(const struct mesh *mesh, uint32_t out[static 2]);
/* May this peer carry the prefixes of length 0 for us? By the user's choice and its certificate. */
bool exit_may_carry(const struct mesh *mesh, const struct cert *cert, const struct prefix *prefix);

/* From routing: another peer, or none, carries that family (AF_INET, AF_INET6) from now on. */
void exit_carrier_changed(struct mesh *mesh, int family, struct mesh_peer *peer);

/*
 * Before anything of the network is touched: what the kill switch blocked when the daemon ended
 * stays blocked. 0 or -ENOMEM.
 */
int exit_begin(struct mesh *mesh);
/*
 * Makes it as it is to be: after up, down and logout, when settings, routes or the links of
 * this machine changed, and now and then, since others may have removed what we made.
 */
void exit_update(struct mesh *mesh);
/* Nothing of others is waited for any more: the loop is about to end. */
void exit_unwatch(struct mesh *mesh);
/* The daemon ends: all is taken back but what the kill switch blocks. */
void exit_end(struct mesh *mesh);
/* `warrend --close`: what the kill switch blocks, but for local networks. 0 or -errno. */
int exit_close(struct mesh *mesh);
/* `warrend --cleanup --open`: nothing is blocked any more. 0 or -errno. */
int exit_open(const char *tun);

/* The rows of the table of settings: may it be set, and it is. */
int exit_check_node(const struct mesh *mesh, const struct setting *setting,
		    char why[static SETTING_WHY_SIZE]);
int exit_check_offer(const struct mesh *mesh, const struct setting *setting,
		     char why[static SETTING_WHY_SIZE]);

/* What this node's own exits are, for `warren routes`. */
void exit_report(struct route_report *report, const struct mesh *mesh);

#endif
