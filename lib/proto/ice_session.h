#ifndef WARREN_PROTO_ICE_SESSION_H
#define WARREN_PROTO_ICE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/ice_pair.h"

#define ICE_LEARNT_MAX   8  /* addresses of the peer that only checks told of */
#define ICE_PORTS_MAX    16 /* of one address of the peer's that are believed */
#define ICE_OPENERS_MAX  16
#define ICE_CHECKS_HEARD 64 /* the peer's transactions that are remembered */

/*
 * One ICE session: what lies between two restarts. Credentials of both sides, the peer's
 * candidates and the check list. Private to the ice_*.c files.
 */
struct ice_session {
	uint32_t generation;
	char ufrag[ICE_UFRAG_SIZE];
	char pwd[ICE_PWD_SIZE];
	/* The peer's session that this one talks to; unbound until its credentials are known. */
	bool bound;
	uint32_t remote_instance;
	uint32_t remote_generation;
	char remote_ufrag[ICE_UFRAG_SIZE];
	char remote_pwd[ICE_PWD_SIZE];
	uint64_t remote_rtt_ns; /* the peer's, to where its signals are passed on; 0: unknown */

	/* The oldest first; one place is for the address that the peer nominates. */
	struct candidate remotes[ICE_CANDIDATES_MAX + ICE_LEARNT_MAX + 1];
	size_t remote_count;
	struct ip_addr stray_addr; /* whom stray checks are for, family 0: nobody yet */
	uint8_t stray_secret[6];   /* see ice_stray.h */
	struct ice_pair *pairs;
	size_t pair_count;
	size_t pair_cap;

	unsigned int openers; /* planned so far */
	bool heard_of;        /* the peer has answered our description */
	struct ice_heard {
		uint8_t transaction[STUN_TRANSACTION_SIZE];
		struct endpoint remote;
	} heard[ICE_CHECKS_HEARD]; /* checks that came lately, a ring */
	size_t heard_count;
	uint64_t learn_ns; /* no address that a check told of gives way to another before */

	uint64_t patience_ns;    /* when it has failed unless a pair was valid by then */
	uint64_t first_valid_ns; /* 0: no pair was ever valid */
	uint32_t selected;       /* the nominated pair's id, 0 for none */
	bool nominating;         /* our one nomination has begun */
	bool failed;
};

/* Draws fresh credentials. */
void ice_session_init(struct ice_session *s, uint32_t generation, const struct rng *rng,
		      uint64_t now_ns);
/* Wipes and frees; the struct is all zero afterwards. */
void ice_session_clear(struct ice_session *s);

struct ice_pair *ice_session_find(const struct ice_session *s, const struct endpoint *base,
				  const struct endpoint *remote);
struct ice_pair *ice_session_find_id(const struct ice_session *s, uint32_t id);
/*
 * A new pair, zeroed but for its two endpoints, or NULL: out of memory, or ICE_PAIRS_MAX reached by
 * pairs that are all valid or of a higher priority. Pointers to other pairs become invalid.
 */
struct ice_pair *ice_session_add(struct ice_session *s, const struct ice_pair *like,
				 bool controlling);
void ice_session_remove(struct ice_session *s, struct ice_pair *pair);
/* Whether that address of the peer is the end of a valid pair. */
bool ice_session_is_proven(const struct ice_session *s, const struct endpoint *remote);
/* Whether the peer has nominated a pair with that address which is not valid yet. */
bool ice_session_is_chosen(const struct ice_session *s, const struct endpoint *remote);
/* Forgets a candidate of the peer, and its pairs. None of them may be valid. */
void ice_session_remove_remote(struct ice_session *s, size_t index);
/* A check of the peer: false when the same one came from another address before. */
bool ice_session_hear(struct ice_session *s, const uint8_t *transaction,
		      const struct endpoint *remote);
/* The valid pair of the highest priority, or NULL. */
struct ice_pair *ice_session_best_valid(const struct ice_session *s, bool controlling);
/* A pair is to be checked after patience had ended: it gets as long as the first ones. */
void ice_session_renew_patience(struct ice_session *s, uint64_t now_ns);
/* When the next check is due, or CLOCK_NEVER. */
uint64_t ice_session_next_ns(const struct ice_session *s);
/*
 * Which of the pairs that are due to check now: triggered ones first, then in the order of their
 * time and hope, then by priority. NULL: none is.
 */
struct ice_pair *ice_session_next_due(const struct ice_session *s, bool controlling,
				      uint64_t now_ns);

#endif
