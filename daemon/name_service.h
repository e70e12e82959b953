#ifndef WARREN_DAEMON_NAME_SERVICE_H
#define WARREN_DAEMON_NAME_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"

struct mesh;
struct names_zone;

/*
 * Names for this machine: a small server on the node's own overlay addresses that answers from the
 * signed map and forwards the rest, and the system's resolver told to ask it.
 */
struct name_service;

/* 0 or -ENOMEM. Nothing is served before name_service_begin. */
int name_service_new(struct name_service **service, struct mesh *mesh);
/* The system's resolver is as it was before. Accepts NULL. */
void name_service_free(struct name_service *service);

/* From mesh_start on names are served, until mesh_quiet. */
void name_service_begin(struct mesh *mesh);
void name_service_end(struct mesh *mesh);
/* The map, our addresses or the machine's networks changed. */
void name_service_refresh(struct mesh *mesh);
/* The setting `names` changed. */
void name_service_apply(struct mesh *mesh);

/*
 * An exit node is wanted: everything but our own names and split domains is asked at these overlay
 * addresses of the one in use, and nowhere while count is 0, for no exit can be used now (what
 * leaves with our mark would not be held back). Only what this daemon itself must resolve, the
 * names of the coordinator and the relays, is still asked at the original servers. wanted false:
 * those are asked everything again.
 */
void name_service_set_exit(struct mesh *mesh, bool wanted, const struct ip_addr *servers,
			   size_t count);

/* For status. */
struct name_service_state {
	bool on;
	const char *how;    /* "systemd-resolved", "resolv.conf", or NULL */
	const char *domain; /* NETWORK.internal; "" when off */
};
void name_service_describe(const struct mesh *mesh, struct name_service_state *state);

/* The names as this node knows them, whether they are served or not; good until the loop's next
 * turn. NULL: it is in no network. */
const struct names_zone *name_service_zone(struct mesh *mesh);

#endif
