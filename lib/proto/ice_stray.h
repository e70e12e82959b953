#ifndef WARREN_PROTO_ICE_STRAY_H
#define WARREN_PROTO_ICE_STRAY_H

#include "proto/ice_agent.h"

/*
 * Checks of pairs that are in no check list, for guessing ports: thousands of them, of which one
 * may be answered. Each transaction tells by itself which ports it was between and when it was
 * sent, behind a secret of the session; the answer's integrity covers it.
 */

/* Bytes of a transaction that are the session's secret. */
#define ICE_STRAY_SECRET_SIZE sizeof(((struct ice_session *)0)->stray_secret)

bool ice_stray_owns(const struct ice_session *s, const uint8_t *transaction);
/* An answer to one of them: the pair is made, and valid. 0 or -EPERM. */
int ice_stray_input(struct ice_agent *agent, const struct stun_message *msg,
		    const struct endpoint *local, const struct endpoint *remote, uint64_t now_ns);
/*
 * The host candidate that local is or, with another port, belongs to: all ports of our address on
 * which something arrives are ours. False when it is none.
 */
bool ice_stray_find_base(const struct ice_agent *agent, const struct endpoint *local,
			 struct candidate *base);

#endif
