#ifndef WARREN_PROTO_ICE_H
#define WARREN_PROTO_ICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "crypto/rng.h"
#include "proto/candidate.h"
#include "proto/ice_description.h"
#include "proto/stun.h"

/*
 * A full ICE agent (RFC 8445) with trickle (RFC 8838), consent (RFC 7675) and patience (RFC 8863)
 * for one peer and one component. No clock, socket or callback: the owner hands in datagrams,
 * descriptions and the time, and then drains ice_poll_output, ice_poll_event and
 * ice_poll_description until each says false, after every call that takes now_ns.
 *
 * Life: ice_agent_new, add local candidates as they become known, send what ice_poll_description
 * gives, feed what the peer sends to ice_input_description. Both sides do the same; whoever has
 * traffic first begins, both at once is fine, and so is a restart by either at any time.
 */
struct ice_agent;

#define ICE_LOCAL_MAX     16
#define ICE_PAIRS_MAX     100 /* RFC 8445 section 6.1.2.5 */
#define ICE_REFUSED_MAX   16
#define ICE_DATAGRAM_SIZE 320
/* A pair is a means of sending from the first answer on; an agent gives up this much later. */
#define ICE_PATIENCE_MS 39500 /* RFC 8863 section 4 */

struct ice_config {
	/*
	 * The controlling side nominates. Both sides should derive it from something both know, so
	 * that they differ (the smaller node key controls); equal roles are mended by the protocol.
	 */
	bool controlling;
	struct rng rng;
	/* Never a candidate: the overlay's pools and offered routes. Copied. */
	const struct prefix *refused;
	size_t refused_count; /* at most ICE_REFUSED_MAX */
	struct ice_budget
		*budget; /* shared by all agents of the program, outlives them; may be NULL */
};

/* NULL when out of memory or the configuration is out of bounds. */
struct ice_agent *ice_agent_new(const struct ice_config *config, uint64_t now_ns);
/* Wipes the passwords. Accepts NULL. */
void ice_agent_free(struct ice_agent *agent);

/*
 * A local candidate: host (addr is an interface address with the shared port; base is filled in) or
 * srflx (addr from a STUN server, base the host address it was asked from; server for the
 * foundation, may be NULL). Told to the peer by the next ice_poll_description, paired once it has
 * been. Priority and foundation are computed. 0, also when it is known already; -EADDRNOTAVAIL for
 * an address that must not be used; -ENOSPC at ICE_LOCAL_MAX. The same set is told again after a
 * restart. What a server saw of a base replaces what it saw before.
 */
int ice_add_local_candidate(struct ice_agent *agent, enum candidate_type type,
			    const struct endpoint *addr, const struct endpoint *base,
			    const struct ip_addr *server, uint64_t now_ns);
/* Forgets all candidates of that base, and pairs that send from it are lost: an address went away.
 */
void ice_remove_local_base(struct ice_agent *agent, const struct ip_addr *base, uint64_t now_ns);
/*
 * All that are known now, each as above: new ones are added, and those of an earlier set that are
 * not in this one are forgotten (a host address as by ice_remove_local_base). What
 * ice_add_local_candidate added is left alone. Those that may not or cannot be added are left out.
 */
struct ice_local_candidate {
	enum candidate_type type;
	struct endpoint addr;
	struct endpoint base;
	struct ip_addr server; /* family 0: none */
};
void ice_set_local_candidates(struct ice_agent *agent, const struct ice_local_candidate *set,
			      size_t count, uint64_t now_ns);
/* Gathering is over for now; the peer is told (end-of-candidates). */
void ice_end_local_candidates(struct ice_agent *agent);

/*
 * Our round trip to where signals are passed on (coordinator or relay), 0: unknown. The peer is
 * told as well, so that both can tell how long a signal travels and begin their checks together.
 */
void ice_set_signal_rtt(struct ice_agent *agent, uint64_t rtt_ns);

/* True and what to send to the peer now, sealed; false when there is nothing new. */
bool ice_poll_description(struct ice_agent *agent, struct ice_description *out, uint64_t now_ns);
/* What the owner adds to descriptions is new: the peer is told again. */
void ice_describe_again(struct ice_agent *agent);
/*
 * What the peer sent. Begins, joins or restarts a session, or adds candidates; unusable candidates
 * are left out. 0; -ESTALE for a description of a session that is over, which is normal when
 * messages cross.
 */
int ice_input_description(struct ice_agent *agent, const struct ice_description *d,
			  uint64_t now_ns);

/*
 * A STUN message for this agent: a Binding request whose username is ours, or a response to a
 * transaction of ours. local: the address it arrived at, with the shared port. 0, or -EBADMSG /
 * -EPERM when it was ignored or refused; nothing to do for the caller.
 */
int ice_input(struct ice_agent *agent, const uint8_t *data, size_t len,
	      const struct endpoint *local, const struct endpoint *remote, uint64_t now_ns);

/*
 * For demultiplexing among agents: the receiver's half of USERNAME of a Binding request (0,
 * -ENOENT, -EBADMSG), and whether an agent answers to that ufrag, or asked that transaction.
 */
int ice_username_ufrag(const struct stun_message *msg, char ufrag[static ICE_UFRAG_SIZE]);
bool ice_owns_ufrag(const struct ice_agent *agent, const char *ufrag);
bool ice_owns_transaction(const struct ice_agent *agent,
			  const uint8_t transaction[static STUN_TRANSACTION_SIZE]);
/* The ufrag of the current session, and of the one before while its pairs still serve, or NULL. */
const char *ice_ufrag(const struct ice_agent *agent);
const char *ice_previous_ufrag(const struct ice_agent *agent);

uint64_t ice_next_timeout(const struct ice_agent *agent);
void ice_expire(struct ice_agent *agent, uint64_t now_ns);

struct ice_datagram {
	struct endpoint local; /* source address to send from, on the shared port */
	struct endpoint remote;
	uint8_t ttl;   /* or hop limit; 0: the system's */
	bool previous; /* belongs to the session before the last restart */
	size_t len;
	uint8_t data[ICE_DATAGRAM_SIZE];
};

bool ice_poll_output(struct ice_agent *agent, struct ice_datagram *out);

enum ice_event_type {
	ICE_EVENT_PAIR_VALID, /* data may be sent on this pair from now on */
	ICE_EVENT_PAIR_RTT,   /* a check, a consent check or a probe of a valid pair was answered */
	ICE_EVENT_PAIR_LOST,  /* no longer to be used; its id may come back with PAIR_VALID */
	ICE_EVENT_SELECTED,   /* both sides agree on this pair (nominated) */
	ICE_EVENT_FAILED,     /* ICE_PATIENCE_MS without any valid pair; ice_restart begins anew */
	ICE_EVENT_ROLE,       /* a role conflict was mended: see controlling */
};

/* From the most to the least preferable at equal round-trip times. */
enum ice_path_class {
	ICE_CLASS_LAN,    /* host to host, both private or link-local: no NAT between */
	ICE_CLASS_DIRECT, /* public or mapped addresses */
};

struct ice_pair_info {
	uint32_t id; /* never 0; names local base + remote for the agent's whole life */
	struct endpoint local;
	struct endpoint remote;
	enum ice_path_class class;
	uint64_t rtt_ns;        /* of the latest answer */
	struct endpoint mapped; /* what the peer sees local as; port 0: not known */
	bool guessed;           /* no description told of it, or it sends from another port */
};

struct ice_event {
	enum ice_event_type type;
	struct ice_pair_info pair; /* PAIR_ and SELECTED events */
	bool controlling;          /* ROLE */
};

bool ice_poll_event(struct ice_agent *agent, struct ice_event *event);

/* The pair of that id if it is valid. */
bool ice_pair_find(const struct ice_agent *agent, uint32_t id, struct ice_pair_info *info);

/* Sends one check on a valid pair now; an answer comes as PAIR_RTT. 0 or -ENOENT. */
int ice_probe(struct ice_agent *agent, uint32_t pair_id, uint64_t now_ns);

/*
 * A check from local, which may be another port of a host candidate's address, to remote, for
 * guessing ports: it is in no check list, not repeated, and sent by the caller. When it is answered
 * the pair exists and is valid; so it does when the peer's comes to such a port. 0, -ENOTCONN
 * before the peer's description, -EADDRNOTAVAIL for addresses that may not be.
 */
int ice_stray_check(struct ice_agent *agent, const struct endpoint *local,
		    const struct endpoint *remote, struct ice_datagram *out, uint64_t now_ns);
/* A session's pair, or one of the session before, is valid. */
bool ice_has_valid_pair(const struct ice_agent *agent);
/* A pair that may still be used sends from that port, whatever its address. */
bool ice_uses_port(const struct ice_agent *agent, uint16_t port);

/*
 * New credentials and checks from the start (RFC 8445 section 9): the network changed, or all pairs
 * are gone. Valid pairs of the old session serve until the new one has a selected pair.
 */
void ice_restart(struct ice_agent *agent, uint64_t now_ns);

/*
 * The pairs of before the last restart are of no use any more, here (nothing can be sent on them)
 * or to the peer, which said so: they are lost now.
 */
void ice_end_previous(struct ice_agent *agent);

/*
 * Without traffic, valid pairs are only kept open (every 25 s) instead of confirmed every 5 s. An
 * agent begins active.
 */
void ice_set_active(struct ice_agent *agent, bool active, uint64_t now_ns);

bool ice_is_controlling(const struct ice_agent *agent);

#endif
