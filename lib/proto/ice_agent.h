#ifndef WARREN_PROTO_ICE_AGENT_H
#define WARREN_PROTO_ICE_AGENT_H

#include "proto/ice.h"
#include "proto/ice_session.h"

/* The agent's insides, shared by ice.c and the ice_*.c files only. */

#define ICE_EVENTS_MAX 512 /* twice both check lists, so that drained queues never overflow */
#define ICE_OUTPUT_MAX 4   /* one call makes at most a response and a check */

struct ice_local {
	struct candidate candidate;
	bool told;   /* in this generation: only then it is paired (RFC 8838 section 12) */
	bool listed; /* came with ice_set_local_candidates, and goes with it */
};

struct ice_agent {
	struct rng rng;
	struct ice_budget *budget; /* the owner's, or NULL */
	struct prefix refused[ICE_REFUSED_MAX];
	size_t refused_count;
	bool controlling;
	bool active;
	uint64_t tie_breaker;
	uint32_t instance;
	uint32_t last_pair_id;

	struct ice_local locals[ICE_LOCAL_MAX];
	size_t local_count;
	unsigned int locals_added; /* so far, for priorities that differ */
	bool end;                  /* of local candidates */
	bool end_told;             /* in this generation */

	struct ice_session current;
	struct ice_session previous; /* serves after a restart; only its valid pairs are left */
	bool has_previous;
	uint64_t previous_until_ns;

	bool describe;     /* our credentials are to be told (again) */
	uint64_t offer_ns; /* when an unanswered offer is told again */
	unsigned int offers;

	uint64_t signal_rtt_ns; /* ours, to where signals are passed on; 0: unknown */
	uint64_t told_ns;       /* when we last told what the peer needs to let our checks in */

	uint64_t pace_ns; /* no transaction before this time */

	struct ice_event *events;
	size_t event_count;
	size_t event_cap;
	struct ice_datagram output[ICE_OUTPUT_MAX];
	size_t output_count;
};

/* ice.c */
/* The same address, port and family; whatever the interface. */
bool ice_agent_same_socket(const struct endpoint *a, const struct endpoint *b);
void ice_agent_push_event(struct ice_agent *agent, const struct ice_event *event);
void ice_agent_push_pair_event(struct ice_agent *agent, enum ice_event_type type,
			       const struct ice_pair *pair);
/* Room for a datagram, counted when ice_agent_commit_output is called; NULL when full. */
struct ice_datagram *ice_agent_reserve_output(struct ice_agent *agent);
void ice_agent_commit_output(struct ice_agent *agent);
/* The session that a local ufrag names, or NULL. */
struct ice_session *ice_agent_session(struct ice_agent *agent, const char *ufrag);
/* Takes a pair away and tells, when it was usable. */
void ice_agent_lose_pair(struct ice_agent *agent, struct ice_session *s, struct ice_pair *pair);
void ice_agent_set_role(struct ice_agent *agent, bool controlling);
/* The session's pair is the nominated one from now on. */
void ice_agent_select(struct ice_agent *agent, struct ice_session *s, struct ice_pair *pair,
		      uint64_t now_ns);
/* Adds and schedules the pair unless it exists; NULL when it may not or cannot be added. */
struct ice_pair *ice_agent_pair(struct ice_agent *agent, const struct candidate *local,
				const struct candidate *remote, uint64_t now_ns);
/* Pairs all told local with all remote candidates. */
void ice_agent_pair_all(struct ice_agent *agent, uint64_t now_ns);
/* Ends the current session; its valid pairs go on serving. */
void ice_agent_begin_session(struct ice_agent *agent, uint64_t now_ns);

/* ice_local.c */
/* A usable host address of ours, told to the peer or not; NULL when it is none. */
const struct candidate *ice_agent_find_base(const struct ice_agent *agent,
					    const struct endpoint *local);

/* ice_check.c */
uint64_t ice_check_next_timeout(const struct ice_agent *agent);
/* A valid pair of an agent that was idle is asked at once. */
void ice_check_anew(struct ice_pair *pair, uint64_t now_ns);
/* Sends at most one check, if one is due and the pace allows. */
void ice_check_run(struct ice_agent *agent, uint64_t now_ns);
/* A check of the session; nominating only where controlling. d gets its bytes. */
void ice_check_build(const struct ice_agent *agent, const struct ice_session *s,
		     uint32_t local_priority, const uint8_t *transaction, bool nominating,
		     struct ice_datagram *d);
/* An authentic answer to that attempt. */
void ice_check_succeed(struct ice_agent *agent, struct ice_session *s, struct ice_pair *pair,
		       const struct ice_attempt *attempt, uint64_t now_ns);
int ice_check_input(struct ice_agent *agent, const struct stun_message *msg,
		    const struct endpoint *local, const struct endpoint *remote, uint64_t now_ns);

/* ice_respond.c */
/*
 * The remote candidate of that address: known, or learnt now as peer-reflexive; NULL when full.
 * chosen: the peer nominates it, and has a place kept for that.
 */
const struct candidate *ice_agent_learn_remote(struct ice_session *s, const struct endpoint *remote,
					       uint32_t priority, bool chosen, uint64_t now_ns);
int ice_respond_input(struct ice_agent *agent, const struct stun_message *msg,
		      const struct endpoint *local, const struct endpoint *remote, uint64_t now_ns);

/* ice_signal.c */
void ice_signal_expire(struct ice_agent *agent, uint64_t now_ns);

#endif
