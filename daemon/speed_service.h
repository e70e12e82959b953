#ifndef WARREN_DAEMON_SPEED_SERVICE_H
#define WARREN_DAEMON_SPEED_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/filter_rules.h"

struct mesh;

/*
 * The other end of `warren speed`: a server on SPEED_PORT of this node's overlay addresses, for
 * peers of the map only, which are those between which policy allows anything in either direction.
 * It is bound to the tunnel's device, and the filter lets peers to it by a rule of our own while it
 * listens. One measurement at a time. `set speed no` closes it.
 */
struct speed_service;

/* 0 or -errno. Nothing is served before speed_service_refresh. */
int speed_service_new(struct speed_service **service, struct mesh *mesh);
/* Accepts NULL. */
void speed_service_free(struct speed_service *service);

/* The node is up, or its addresses, the device or the setting are others. */
void speed_service_refresh(struct mesh *mesh);
/* The node goes down. */
void speed_service_stop(struct mesh *mesh);

/* The rules that let a peer reach it, at most two: how many. */
size_t speed_service_rules(const struct mesh *mesh, struct filter_rule out[static 2]);

#endif
