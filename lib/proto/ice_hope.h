#ifndef WARREN_PROTO_ICE_HOPE_H
#define WARREN_PROTO_ICE_HOPE_H

#include "proto/ice_agent.h"

/*
 * How promising the pairs of a check list are. RFC 8445's priorities prefer host addresses,
 * whatever they are worth: with sixteen on either side the one pair that can work would be asked
 * after a hundred that cannot. So the classes below take turns, and what hardly ever works comes
 * last.
 */

/* Ranks all pairs of a session that are being checked, after pairs or candidates came or went. */
void ice_hope_rank(const struct ice_agent *agent, struct ice_session *s);
/* Class of one pair, as ice_hope_rank would say. */
enum ice_hope ice_hope_of(const struct ice_agent *agent, const struct ice_session *s,
			  const struct ice_pair *pair);

#endif
