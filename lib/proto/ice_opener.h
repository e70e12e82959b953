#ifndef WARREN_PROTO_ICE_OPENER_H
#define WARREN_PROTO_ICE_OPENER_H

#include "proto/ice_agent.h"

/*
 * Punching at an agreed time. A check that comes to the peer's NAT before the peer has sent
 * anything is dropped at best; some routers take it for a connection to themselves and give what
 * the peer sends later another port, so that nothing fits any more. Therefore:
 *
 *   - whoever hears of an address that a NAT shows sends an opener there at once: a datagram that
 *     makes the mapping in our own NAT and dies, by its small TTL, before it reaches the other one;
 *   - checks to such addresses begin when what we told last has had the time to reach the peer. The
 *     offerer's telling is long past when the answer comes, so it begins at once; the answerer
 * waits as long as its answer travels. Both first checks cross in the middle of the network.
 *
 * Checks to addresses of the peer's own begin at once.
 */

/* When checks of a pair may begin. */
uint64_t ice_opener_start_ns(const struct ice_agent *agent, const struct ice_session *s,
			     const struct ice_pair *pair, uint64_t now_ns);
/* Plans the opener of a new pair that is worth one. */
void ice_opener_plan(struct ice_agent *agent, struct ice_session *s, struct ice_pair *pair,
		     uint64_t now_ns);
/* The next opener; all that are planned go at once. */
bool ice_opener_poll(struct ice_agent *agent, struct ice_datagram *out);

#endif
