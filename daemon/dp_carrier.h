#ifndef WARREN_DAEMON_DP_CARRIER_H
#define WARREN_DAEMON_DP_CARRIER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

struct dp_engine;
struct dp_peer;

/*
 * Several peers may carry one network, of which one at a time is given its prefix. The others send
 * from there too, and the flows that they have stay with them.
 */

/* The peer's id when the address is behind it; 0: it is not. Within an RCU section. */
uint64_t dp_carrier_id(const struct dp_peer *peer, const struct ip_addr *addr);
/*
 * The peer of that id, if a flow to the address may stay with it although `owner` has it now; NULL
 * otherwise. Within an RCU section.
 */
struct dp_peer *dp_carrier_find(const struct dp_engine *engine, uint64_t id,
				const struct dp_peer *owner, const struct ip_addr *addr);
/* May the peer send this packet, whose source was given to owner (NULL: to nobody)? Likewise. */
bool dp_carrier_may_send(const struct dp_peer *peer, const struct dp_peer *owner,
			 const uint8_t *packet);

/* The peer ends: control thread only. */
void dp_carriers_leave(struct dp_peer *peer);

#endif
