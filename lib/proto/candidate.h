#ifndef WARREN_PROTO_CANDIDATE_H
#define WARREN_PROTO_CANDIDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/*
 * An ICE candidate (RFC 8445 section 5.1): a UDP transport address that may reach a node. There is
 * one component only.
 */
enum candidate_type {
	CANDIDATE_HOST,  /* an interface's own address */
	CANDIDATE_SRFLX, /* what a STUN server sees of it */
	CANDIDATE_PRFLX, /* what the peer sees of it, learnt from a check */
	CANDIDATE_RELAY,
};

#define CANDIDATE_NAME_SIZE       43  /* an mDNS name, and a NUL */
#define CANDIDATE_FOUNDATION_SIZE 33  /* RFC 8839: 32 characters at most, and a NUL */
#define CANDIDATE_LINE_SIZE       256 /* a line, with its NUL */

struct candidate {
	enum candidate_type type;
	struct endpoint addr;
	/* Local ones: the interface address and port that packets leave from. Else all zero. */
	struct endpoint base;
	/* The base as told to the peer (raddr, rport); family 0: not told. */
	struct endpoint related;
	/* In place of the address in the line, which is then unknown to who parsed it; else "". */
	char name[CANDIDATE_NAME_SIZE];
	uint32_t priority;
	char foundation[CANDIDATE_FOUNDATION_SIZE];
};

/*
 * Priority formula of RFC 8445 section 5.1.2.1 with its recommended type preferences. preference
 * tells candidates of one type apart: v6 before v4, then in the order found.
 */
uint32_t candidate_priority(enum candidate_type type, uint16_t preference);

/* Same type, same base address, same server: same text (RFC 8445 section 5.1.1.3). */
void candidate_set_foundation(struct candidate *c, const struct ip_addr *server);

/*
 * "candidate:1 1 udp 2130706431 192.0.2.1 41641 typ host", RFC 8839 section 5.1, without "a=".
 * srflx and prflx lines always carry raddr and rport; an untold one is 0.0.0.0:9.
 */
const char *candidate_format(char out[static CANDIDATE_LINE_SIZE], const struct candidate *c);

/*
 * Strict: component 1, UDP, numeric address or mDNS name, port not 0, no surprises in the fixed
 * fields; extension attributes are skipped. 0, -EINVAL for a malformed line, -EAFNOSUPPORT for a
 * well-formed one that is not ours to use (TCP, another component, another name).
 */
int candidate_parse(struct candidate *c, const char *line);

/*
 * Whether a peer's candidate may be sent to at all: unicast, v6 link-local allowed, no deprecated
 * site-local or v4-compatible address, no port 0, outside all of the refused prefixes (the
 * overlay's own, so that the tunnel never runs through itself).
 */
bool candidate_addr_allowed(const struct endpoint *ep, const struct prefix *refused, size_t count);

#endif
