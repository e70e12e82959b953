#ifndef WARREN_DAEMON_ROUTE_CONFLICT_H
#define WARREN_DAEMON_ROUTE_CONFLICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "kernel-iface/ifaddr.h"
#include "kernel-iface/link.h"
#include "kernel-iface/route.h"

struct netlink;

/*
 * What of this host stands against a prefix that a peer carries: the networks it is in, the routes
 * that others made, and the addresses of the overlay. The host's own always win; here is said so,
 * and why.
 */
enum route_conflict_kind {
	ROUTE_CONFLICT_NONE,
	ROUTE_CONFLICT_AT_HOME,       /* this host is inside it, or carries it itself */
	ROUTE_CONFLICT_LOCAL_NETWORK, /* a network of this host has the same addresses */
	ROUTE_CONFLICT_OVERLAY,       /* addresses of nodes are in it */
	ROUTE_CONFLICT_OTHER_ROUTE,   /* somebody else's route leads there */
};

#define ROUTE_CONFLICT_WITH_SIZE 80

struct route_conflict {
	enum route_conflict_kind kind;
	bool whole; /* the prefix is not used; else only a part of it stays with this host */
	char with[ROUTE_CONFLICT_WITH_SIZE]; /* "192.168.1.7/24 on eth0", or "" */
};

/* "at-home", "local-network", "overlay", "other-route"; "" for none. */
const char *route_conflict_text(enum route_conflict_kind kind);

/* A network that the host is in by an address of its own. */
struct host_network {
	struct prefix network;
	struct ip_addr addr;
	uint32_t ifindex;
	char name[LINK_NAME_SIZE];
	bool lan; /* a real one: not a bridge for containers or the like, and the cable is in */
};

struct host_view {
	struct host_network networks[IFADDR_MAX];
	size_t network_count;
	struct route *routes; /* of the main table that are no network of the host's and not ours */
	size_t route_count;
};

/* Reads all anew. 0, or -errno and it stays as it is. */
int host_view_read(struct host_view *host, struct netlink *nl, uint32_t tunnel);
void host_view_clear(struct host_view *host);

/* Addresses of nodes, ours too, ascending as bytes. */
struct overlay_view {
	struct ip_addr *addrs;
	size_t count;
};

/* Puts them in order. */
void overlay_view_sort(struct overlay_view *overlay);

/*
 * What stands against the prefix, the gravest if there are several. Default routes: nothing. A LAN
 * of the host's that is a part of the prefix only is that site (site: its router is reached at an
 * address inside the prefix, by a path that is no tunnel), or one elsewhere that is numbered like a
 * part of it, which then keeps its own part and no more.
 */
void route_conflict_find(struct route_conflict *conflict, const struct prefix *prefix,
			 const struct host_view *host, const struct overlay_view *overlay,
			 bool site);

#endif
