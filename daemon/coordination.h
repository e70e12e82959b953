#ifndef WARREN_DAEMON_COORDINATION_H
#define WARREN_DAEMON_COORDINATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mesh;
struct prefix;
struct route_facts;

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

/*
 * The networks that this node offers to carry, in place of those before, and whether it offers to
 * be an exit. Sent at once when connected, and after every welcome. mesh->route_offer has the
 * answers. 0; -ENOSPC: together they are more than CERT_ROUTES_MAX, and nothing has changed.
 */
int coordination_offer_routes(struct mesh *mesh, const struct prefix *routes,
			      const struct route_facts *facts, size_t count);
int coordination_offer_exit(struct mesh *mesh, bool exit4, bool exit6);
/* From time to time: what the coordinator did not answer was lost, and is offered again. */
void coordination_offer_again(struct mesh *mesh);

/* For status: "ok", "connecting", "unreachable", "refused", "none". */
const char *coordination_state(const struct mesh *mesh);

#endif
