#ifndef WARREN_PROTO_PUNCH_BUDGET_H
#define WARREN_PROTO_PUNCH_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What port guessing may cost the NAT in front of us, over all runs of a program: sockets, probes a
 * second, and mappings, which a home router has some thousands of and keeps for half a minute where
 * nothing answered.
 */
#define PUNCH_RATE_MAX       1000 /* probes a second */
#define PUNCH_RATE_MIN       10
#define PUNCH_SOCKETS_MAX    512   /* of all runs together */
#define PUNCH_MAPPINGS_MAX   16384 /* made at once … */
#define PUNCH_MAPPINGS_PER_S 512   /* … and forgotten again by the router */

struct punch_budget {
	unsigned int rate; /* probes a second */
	uint64_t turn_ns;  /* of the next probe, if all before it had waited for theirs */
	unsigned int mappings;
	uint64_t mappings_ns; /* as of then */
	unsigned int sockets;
};

/* rate 0: PUNCH_RATE_MAX; clipped to the bounds. */
void punch_budget_init(struct punch_budget *budget, unsigned int rate, uint64_t now_ns);
/* Is there enough left for a run to have a chance? */
bool punch_budget_allows(struct punch_budget *budget, uint64_t now_ns);
/*
 * One probe, or an opener, which goes twice as fast. 0 and it is counted; or when to ask again, or
 * CLOCK_NEVER when the mappings are used up.
 */
uint64_t punch_budget_take(struct punch_budget *budget, bool opener, uint64_t now_ns);
/* How many sockets of so many; given back by their number. */
unsigned int punch_budget_take_sockets(struct punch_budget *budget, unsigned int wanted);
void punch_budget_give_sockets(struct punch_budget *budget, unsigned int count);

#endif
