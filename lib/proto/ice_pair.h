#ifndef WARREN_PROTO_ICE_PAIR_H
#define WARREN_PROTO_ICE_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/candidate.h"
#include "proto/ice.h"
#include "proto/stun.h"

/* One candidate pair of an agent's check list, private to the ice_*.c files. */

#define ICE_ATTEMPTS     16 /* unanswered transactions that a pair remembers */
#define ICE_DENSE_CHECKS 6  /* checks at 0, 50, 100, 200, 400 and 800 ms, then one a second */

/* How promising a pair is: these take turns, from here down when they could go at once. */
enum ice_hope {
	ICE_HOPE_NEAR,   /* private addresses of one LAN or site */
	ICE_HOPE_MAPPED, /* what a NAT shows of the peer */
	ICE_HOPE_OPEN,   /* a public address of the peer's own */
	ICE_HOPE_LINK,   /* link-local */
	ICE_HOPE_SLIM,   /* private addresses of different sites, or a base that leads nowhere */
};

enum ice_pair_state {
	/*
	 * Waiting and In-Progress of RFC 8445 in one. There is no Frozen: it spares checks where
	 * many components share a foundation, here it would only delay the one there is.
	 */
	ICE_PAIR_CHECKING,
	ICE_PAIR_VALID,
	ICE_PAIR_FAILED,
};

/*
 * Every check is a transaction of its own, so that a late answer still gives a true round-trip
 * time.
 */
struct ice_attempt {
	uint8_t transaction[STUN_TRANSACTION_SIZE];
	uint64_t sent_ns;
	bool live;
	bool nominating;  /* carried USE-CANDIDATE */
	bool controlling; /* the role it was sent in */
};

struct ice_pair {
	uint32_t id;
	enum ice_pair_state state;
	struct endpoint base;
	struct endpoint remote;
	enum candidate_type remote_type;
	bool other_port; /* base is no candidate's but for its address */
	uint32_t local_priority;
	uint32_t remote_priority;
	uint64_t due_ns; /* of the next check; CLOCK_NEVER: none */
	enum ice_hope hope;
	uint64_t lag_ns;     /* so much later it stands in the queue of those that are due */
	bool opener;         /* one is to be sent: see ice_opener.h */
	unsigned int checks; /* sent since the schedule began anew */
	bool triggered;      /* goes before ordinary checks */
	uint64_t trigger_ns; /* no check of the peer triggers ours before */
	bool nominating;     /* controlling: our choice, until the peer has confirmed it */
	bool use_candidate;  /* controlled: the peer's choice */
	uint64_t rtt_ns;
	struct endpoint mapped; /* what the latest answer told of our address */
	uint64_t consent_ns;    /* valid: the peer agreed to receive at this time */
	uint64_t unanswered_ns; /* valid: first check sent since then, 0 for none */
	unsigned int next_attempt;
	struct ice_attempt attempts[ICE_ATTEMPTS];
};

/* RFC 8445 section 6.1.2.3. */
uint64_t ice_pair_priority(const struct ice_pair *pair, bool controlling);
enum ice_path_class ice_pair_class(const struct ice_pair *pair);
/* Dense checks from that time on. */
void ice_pair_begin_schedule(struct ice_pair *pair, uint64_t from_ns);
/*
 * Its place in the queue of pairs that are due. Checks queue by hope; a valid pair's consent is due
 * when it is due.
 */
uint64_t ice_pair_turn_ns(const struct ice_pair *pair);
/* A check was sent: sets when the next is due. */
void ice_pair_advance_schedule(struct ice_pair *pair, uint64_t now_ns);
struct ice_attempt *ice_pair_add_attempt(struct ice_pair *pair);
struct ice_attempt *ice_pair_find_attempt(struct ice_pair *pair, const uint8_t *transaction);
void ice_pair_describe(const struct ice_pair *pair, struct ice_pair_info *info);

#endif
