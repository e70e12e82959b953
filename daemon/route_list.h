#ifndef WARREN_DAEMON_ROUTE_LIST_H
#define WARREN_DAEMON_ROUTE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/setting_table.h"
#include "proto/cert.h"

/*
 * What `set routes PREFIX,…|none [--map REAL=SEEN]… [--snat yes|no] [--weight N]` says. SEEN is
 * what is offered and may stand in the list, or REAL in its place, or neither.
 */
struct route_list {
	struct prefix routes[CERT_ROUTES_MAX]; /* as seen in the mesh */
	struct route_facts facts[CERT_ROUTES_MAX];
	size_t count;
	bool snat; /* what comes from the mesh gets the router's own address in the LAN */
};

/* 0; or -EINVAL with why filled, *list is then untouched. */
int route_list_read(struct route_list *list, const struct setting *setting,
		    char why[static SETTING_WHY_SIZE]);

#endif
