#ifndef WARREN_PROTO_INNER_H
#define WARREN_PROTO_INNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IPV6_MTU_MIN 1280 /* what every link of IPv6 takes (RFC 8200, 5) */

/* What the engine needs to know of an IP packet inside the tunnel. */
struct inner {
	uint8_t version; /* 4 or 6 */
	uint8_t proto;   /* v6: the first next header */
	uint8_t tos;     /* DSCP and ECN */
	bool plain;  /* no options, no fragment, no extension header: l4 is TCP, UDP, … itself */
	uint16_t l4; /* offset behind the IP header */
	size_t len;  /* what the IP header says; at most the bytes that are there */
};

#define INNER_TCP 6
#define INNER_UDP 17

#define ECN_MASK 3
#define ECN_CE   3

/* Version, header length and total length. 0 or -EBADMSG. */
int inner_parse(struct inner *inner, const uint8_t *packet, size_t len);
/* Addresses of a packet that inner_parse took: 4 or 16 bytes in network order. */
const uint8_t *inner_source(const uint8_t *packet);
const uint8_t *inner_destination(const uint8_t *packet);
/*
 * The outer header's ECN field combined into the inner one (RFC 6040, 4.2; checksum kept right).
 * False when the packet must be dropped: congestion experienced on a flow that does not do ECN.
 */
bool inner_combine_ecn(uint8_t *packet, uint8_t outer_tos);
/*
 * Writes an ICMP or ICMPv6 "destination unreachable" (host, address) about packet, as from its
 * destination, and returns its length; 0 when RFC 1122 (3.2.2) or RFC 4443 (2.4) forbids an answer.
 * out holds INNER_ERROR_MAX bytes.
 */
size_t inner_unreachable(uint8_t *out, const uint8_t *packet, size_t len);
/*
 * The same for "fragmentation needed" (RFC 1191) and "packet too big" (RFC 8201): packets of mtu
 * bytes get there.
 */
size_t inner_too_big(uint8_t *out, const uint8_t *packet, size_t len, unsigned int mtu);
#define INNER_ERROR_MAX 1280

#endif
