#ifndef WARREN_DAEMON_ROUTER_H
#define WARREN_DAEMON_ROUTER_H

#include "daemon/setting_table.h"

struct mesh;

/*
 * This node as a router for networks that run nothing of ours: what it offers, and what of that its
 * certificate lets it carry.
 */

/* `set routes`: may these be offered? As setting_row's. */
int router_check_setting(const struct mesh *mesh, const struct setting *setting,
			 char why[static SETTING_WHY_SIZE]);
void router_apply_setting(struct mesh *mesh);

#endif
