#include "proto/ice_opener.h"

#include "base/clock.h"
#include "proto/ice_budget.h"
#include "proto/ice_hope.h"

/*
 * Through the home's router, dead on the internet's first. One would not leave the house; with
 * three it would reach the far NAT where both are customers of one provider. The outer mapping
 * behind two routers of our own is left to the checks: it is a provider's, and these drop what
 * nobody asked for.
 */
#define OPENER_TTL 2

/* How long a signal travels: half the round trips of both ends to where it is passed on. */
#define RTT_UNKNOWN_NS (40 * NS_PER_MS)
#define MARGIN_NS \
	(5 * NS_PER_MS) /* beside the way of the check itself, by which it comes later still */
#define LEAD_MAX_NS (300 * NS_PER_MS)

static uint64_t lead_ns(const struct ice_agent *agent, const struct ice_session *s)
{
	uint64_t ours = agent->signal_rtt_ns ? agent->signal_rtt_ns : RTT_UNKNOWN_NS;
	uint64_t theirs = s->remote_rtt_ns ? s->remote_rtt_ns : RTT_UNKNOWN_NS;
	uint64_t way_ns = (ours + theirs) / 2, lead = way_ns + MARGIN_NS;

	return lead < LEAD_MAX_NS ? lead : LEAD_MAX_NS;
}

uint64_t ice_opener_start_ns(const struct ice_agent *agent, const struct ice_session *s,
			     const struct ice_pair *pair, uint64_t now_ns)
{
	uint64_t start_ns = agent->told_ns + lead_ns(agent, s);

	/* What a check taught us of has come through already. */
	return pair->remote_type == CANDIDATE_SRFLX && start_ns > now_ns ? start_ns : now_ns;
}

void ice_opener_plan(struct ice_agent *agent, struct ice_session *s, struct ice_pair *pair,
		     uint64_t now_ns)
{
	if (pair->remote_type != CANDIDATE_SRFLX || pair->remote.addr.family != AF_INET ||
	    ice_hope_of(agent, s, pair) != ICE_HOPE_MAPPED || s->openers == ICE_OPENERS_MAX ||
	    ice_budget_take(agent->budget, &pair->remote.addr, now_ns))
		return;
	s->openers++;
	pair->opener = true;
}

/* An indication asks for no answer, should it arrive. */
static void build(struct ice_agent *agent, const struct ice_pair *pair, struct ice_datagram *out)
{
	uint8_t transaction[STUN_TRANSACTION_SIZE];
	struct stun_builder b;

	rng_fill(&agent->rng, transaction, sizeof(transaction));
	*out = (struct ice_datagram){
		.local = pair->base,
		.remote = pair->remote,
		.ttl = OPENER_TTL,
	};
	stun_begin(&b, out->data, sizeof(out->data), STUN_INDICATION, STUN_BINDING, transaction);
	stun_add_fingerprint(&b);
	stun_end(&b, &out->len);
}

bool ice_opener_poll(struct ice_agent *agent, struct ice_datagram *out)
{
	struct ice_session *s = &agent->current;

	for (size_t i = 0; i < s->pair_count && s->openers; i++) {
		struct ice_pair *pair = &s->pairs[i];

		if (!pair->opener)
			continue;
		pair->opener = false;
		if (pair->state != ICE_PAIR_CHECKING || pair->checks)
			continue; /* a check has opened it */
		build(agent, pair, out);
		return true;
	}
	return false;
}
