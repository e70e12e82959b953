#ifndef WARREN_PROTO_CODEL_H
#define WARREN_PROTO_CODEL_H

#include <stdbool.h>
#include <stdint.h>

/*
 * CoDel (RFC 8289): tells a queue that stands from one that takes up a burst, by the time packets
 * spend in it, and says which of them should tell their flow to slow down. Pure: the queue is
 * somebody else's (a socket's, a device's), and so is what a signal means: an ECN mark or a drop.
 */

#define CODEL_TARGET_NS   (5 * 1000000ULL)   /* standing delay that is accepted (RFC 8289, 4.4) */
#define CODEL_INTERVAL_NS (100 * 1000000ULL) /* about the longest usual round trip (4.3) */

/* All zero to begin with. */
struct codel {
	uint64_t first_above_ns; /* when delay will have stood for an interval; 0: it does not */
	uint64_t next_ns;        /* of the next signal, when signalling */
	uint32_t count;          /* signals since signalling began */
	uint32_t last_count;     /* what it began with */
	bool signalling;
};

/*
 * A packet leaves the queue after sojourn_ns; now_ns never goes back. True when this one is to be
 * marked or dropped. A packet that leaves the queue empty is given as sojourn 0 (RFC 8289, 5.6).
 */
bool codel_leave(struct codel *codel, uint64_t sojourn_ns, uint64_t now_ns);

#endif
