#ifndef WARREN_DAEMON_ROUTER_H
#define WARREN_DAEMON_ROUTER_H

#include <stdbool.h>

#include "daemon/setting_table.h"

struct mesh;
struct mesh_peer;
struct route_report;
struct router;

/*
 * This node as a router for networks that run nothing of ours, and as an exit: what `set routes`
 * offers, and what of it, by this node's certificate, the kernel is told to carry. The kernel's
 * rules are one table (daemon/router_rules.h), replaced as a whole whenever something changes.
 */

/* NULL when out of memory. */
struct router *router_new(struct mesh *mesh);
/* Takes back what the kernel was told. Accepts NULL. */
void router_free(struct router *router);

/* The settings are loaded and the device is there: offers what they say. */
void router_begin(struct mesh *mesh);
/* This node is connected from now on, or is not. */
void router_set_up(struct mesh *mesh, bool up);
/*
 * The certificate, the offer, our addresses or others' rules may have changed. Says in status what
 * is wrong.
 */
void router_update(struct mesh *mesh);

/* Links, addresses or routes of this host changed. */
void router_network_changed(struct mesh *mesh);
/* A session with the peer is there: it is told what of ours leads nowhere. */
void router_tell(struct mesh *mesh, struct mesh_peer *peer);

/* `set routes`: may these be offered? As setting_row's. */
int router_check_setting(const struct mesh *mesh, const struct setting *setting,
			 char why[static SETTING_WHY_SIZE]);
void router_apply_setting(struct mesh *mesh);

/* The networks' lines of this node for `warren routes`. */
void router_report(struct route_report *report, const struct mesh *mesh);
/* NULL: what this node may carry it does carry; else what is in the way. */
const char *router_problem(const struct mesh *mesh);

#endif
