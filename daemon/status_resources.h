#ifndef WARREN_DAEMON_STATUS_RESOURCES_H
#define WARREN_DAEMON_STATUS_RESOURCES_H

#include <jansson.h>

struct mesh;
struct status;

/*
 * What status says beside nodes: routes, the exit, names and conflicts. Adds "routes" (the lines of
 * daemon/route_report.h), "exit_node" (null, or {"wanted":"auto","ipv4":"fra","ipv6":null,
 * "keep_local":true,"kill_switch":false}), "names" ({"on":true,"how":"systemd-resolved",
 * "domain":"acme.internal"}) and "conflicts" (a text each). 0 or -ENOMEM.
 */
int status_resources_add(json_t *object, const struct status *status);
/* The prefixes that each node carries: an object with an array of texts by the node's name. */
json_t *status_resources_by_node(const struct status *status);

/* "exit_node", "names" and "conflicts" alone, for netcheck: added to fields. */
void status_resources_netcheck(json_t *fields, const struct mesh *mesh);

/* Fills exit_node and names; texts are borrowed from the mesh. */
void status_resources_fill(struct status *status, const struct mesh *mesh);

#endif
