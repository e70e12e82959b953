#ifndef WARREN_PROTO_FILTER_FLOWS_H
#define WARREN_PROTO_FILTER_FLOWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

/*
 * The table under the filter: flows in shards, each with a lock, a hash and one list for each kind
 * of timeout, ordered by last use, so that the flow closest to its end is always at a head. For
 * filter.c; everybody else uses filter.h.
 */
enum flow_kind {
	FLOW_ICMP,
	FLOW_FRAGMENT,
	FLOW_UDP,
	FLOW_TCP_OPENING,
	FLOW_TCP_CLOSING,
	FLOW_TCP_OPEN,
	FLOW_KINDS,
};

/* What is told apart; compared and hashed as bytes, so zero the padding. */
struct flow_key {
	struct ip_addr local; /* this node's side of the flow */
	struct ip_addr remote;
	uint8_t proto;
	uint8_t detail; /* ICMP: type, or who asks; FLOW_KEY_FRAGMENT */
	uint16_t local_port;
	uint16_t remote_port;
	uint32_t fragment_id;
};

#define FLOW_NONE 0xffffu

struct flow {
	struct flow_key key;
	uint8_t kind;
	bool outbound; /* opened by this node */
	bool answered; /* the other side was seen too */
	bool revoked; /* no rule allows it any more; kept so that our own side does not reopen it */
	uint16_t chain; /* next in the hash bucket, or in the free list */
	uint16_t older; /* towards the head of the kind's list */
	uint16_t newer;
	uint64_t used_ns;
	uint64_t rules_id; /* that allowed it; 0 for outbound ones */
	uint64_t carrier;  /* the peer that brought it last, or takes it; 0: whoever has the address
			    */
};

struct flow_list {
	uint16_t oldest;
	uint16_t newest;
};

struct filter_flows;
struct flow_shard;

/* One visit to the table: fill key, lock, use, unlock. */
struct flow_lookup {
	struct flow_key key;
	struct filter_flows *flows;
	struct flow_shard *shard; /* locked */
	uint32_t hash;
};

/* Locks the shard that lookup->key belongs to. */
void flow_lock(struct filter_flows *flows, struct flow_lookup *lookup);
void flow_unlock(struct flow_lookup *lookup);

/* The live flow or NULL. A flow whose time is over is removed on the way. */
struct flow *flow_find(struct flow_lookup *lookup, uint64_t now_ns);
/* A new flow; when the shard is full the one closest to its end goes. Never fails. */
struct flow *flow_insert(struct flow_lookup *lookup, enum flow_kind kind, uint64_t now_ns);
/* Marks the flow as used now, from here on of that kind. */
void flow_touch(struct flow_lookup *lookup, struct flow *flow, enum flow_kind kind,
		uint64_t now_ns);

#endif
