#ifndef WARREN_PROTO_ICE_DESCRIPTION_H
#define WARREN_PROTO_ICE_DESCRIPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/candidate.h"
#include "proto/nat_mapping.h"

/*
 * What one agent tells the other in a signal: offer, answer and trickled candidates have the same
 * form (RFC 8838 leaves the encoding to the protocol that uses it).
 */
#define ICE_UFRAG_LEN            8  /* ours: 48 bits; RFC 8445 asks for 24 */
#define ICE_PWD_LEN              24 /* ours: 144 bits; RFC 8445 asks for 128 */
#define ICE_UFRAG_SIZE           33 /* theirs at most 32 characters, and a NUL */
#define ICE_PWD_SIZE             65 /* theirs at most 64 characters, and a NUL */
#define ICE_CANDIDATES_MAX       32
#define ICE_DESCRIPTION_TEXT_MAX 8192

struct ice_description {
	uint32_t instance;   /* drawn when the agent was made */
	uint32_t generation; /* counts the agent's sessions; one more at every ICE restart */
	char ufrag[ICE_UFRAG_SIZE];
	char pwd[ICE_PWD_SIZE];
	/* The receiver's ufrag that this answers; empty in an offer. */
	char answers[ICE_UFRAG_SIZE];
	size_t count;
	struct candidate candidates[ICE_CANDIDATES_MAX];
	bool end;         /* no more candidates will come in this generation */
	bool udp_blocked; /* the sender's network lets no UDP out; the agent neither sets nor reads
			     it */
	uint32_t signal_rtt_ms; /* the teller's, to where signals are passed on; 0: unknown */
	struct nat_report nat;  /* of the sender's NAT; as udp_blocked, the agent's owner's */
	/* The sender's address changed: pairs of earlier generations do not reach it any more. */
	bool moved;
	uint32_t network; /* counts the networks that the sender has seen, to tell them apart */
};

/* JSON into out with a NUL; 0 and its length, or -ENOSPC. */
int ice_description_encode(const struct ice_description *d, char *out, size_t size, size_t *len);
/*
 * 0 or -EBADMSG: not one JSON object with the right members, credentials too short, too long or not
 * of ice-char, too many candidates, a malformed line. Lines that candidate_parse finds well-formed
 * but of no use are left out. Unknown members are ignored.
 */
int ice_description_decode(struct ice_description *d, const char *text, size_t len);

#endif
