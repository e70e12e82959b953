#ifndef WARREN_PROTO_RELAY_FORWARD_H
#define WARREN_PROTO_RELAY_FORWARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rcu.h"
#include "crypto/rng.h"
#include "proto/relay_server.h"

/*
 * What of a relay's mind other threads may read: which address and channel lead to which, for
 * channels that both ends have bound and that go from UDP to UDP. The thread that owns the
 * relay_server changes it through liburcu; any number of others forward by it, inside an RCU
 * read-side section, and hand what it does not know to that thread.
 */
struct relay_forward;

/* A registered node as forwarders see it; belongs to its relay_session. */
struct relay_source;

/* Where a node is. Does not change once published: a node that moves gets another. */
struct relay_place {
	struct relay_place *next; /* of the same bucket */
	struct relay_source *source;
	struct relay_address address;
	atomic_int gso_error; /* see udp_route: the kernel does not cut what goes there */
	struct rcu_head rcu;
};

/* What one sender may send. */
struct relay_rate {
	uint64_t byte_cost_ps;
	uint64_t packet_cost_ns;
	uint64_t burst_ns;
};

/* ---- the owner ---- */

/*
 * shared: other threads read, so that what is taken out lives until they let go of it. NULL when
 * out of memory.
 */
struct relay_forward *relay_forward_new(const struct relay_rate *rate, const struct rng *rng,
					bool shared);
/* After the last reader. All sources must have been removed. Accepts NULL. */
void relay_forward_free(struct relay_forward *forward);

/* Without a place and links. NULL when out of memory. */
struct relay_source *relay_source_new(void);
/* With its place and its links in both directions. Accepts NULL. */
void relay_forward_remove(struct relay_forward *forward, struct relay_source *source);
/* Where it is from now on. 0 or -ENOMEM, and then it is nowhere. */
int relay_forward_set_place(struct relay_forward *forward, struct relay_source *source,
			    const struct relay_address *address);
void relay_forward_clear_place(struct relay_forward *forward, struct relay_source *source);
/*
 * a's channel number means b and the other way round, until both expire; again for a pair that is
 * linked so moves the deadline. 0 or -ENOMEM, and then there is no link.
 */
int relay_forward_link(struct relay_forward *forward, struct relay_source *a, uint16_t a_number,
		       struct relay_source *b, uint16_t b_number, uint64_t expires_ns);
/* In both directions. */
void relay_forward_unlink(struct relay_forward *forward, struct relay_source *source,
			  uint16_t number);

/* ---- any thread ---- */

/*
 * How many of count packets of len bytes each the sender may send now; they count as sent. The
 * limit is one for all threads together.
 */
size_t relay_forward_allow(const struct relay_forward *forward, struct relay_source *source,
			   size_t count, size_t len, uint64_t now_ns);

/* NULL for a stranger. Valid inside the read-side section. */
const struct relay_place *relay_forward_find(const struct relay_forward *forward,
					     const struct endpoint *from);

/* What one forwarder counted. */
struct relay_counts {
	uint64_t packets;
	uint64_t bytes;
	uint64_t dropped_rate;
	uint64_t dropped_malformed;
	uint64_t dropped_stranger;
};

/* Packets back to back in what was received: each of `segment` bytes, the last may be shorter. */
struct relay_run {
	struct relay_place *to; /* NULL: for the owner to look at, unchanged */
	uint8_t *data;
	size_t len;
	size_t segment;
};

/*
 * Takes the next packets off a received datagram (*data, *len; segment as received) that go
 * the same way, with the receiver's channel number already written over the sender's. from: who
 * sent it, NULL for a stranger. False at the end.
 */
bool relay_forward_next(const struct relay_forward *forward, const struct relay_place *from,
			uint8_t **data, size_t *len, size_t segment, uint64_t now_ns,
			struct relay_run *run, struct relay_counts *counts);

#endif
