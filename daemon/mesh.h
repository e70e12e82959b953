#ifndef WARREN_DAEMON_MESH_H
#define WARREN_DAEMON_MESH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/rng.h"
#include "daemon/config.h"
#include "daemon/documents.h"
#include "daemon/gossip.h"
#include "daemon/http_proxy.h"
#include "daemon/identity.h"
#include "daemon/local_candidates.h"
#include "daemon/local_networks.h"
#include "daemon/membership.h"
#include "daemon/route_offer.h"
#include "daemon/settings.h"
#include "daemon/unsaved.h"
#include "daemon/uplinks.h"
#include "io/loop.h"
#include "proto/nat_mapping.h"
#include "proto/netmap.h"
#include "proto/punch_budget.h"

struct mdns_service;
struct control_client;
struct dataplane;
struct device;
struct enrolment;
struct filter_flows;
struct exit_use;
struct firewall;
struct ice_budget;
struct leftovers;
struct local_server;
struct map;
struct mesh_peer;
struct monitor;
struct name_service;
struct netlink;
struct pings;
struct portmap;
struct relays;
struct reporter;
struct routing;
struct speed_service;
struct stun_index;
struct uapi;
struct ws_client;

#define MESH_HEALTH_SIZE 256

/* What may be wrong for a while; each has at most one line in status. */
enum mesh_health {
	HEALTH_IDENTITY,    /* another machine has ours */
	HEALTH_APPROVAL,    /* not let in yet */
	HEALTH_COORDINATOR, /* not connected, or refused */
	HEALTH_RELAY,       /* none reachable */
	HEALTH_CREDENTIALS, /* a relay refuses ours */
	HEALTH_UDP,         /* blocked */
	HEALTH_CERTIFICATE, /* expired, or not valid yet */
	HEALTH_PEERS,       /* the same of peers, which are cut off */
	HEALTH_OVERLAP,     /* our addresses collide with a local network */
	HEALTH_STATE,       /* state could not be written */
	HEALTH_DEVICE,      /* the TUN device is not as it should be */
	HEALTH_MAP,         /* the coordinator sent a map that does not hold */
	HEALTH_OWN,         /* the same of this node's certificate */
	HEALTH_TRUST,       /* the same of documents, in the order of their kinds */
	HEALTH_POLICY,
	HEALTH_RELAYS,
	HEALTH_REVOCATIONS,
	HEALTH_NAMES_DOCUMENT,
	HEALTH_DOCUMENTS,     /* what we remember of them is lost */
	HEALTH_FORKED,        /* peers hold other documents than we do */
	HEALTH_FROZEN,        /* and newer ones than the coordinator gives us */
	HEALTH_OFFLOAD,       /* one was switched off, because it does not work */
	HEALTH_CIPHER,        /* a library encrypts wrongly and is not used */
	HEALTH_TLS,           /* somebody opens it on the way */
	HEALTH_PORT,          /* the router says that it opened one, and did not */
	HEALTH_CLOCK,         /* this machine's is wrong by the coordinator's */
	HEALTH_DNS,           /* names do not work, or not all */
	HEALTH_ROUTING,       /* prefixes of peers that cannot be used here */
	HEALTH_EXIT,          /* wanted, and nobody carries */
	HEALTH_BLOCK,         /* what goes beside it cannot be held back */
	HEALTH_OFFER,         /* an exit that this node cannot be */
	HEALTH_ROUTER,        /* what this node may carry it does not */
	HEALTH_LAN,           /* a network that it carries is out of its reach */
	HEALTH_FOREIGN_RULES, /* others' rules are in the way of it */
	MESH_HEALTH_MAX,
};

/*
 * A node of a mesh: everything the daemon holds when it is not a plain WireGuard device. One
 * control thread owns it all; the parts below know each other through it.
 */
struct mesh {
	const struct daemon_config *config;
	struct rng rng;
	struct loop *loop;
	struct netlink *netlink;
	struct monitor *monitor;
	struct loop_watch *monitor_watch;
	struct loop_timer monitor_timer;
	struct ws_client *ws;
	struct http_proxy http_proxy;
	struct mdns_service *mdns;
	int state_lock; /* the state folder, ours alone; negative: not yet */
	struct leftovers *leftovers;
	struct firewall *firewall;
	struct exit_use *exit;

	struct dataplane *dp;
	struct device *device;
	struct uapi *uapi;
	struct filter_flows *flows;
	struct loop_timer housekeeping;

	struct identity *identity; /* NULL before the first up */
	bool has_membership;
	struct membership membership;
	struct settings settings;
	struct route_offer route_offer; /* what this node carries, if it may; see coordination.h */
	struct unsaved unsaved;
	bool clock_known;      /* the coordinator has told the time since our start */
	uint64_t clock_base_s; /* when clock_now_ns was 0, by its clock */

	struct documents documents;
	struct gossip gossip;
	struct netmap *offered; /* as signed; NULL until one was received or found on disk */
	struct netmap *map;     /* made of it, and in force */
	uint64_t map_from_s;    /* applied then; by mesh_wall_s */
	uint64_t map_until_s;   /* to be applied again then: a certificate begins or ends to hold */
	struct map *peers;      /* struct mesh_peer by node key */
	struct map
		*refused; /* node keys of the map whose addresses must not be routed; for the log */
	struct stun_index *stun; /* which peer's agent a message is for */
	struct nat_mapping nat;  /* what ours does, as far as others have told */
	struct punch_budget punch_budget;
	struct ice_budget *checks; /* of all agents together, to addresses that never answered */
	struct local_candidates candidates;
	struct uplinks uplinks;
	uint32_t network_count; /* networks seen, this one included: from 1 */
	struct local_networks local_networks;
	unsigned int underlay_mtu; /* inner packets of the widest link */
	struct relays *relays;
	struct portmap *portmap;
	struct reporter *reporter;
	struct routing *routing;        /* the prefixes that peers carry */
	struct router *router;          /* those that this node carries */
	struct control_client *control; /* NULL while down */
	struct enrolment *enrolment;
	struct name_service *names;
	struct local_server *local_server;
	struct metrics_server *metrics; /* NULL: not wanted */
	struct pings *pings;
	struct speed_service *speed;
	char health[MESH_HEALTH_MAX][MESH_HEALTH_SIZE];
};

/* Runs until SIGTERM. The exit code of the program; errors have been logged. */
int mesh_run(const struct daemon_config *config);

/* fmt NULL: all is well. The line says what is wrong and what to do. */
void mesh_set_health(struct mesh *mesh, enum mesh_health what, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The path of a file in the state folder. */
struct mesh_path {
	char text[DAEMON_PATH_MAX + 32];
};
struct mesh_path mesh_path(const struct mesh *mesh, const char *file);
/* Says so in health when a state file could not be written. */
void mesh_saved(struct mesh *mesh, const char *what, int err);

/*
 * Seconds since 1970: once the coordinator has told the time, by its clock, whatever becomes of
 * this machine's.
 */
uint64_t mesh_wall_s(const struct mesh *mesh);
/* A certificate begins or ends before the next look at the clock: an earlier one is planned. */
void mesh_plan_housekeeping(struct mesh *mesh);
/* The coordinator says what time it is. */
void mesh_set_clock(struct mesh *mesh, uint64_t wall_s);

/* Connects to the coordinator, sets the device up, starts from the cached map. */
void mesh_start(struct mesh *mesh);
/* Disconnects: no control channel, no relays, no sessions, device down. */
void mesh_stop(struct mesh *mesh);
/* The same but for the control channel, until the next mesh_start. */
void mesh_quiet(struct mesh *mesh);

struct mesh_peer *mesh_find_peer(const struct mesh *mesh, const uint8_t node_key[static 32]);
/* By one of the overlay addresses. */
struct mesh_peer *mesh_find_peer_address(const struct mesh *mesh, const struct ip_addr *addr);
/* By name, or one of the overlay addresses as text. */
struct mesh_peer *mesh_find_peer_text(const struct mesh *mesh, const char *text);

#endif
