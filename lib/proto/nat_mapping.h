#ifndef WARREN_PROTO_NAT_MAPPING_H
#define WARREN_PROTO_NAT_MAPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "proto/natcheck.h"

/*
 * What the NAT in front of us is learnt to do with source ports, from whatever servers and peers
 * say they see of us in passing; natcheck asks on purpose. Pure. IPv4 matters only: where IPv6 is
 * translated at all the ports stay.
 *
 * Everything that sees us at one moment is compared. One server address tells an address-and-port
 * dependent mapping by its second port; only a second address tells the other two apart.
 */
#define NAT_MAPPING_SEEN_MAX 16
#define NAT_MAPPING_AGE_S    150 /* what was seen longer ago may be another mapping by now */
#define NAT_STRIDE_MAX       256

struct nat_mapping {
	struct nat_seen {
		struct endpoint base;
		struct endpoint server;
		struct endpoint mapped;
		uint64_t since_ns; /* mapped so at least since then */
		uint64_t last_ns;
	} seen[NAT_MAPPING_SEEN_MAX];
	size_t count;
};

/* What is known of one base; also what one peer tells the other of it. */
struct nat_report {
	enum nat_behaviour mapping;
	bool keeps_port; /* the port is mapped to itself everywhere */
	uint16_t stride; /* the next mapping's port is so much above the last one's; 0: unknown */
	uint16_t port;   /* of the latest mapping */
	bool punch;      /* would take part in a run of port guessing now */
};

/* ADDRESS_DEPENDENT or ADDRESS_PORT_DEPENDENT: nobody else can know our next port. */
bool nat_behaviour_is_hard(enum nat_behaviour behaviour);

/* Forgets everything: the network changed. */
void nat_mapping_clear(struct nat_mapping *nm);
/*
 * server (a relay, a STUN server, a peer that answered a check) sees base as mapped. What cannot
 * teach anything is ignored: other families, and servers that are not out on the internet.
 */
void nat_mapping_observe(struct nat_mapping *nm, const struct endpoint *base,
			 const struct endpoint *server, const struct endpoint *mapped,
			 uint64_t now_ns);
/* Everything in it is unknown or 0 when nothing was seen. punch stays false. */
struct nat_report nat_mapping_report(const struct nat_mapping *nm, const struct endpoint *base,
				     uint64_t now_ns);
/* The port of the n-th mapping after one with this port, n from 1 up. */
uint16_t nat_mapping_predict(uint16_t port, uint16_t stride, unsigned int n);

#endif
