#ifndef WARREN_DAEMON_ROUTING_H
#define WARREN_DAEMON_ROUTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct mesh;
struct mesh_peer;
struct route_report;
struct routing;

/*
 * The prefixes that peers carry, as this node uses them: which of them may be used here, by which
 * peer (proto/carrier.h), and what the kernel is told of it: an own table with a route for each,
 * and rules that ask it after the main table has had its say without its default route. The host's
 * own networks, its default route and the routes that others made are never touched.
 *
 * While an exit is wanted (daemon/exit.h) 0.0.0.0/0 and ::/0 are prefixes like others, carried by
 * the peers of which exit_may_carry says so.
 */

/* Our table is this, or-ed with the number of the TUN device. */
#define ROUTING_TABLE_BASE 0x57000000u
/* Priorities of the rules, in order. */
#define ROUTING_RULE_MARK  5200 /* the daemon's own packets: the main table */
#define ROUTING_RULE_LOCAL 5210 /* the main table without its default route */
#define ROUTING_RULE_TABLE 5220 /* our table */
/* Prefixes that are told apart; more are not used, and status says so. */
#define ROUTING_PREFIXES_MAX 4096

/* NULL when out of memory. */
struct routing *routing_new(struct mesh *mesh);
/* Takes back what the kernel was told. Accepts NULL. */
void routing_free(struct routing *routing);

/*
 * The map was applied: peers and what they carry may be others. Also when the user's choice of
 * accept-routes or of an exit changed.
 */
void routing_map_changed(struct mesh *mesh);
/* This peer is about to be freed. */
void routing_peer_leaves(struct mesh *mesh, const struct mesh_peer *peer);
/* Links, addresses or routes of this host changed. */
void routing_network_changed(struct mesh *mesh);
/* The device was made or configured anew: the kernel forgot its routes. */
void routing_restore(struct mesh *mesh);

/* Now and then: somebody may have removed the rules. */
void routing_check(struct mesh *mesh);

/* Signs of life and of none. */
void routing_peer_wanted(struct mesh *mesh, struct mesh_peer *peer);
void routing_peer_unanswered(struct mesh *mesh, struct mesh_peer *peer);
/* Its presence, its path or its session is another one. */
void routing_peer_changed(struct mesh *mesh, struct mesh_peer *peer);
/* It says which of its certificate's routes (of that serial) lead nowhere now. */
void routing_peer_routes(struct mesh *mesh, struct mesh_peer *peer, uint32_t serial, uint32_t down);
/* What its path takes (mesh_peer_route_mtu) is another size. */
void routing_mtu_changed(struct mesh *mesh, const struct mesh_peer *peer);

enum routing_state {
	ROUTING_USED,    /* its packets go to this peer */
	ROUTING_STANDBY, /* another peer carries it now, this one could */
	ROUTING_SILENT,  /* this one is not reachable, or the network is not for it */
	ROUTING_HIDDEN,  /* a conflict, see why */
	ROUTING_OFF,     /* not wanted: accept-routes no, policy, no address of this family */
};

/* One prefix of one peer. */
struct routing_view {
	struct prefix prefix;
	const struct mesh_peer *peer;
	enum routing_state state;
	/*
	 * A word: of a used one why it is this peer ("only", "weight", "failover", …), or the
	 * conflict for a part of it that stays with this host; else why not ("standby", "silent",
	 * "out-of-reach", "at-home", "local-network", "overlay", "other-route", "accept-routes",
	 * "policy", "no-address", "too-many").
	 */
	const char *why;
	char detail[96]; /* of a conflict: with what; or "" */
};

/* Walks all of them: start with *cursor = 0; false at the end. */
bool routing_next(const struct mesh *mesh, size_t *cursor, struct routing_view *view);
/* The peer that carries 0.0.0.0/0 (AF_INET) or ::/0 (AF_INET6) now; NULL: nobody.
 */
struct mesh_peer *routing_exit_peer(const struct mesh *mesh, int family);
/* The peers' lines of `warren routes`. */
void routing_report(struct route_report *report, const struct mesh *mesh);

#endif
