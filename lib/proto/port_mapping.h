#ifndef WARREN_PROTO_PORT_MAPPING_H
#define WARREN_PROTO_PORT_MAPPING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

/*
 * What the protocols that open a port of a router have in common (pcp.h, igd.h): how far one has
 * come, and what is believed of what a router says.
 */
enum port_mapping_protocol {
	PORT_MAPPING_PCP,
	PORT_MAPPING_NATPMP,
	PORT_MAPPING_UPNP,
	PORT_MAPPING_PROTOCOLS,
};

enum port_mapping_state {
	PORT_MAPPING_OFF,     /* not asked */
	PORT_MAPPING_ASKING,  /* no answer yet */
	PORT_MAPPING_SILENT,  /* still none after some time; asked again now and then */
	PORT_MAPPING_REFUSED, /* the router cannot, will not, or what it says cannot be; see why */
	PORT_MAPPING_OPEN,    /* so it says */
};

struct port_mapping {
	enum port_mapping_state state;
	struct endpoint external; /* OPEN */
	const char *why;          /* REFUSED: static text */
};

/* Of each request; routers may grant less. RFC 6886 section 3.3 recommends two hours. */
#define PORT_MAPPING_LIFETIME_S 7200
/* More than this is not believed (RFC 6887 section 15). */
#define PORT_MAPPING_LIFETIME_MAX_S 86400

/* "pcp", "nat-pmp", "upnp". */
const char *port_mapping_protocol_name(enum port_mapping_protocol protocol);

/* An address that can be reached from anywhere: not private, shared or otherwise special. */
bool port_mapping_is_public(const struct ip_addr *addr);
/* Why a router's answer for a port of internal cannot be; NULL when it can. Static text. */
const char *port_mapping_refuse(const struct endpoint *external, const struct ip_addr *internal);

#endif
