#include "proto/ice_stray.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"

#define PORTS_AT  ICE_STRAY_SECRET_SIZE
#define SENT_AT   (PORTS_AT + 4)
#define TIME_SPAN 0x10000u /* milliseconds that 16 bits tell apart */

_Static_assert(SENT_AT + 2 == STUN_TRANSACTION_SIZE, "a transaction is used up");

bool ice_stray_find_base(const struct ice_agent *agent, const struct endpoint *local,
			 struct candidate *base)
{
	const struct candidate *exact = ice_agent_find_base(agent, local);

	if (exact) {
		*base = *exact;
		return true;
	}
	for (size_t i = 0; i < agent->local_count; i++) {
		const struct candidate *c = &agent->locals[i].candidate;

		if (c->type != CANDIDATE_HOST || !addr_equal(&c->base.addr, &local->addr))
			continue;
		*base = *c;
		base->addr.port = base->base.port = local->port;
		return true;
	}
	return false;
}

int ice_stray_check(struct ice_agent *agent, const struct endpoint *local,
		    const struct endpoint *remote, struct ice_datagram *out, uint64_t now_ns)
{
	struct ice_session *s = &agent->current;
	uint8_t transaction[STUN_TRANSACTION_SIZE];
	struct candidate base;

	if (!s->bound)
		return -ENOTCONN;
	if (!ice_stray_find_base(agent, local, &base) ||
	    !candidate_addr_allowed(remote, agent->refused, agent->refused_count))
		return -EADDRNOTAVAIL;
	if (!addr_equal(&s->stray_addr, &remote->addr)) {
		s->stray_addr = remote->addr;
		rng_fill(&agent->rng, s->stray_secret, sizeof(s->stray_secret));
	}
	memcpy(transaction, s->stray_secret, ICE_STRAY_SECRET_SIZE);
	store_be16(transaction + PORTS_AT, local->port);
	store_be16(transaction + PORTS_AT + 2, remote->port);
	store_be16(transaction + SENT_AT, (uint16_t)(now_ns / NS_PER_MS));
	*out = (struct ice_datagram){ .local = base.base, .remote = *remote };
	ice_check_build(agent, s, base.priority, transaction, false, out);
	return 0;
}

bool ice_stray_owns(const struct ice_session *s, const uint8_t *transaction)
{
	return s->stray_addr.family &&
	       memcmp(s->stray_secret, transaction, ICE_STRAY_SECRET_SIZE) == 0;
}

int ice_stray_input(struct ice_agent *agent, const struct stun_message *msg,
		    const struct endpoint *local, const struct endpoint *remote, uint64_t now_ns)
{
	struct ice_session *s = &agent->current;
	const uint8_t *t = msg->transaction;
	struct ice_attempt attempt = { .controlling = agent->controlling };
	const struct candidate *learnt;
	struct candidate base;
	struct ice_pair *pair;
	struct endpoint mapped;
	uint64_t age_ms;

	/* It came on the very path that was asked about, or it is no answer. */
	if (!ice_stray_owns(s, t) || msg->class != STUN_SUCCESS || !msg->has_fingerprint ||
	    !addr_equal(&s->stray_addr, &remote->addr) || load_be16(t + PORTS_AT) != local->port ||
	    load_be16(t + PORTS_AT + 2) != remote->port ||
	    !stun_check_integrity(msg, s->remote_pwd, strlen(s->remote_pwd)) ||
	    stun_get_endpoint(msg, STUN_ATTR_XOR_MAPPED_ADDRESS, &mapped) < 0 ||
	    !ice_stray_find_base(agent, local, &base))
		return -EPERM;
	pair = ice_session_find(s, &base.base, remote);
	if (!pair) {
		learnt = ice_agent_learn_remote(s, remote,
						candidate_priority(CANDIDATE_PRFLX, UINT16_MAX),
						false, now_ns);
		pair = learnt ? ice_agent_pair(agent, &base, learnt, now_ns) : NULL;
	}
	if (!pair)
		return -EPERM;
	pair->mapped = mapped;
	age_ms = (now_ns / NS_PER_MS - load_be16(t + SENT_AT)) % TIME_SPAN;
	attempt.sent_ns = now_ns - age_ms * NS_PER_MS;
	ice_check_succeed(agent, s, pair, &attempt, now_ns);
	/* No answer counts twice, or a copy would be consent: what is asked next has a new secret.
	 */
	s->stray_addr = (struct ip_addr){ 0 };
	return 0;
}
