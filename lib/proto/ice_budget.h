#ifndef WARREN_PROTO_ICE_BUDGET_H
#define WARREN_PROTO_ICE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct rng;

/*
 * How many checks may go to addresses that never answered one, over all agents of a program: peers
 * name the addresses, so a hostile one could aim every node's checks at somebody else, and many of
 * them together at one. An address that has answered an authentic check is a member's own and is
 * not counted any more. No clock: times are passed in.
 */
struct ice_budget;

#define ICE_BUDGET_RATE       2000 /* checks a second to all such addresses together */
#define ICE_BUDGET_BURST      4000
#define ICE_BUDGET_ADDR_RATE  10 /* checks a second to one of them, whatever the port */
#define ICE_BUDGET_ADDR_BURST 60
#define ICE_BUDGET_ADDRS      2048 /* that are remembered; the one unused for longest goes */
#define ICE_BUDGET_PROVEN_S   600  /* since the last answer */

/* NULL when out of memory. */
struct ice_budget *ice_budget_new(const struct rng *rng);
/* Accepts NULL. */
void ice_budget_free(struct ice_budget *budget);

/*
 * May a check be sent to addr now? 0 and it is counted, or how long to wait before asking again, in
 * nanoseconds. NULL allows everything.
 */
uint64_t ice_budget_take(struct ice_budget *budget, const struct ip_addr *addr, uint64_t now_ns);
/* An authentic answer came from there. */
void ice_budget_prove(struct ice_budget *budget, const struct ip_addr *addr, uint64_t now_ns);

#endif
