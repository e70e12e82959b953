#ifndef WARREN_PROTO_ICE_SESSION_H
#define WARREN_PROTO_ICE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/ice_pair.h"

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

	struct candidate remotes[ICE_CANDIDATES_MAX];
	size_t remote_count;
	struct ice_pair *pairs;
	size_t pair_count;
	size_t pair_cap;

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
/* The valid pair of the highest priority, or NULL. */
struct ice_pair *ice_session_best_valid(const struct ice_session *s, bool controlling);
/* A pair is to be checked after patience had ended: it gets as long as the first ones. */
void ice_session_renew_patience(struct ice_session *s, uint64_t now_ns);
/* Which pair to check next: triggered ones first, then the longest due, then by priority. */
struct ice_pair *ice_session_next_due(const struct ice_session *s, bool controlling);

#endif
