#ifndef WARREN_DAEMON_ROUTING_STATE_H
#define WARREN_DAEMON_ROUTING_STATE_H

#include "daemon/route_conflict.h"
#include "daemon/routing.h"
#include "daemon/routing_table.h"
#include "io/loop.h"
#include "proto/carrier.h"
#include "proto/cert.h"

/* What routing.c, routing_offers.c, routing_carrier.c and routing_report.c share; nobody else
 * includes this. */

struct dp_peer;
struct map;

/* A peer whose certificate names routes. */
struct carrier {
	uint8_t key[32];
	uint64_t id;
	struct mesh_peer *peer; /* NULL: it has left, and the map is about to be looked at */
	struct carrier_pulse pulse;
	uint32_t down;                  /* its word: which of its routes lead nowhere, … */
	uint32_t down_serial;           /* of the certificate with this low half of a serial */
	uint64_t waiting_ns;            /* packets wait for a session since; 0: none do */
	size_t offers[CERT_ROUTES_MAX]; /* of the map as it is now: places in routing->offers */
	size_t offer_count;
	bool rivals; /* it, or somebody instead of it: its pulse matters */
	bool in_use;
	bool lost; /* a prefix was given to somebody else in this turn */

	/* What the data plane was told. */
	struct dp_peer *dp;
	struct prefix sources[CERT_ROUTES_MAX];
	size_t source_count;
	bool live;
};

/* One prefix of one peer. */
struct offer {
	struct prefix prefix;
	struct carrier *carrier;
	unsigned int weight;
	struct ip_addr real;
	const char *off; /* the word why it is nothing for us; NULL: it is */
	size_t entry;    /* place in routing->entries */
	uint8_t number;  /* in the certificate */
};

/* One prefix. */
struct entry {
	struct prefix prefix;
	size_t first, count; /* its offers */
	struct carrier_choice choice;
	struct route_conflict conflict;
	bool site;               /* and we are at that site, see route_conflict_find */
	const char *off;         /* the word why it is not used by anybody's doing; NULL */
	struct carrier *current; /* NULL: nobody */
	struct carrier *given;   /* who has it in the data plane */
	struct dp_peer *given_dp;
};

struct routing {
	struct mesh *mesh;
	struct loop_timer timer;
	struct map *carriers; /* by key */
	struct offer *offers; /* by prefix and carrier */
	size_t offer_count;
	struct entry *entries; /* by prefix */
	size_t entry_count;
	struct carrier_candidate *candidates; /* room for those of one prefix */
	struct host_view host;
	bool host_known; /* it is as the host is: every change was followed */
	struct overlay_view overlay;
	struct routing_table table;
	bool table_changed; /* what it should hold may differ from what it does */
};

/* routing_offers.c: reads the map. 0, or -ENOMEM and all stays as it was. */
int routing_offers_read(struct routing *routing);
/* Is it used here, if somebody carries it? */
bool routing_entry_usable(const struct entry *entry);
/* Judges every prefix by the host as it is now. */
void routing_find_conflicts(struct routing *routing);
/* A peer's path may be another one: does it show that we are at its site? */
void routing_find_sites(struct routing *routing);

/* routing_carrier.c */
/* Does its carrier say that it has no way there now? */
bool routing_offer_is_down(const struct offer *offer);
/* Looks at its signs, and asks it where they leave doubts. */
void routing_carrier_update(struct routing *routing, struct carrier *carrier, uint64_t now_ns);
/* When to look again; CLOCK_NEVER: when something is told. */
uint64_t routing_carrier_next_ns(struct carrier *carrier, uint64_t now_ns);
/* Tells the data plane what is behind it. */
void routing_carrier_tell(struct routing *routing, struct carrier *carrier);

#endif
