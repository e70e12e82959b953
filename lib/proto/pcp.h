#ifndef WARREN_PROTO_PCP_H
#define WARREN_PROTO_PCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "crypto/rng.h"
#include "proto/port_mapping.h"

/*
 * A client of the Port Control Protocol (RFC 6887) and of its predecessor NAT-PMP (RFC 6886), for
 * one UDP port and one gateway. Both are asked at once: they share the server's port, the epoch and
 * the shape of their messages, and a server of one answers the other with its own version number.
 * Behind a router without NAT the same MAP request opens its firewall (a pinhole).
 *
 * No clock, no socket. After every call that takes now_ns the owner drains pcp_poll_output and
 * looks at pcp_mapping again. Only datagrams from the gateway's address and PCP_PORT may be handed
 * in.
 */
struct pcp;

#define PCP_PORT          5351 /* of the server, RFC 6887 section 19.1 */
#define PCP_ANNOUNCE_PORT 5350 /* of the client, for announcements, RFC 6887 section 14.1.1 */
#define PCP_MESSAGE_MAX   1100 /* RFC 6887 section 7 */
#define PCP_REQUEST_MAX   60
#define PCP_NONCE_SIZE    12

struct pcp_config {
	struct endpoint internal; /* the address that we send from, and the port to be mapped */
	uint16_t suggested_port;  /* the external port that we would like */
	/*
	 * Whoever knows it may change the mapping. The same after a crash, or the port stays with
	 * the one of before (RFC 6887 section 11.2).
	 */
	uint8_t nonce[PCP_NONCE_SIZE];
};

/* NULL when out of memory, or for port 0, which would mean all ports. rng is borrowed. */
struct pcp *pcp_new(const struct pcp_config *config, const struct rng *rng, uint64_t now_ns);
/* Accepts NULL. Says nothing to the gateway. */
void pcp_free(struct pcp *pcp);

/* A datagram from the gateway. 0, or -EBADMSG or -ENOENT when it was ignored. */
int pcp_input(struct pcp *pcp, const uint8_t *data, size_t len, uint64_t now_ns);
/*
 * What the gateway told everybody on PCP_ANNOUNCE_PORT. When it has lost its mappings they are
 * asked for again at once. As pcp_input.
 */
int pcp_input_announcement(struct pcp *pcp, const uint8_t *data, size_t len, uint64_t now_ns);
uint64_t pcp_next_timeout(const struct pcp *pcp);
void pcp_expire(struct pcp *pcp, uint64_t now_ns);
/* The next datagram for the gateway; 0: none. cap ≥ PCP_REQUEST_MAX. */
size_t pcp_poll_output(struct pcp *pcp, uint8_t *buf, size_t cap, uint64_t now_ns);

/* How far PORT_MAPPING_PCP or PORT_MAPPING_NATPMP has come. */
struct port_mapping pcp_mapping(const struct pcp *pcp, enum port_mapping_protocol protocol);
/* No more requests in this protocol; what it opened stays open until it expires. */
void pcp_stop(struct pcp *pcp, enum port_mapping_protocol protocol);
/* Deletes what it opened, once, and stops. */
void pcp_delete(struct pcp *pcp, enum port_mapping_protocol protocol);
/* Deletes what it opened, if anything, and asks anew for another external port. */
void pcp_anew(struct pcp *pcp, enum port_mapping_protocol protocol, uint16_t suggested_port,
	      uint64_t now_ns);

#endif
