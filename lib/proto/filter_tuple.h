#ifndef WARREN_PROTO_FILTER_TUPLE_H
#define WARREN_PROTO_FILTER_TUPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/*
 * What identifies a flow inside the tunnel. Ports are host order; ICMP echo: id in both ports. A
 * parsed tuple has zeroed padding, so two of them may be compared with memcmp.
 */
struct filter_tuple {
	struct ip_addr src;
	struct ip_addr dst;
	uint8_t proto; /* IP protocol number */
	uint8_t icmp_type;
	uint16_t src_port;
	uint16_t dst_port;
	bool fragment;        /* not the first fragment: ports unknown */
	bool more_fragments;  /* the first fragment of several */
	bool tcp_open;        /* TCP with SYN and without ACK */
	bool tcp_close;       /* TCP with FIN or RST */
	bool quoted;          /* from the packet that an ICMP error quotes, turned round */
	uint32_t fragment_id; /* of a packet in fragments, otherwise 0 */
	uint64_t carrier; /* set by who asks, parsed as 0: the peer that brings or takes the run */
};

/*
 * Fills *tuple from an IP packet of len bytes (v4, or v6 with at most 8 extension headers). 0 or
 * -EBADMSG for a packet that is malformed or too short for what it claims, also for a TCP fragment
 * that would overwrite the header of the first one (RFC 1858, 3).
 * For ICMP errors the tuple is the one of the quoted packet turned round, so that they match the
 * flow they are about; *related is then true.
 */
int filter_tuple_parse(struct filter_tuple *tuple, bool *related, const uint8_t *packet,
		       size_t len);

/* Do packets of this protocol carry ports in their first four bytes? */
bool filter_proto_has_ports(uint8_t proto);

#endif
