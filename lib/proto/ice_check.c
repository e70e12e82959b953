/*
 * The asking half of an agent: connectivity checks, consent checks and nomination, and what their
 * answers change (RFC 8445 sections 7.2 and 8, RFC 7675).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "proto/ice_agent.h"
#include "proto/ice_budget.h"
#include "proto/ice_stray.h"

#define PACE_MS             5     /* between transactions: RFC 8445 section 14.2 */
#define CONSENT_INTERVAL_MS 5000  /* times 0.8 to 1.2: RFC 7675 section 5.1 */
#define CONSENT_EXPIRY_MS   30000 /* RFC 7675 section 5.1 */
#define GRACE_MS            10000 /* of a pair that owes an answer when traffic comes back */
#define IDLE_INTERVAL_MS    25000 /* times 0.8 to 1: keeps mappings, above RFC 8445's 15 s */
#define IDLE_EXPIRY_MS      60000
#define NOMINATE_WAIT_MS    1000 /* for a better pair; data flows on the valid one meanwhile */

static uint64_t draw_interval(struct ice_agent *agent, uint64_t from_ms, uint64_t to_ms)
{
	return (from_ms + rng_below(&agent->rng, (uint32_t)(to_ms - from_ms))) * NS_PER_MS;
}

/* An idle pair that did not answer is asked as often as an active one. */
static void schedule_consent(struct ice_agent *agent, struct ice_pair *pair, uint64_t now_ns)
{
	if (agent->active || pair->unanswered_ns)
		pair->due_ns = now_ns + draw_interval(agent, CONSENT_INTERVAL_MS * 8 / 10,
						      CONSENT_INTERVAL_MS * 12 / 10);
	else
		pair->due_ns =
			now_ns + draw_interval(agent, IDLE_INTERVAL_MS * 8 / 10, IDLE_INTERVAL_MS);
}

static uint64_t consent_end(const struct ice_agent *agent, const struct ice_pair *pair)
{
	uint64_t expiry_ms = agent->active ? CONSENT_EXPIRY_MS : IDLE_EXPIRY_MS;

	return pair->consent_ns + expiry_ms * NS_PER_MS;
}

/*
 * A whole period where the last question was answered; elsewhere the agent may only have been
 * asleep, but a pair that never answers is not to live on what is sent on it now and then.
 */
void ice_check_anew(struct ice_pair *pair, uint64_t now_ns)
{
	const uint64_t spent_ns = (CONSENT_EXPIRY_MS - GRACE_MS) * NS_PER_MS;

	if (!pair->unanswered_ns)
		pair->consent_ns = now_ns;
	else if (pair->consent_ns + spent_ns < now_ns)
		pair->consent_ns = now_ns - spent_ns;
	pair->due_ns = now_ns;
}

/* ---- sending ---- */

void ice_check_build(const struct ice_agent *agent, const struct ice_session *s,
		     uint32_t local_priority, const uint8_t *transaction, bool nominating,
		     struct ice_datagram *d)
{
	char username[2 * ICE_UFRAG_SIZE];
	uint16_t preference = (uint16_t)(local_priority >> 8);
	struct stun_builder b;

	snprintf(username, sizeof(username), "%s:%s", s->remote_ufrag, s->ufrag);
	stun_begin(&b, d->data, sizeof(d->data), STUN_REQUEST, STUN_BINDING, transaction);
	stun_add_text(&b, STUN_ATTR_USERNAME, username);
	stun_add_u32(&b, STUN_ATTR_PRIORITY, candidate_priority(CANDIDATE_PRFLX, preference));
	stun_add_u64(&b, agent->controlling ? STUN_ATTR_ICE_CONTROLLING : STUN_ATTR_ICE_CONTROLLED,
		     agent->tie_breaker);
	if (nominating)
		stun_add(&b, STUN_ATTR_USE_CANDIDATE, NULL, 0);
	stun_add_integrity(&b, s->remote_pwd, strlen(s->remote_pwd));
	stun_add_fingerprint(&b);
	stun_end(&b, &d->len); /* always fits: the credentials are bounded */
}

static void schedule_next(struct ice_agent *agent, struct ice_session *s, struct ice_pair *pair,
			  uint64_t now_ns)
{
	pair->triggered = false;
	if (pair->state == ICE_PAIR_VALID && !pair->unanswered_ns)
		pair->unanswered_ns = now_ns;
	if (pair->state == ICE_PAIR_VALID && !pair->nominating)
		schedule_consent(agent, pair, now_ns);
	else
		ice_pair_advance_schedule(pair, now_ns);
	/* Once a pair is selected the others get their dense checks and no more. */
	if (pair->state == ICE_PAIR_CHECKING && s->selected && pair->checks >= ICE_DENSE_CHECKS)
		pair->due_ns = CLOCK_NEVER;
}

static void send_check(struct ice_agent *agent, struct ice_session *s, struct ice_pair *pair,
		       uint64_t now_ns)
{
	struct ice_datagram *d = ice_agent_reserve_output(agent);
	struct ice_attempt *attempt;

	agent->pace_ns = now_ns + PACE_MS * NS_PER_MS;
	if (!d)
		return;
	attempt = ice_pair_add_attempt(pair);
	rng_fill(&agent->rng, attempt->transaction, sizeof(attempt->transaction));
	attempt->sent_ns = now_ns;
	attempt->controlling = agent->controlling;
	attempt->nominating = agent->controlling && pair->nominating;
	d->local = pair->base;
	d->remote = pair->remote;
	d->ttl = 0;
	d->previous = s == &agent->previous;
	ice_check_build(agent, s, pair->local_priority, attempt->transaction, attempt->nominating,
			d);
	ice_agent_commit_output(agent);
	schedule_next(agent, s, pair, now_ns);
}

/* The next pair to check now in either session, or NULL. */
static struct ice_pair *next_due(const struct ice_agent *agent, bool *is_previous, uint64_t now_ns)
{
	struct ice_pair *pair = NULL, *old = NULL;

	if (agent->current.bound)
		pair = ice_session_next_due(&agent->current, agent->controlling, now_ns);
	if (agent->has_previous)
		old = ice_session_next_due(&agent->previous, agent->controlling, now_ns);
	*is_previous = old && (!pair || ice_pair_turn_ns(old) < ice_pair_turn_ns(pair));
	return *is_previous ? old : pair;
}

/* Addresses that never answered may be anybody's, and are asked within bounds. */
static bool may_check(struct ice_agent *agent, struct ice_pair *pair, uint64_t now_ns)
{
	uint64_t wait_ns;

	if (pair->state == ICE_PAIR_VALID)
		return true;
	wait_ns = ice_budget_take(agent->budget, &pair->remote.addr, now_ns);
	if (wait_ns)
		pair->due_ns = now_ns + wait_ns;
	return wait_ns == 0;
}

/* ---- nomination ---- */

/* When to nominate: at once when nothing better can still come, or after a short wait. */
static uint64_t nominate_ns(const struct ice_agent *agent)
{
	const struct ice_session *s = &agent->current;
	const struct ice_pair *best = ice_session_best_valid(s, agent->controlling);
	uint64_t priority;

	if (!agent->controlling || s->nominating || s->selected || !best)
		return CLOCK_NEVER;
	priority = ice_pair_priority(best, agent->controlling);
	for (size_t i = 0; i < s->pair_count; i++) {
		const struct ice_pair *pair = &s->pairs[i];

		if (pair->state == ICE_PAIR_CHECKING && pair->checks < ICE_DENSE_CHECKS &&
		    ice_pair_priority(pair, agent->controlling) > priority)
			return s->first_valid_ns + NOMINATE_WAIT_MS * NS_PER_MS;
	}
	return s->first_valid_ns;
}

static void nominate(struct ice_agent *agent, uint64_t now_ns)
{
	struct ice_session *s = &agent->current;
	struct ice_pair *pair;

	if (nominate_ns(agent) > now_ns)
		return;
	pair = ice_session_best_valid(s, agent->controlling);
	s->nominating = true;
	pair->nominating = true;
	ice_pair_begin_schedule(pair, now_ns);
}

/* ---- time ---- */

uint64_t ice_check_next_timeout(const struct ice_agent *agent)
{
	const struct ice_session *sessions[] = { &agent->current, &agent->previous };
	uint64_t next = nominate_ns(agent), due = CLOCK_NEVER;
	const struct ice_pair *pair;

	if (agent->current.bound)
		due = ice_session_next_ns(&agent->current);
	if (agent->has_previous && ice_session_next_ns(&agent->previous) < due)
		due = ice_session_next_ns(&agent->previous);
	if (due < agent->pace_ns)
		due = agent->pace_ns;
	next = due < next ? due : next;
	for (size_t k = 0; k < 2; k++) {
		for (size_t i = 0; i < sessions[k]->pair_count; i++) {
			pair = &sessions[k]->pairs[i];
			if (pair->state == ICE_PAIR_VALID && consent_end(agent, pair) < next)
				next = consent_end(agent, pair);
		}
	}
	return next;
}

/* Without consent nothing may be sent on a pair. */
static void expire_consent(struct ice_agent *agent, struct ice_session *s, uint64_t now_ns)
{
	for (size_t i = s->pair_count; i-- > 0;) {
		if (s->pairs[i].state == ICE_PAIR_VALID &&
		    consent_end(agent, &s->pairs[i]) <= now_ns)
			ice_agent_lose_pair(agent, s, &s->pairs[i]);
	}
}

void ice_check_run(struct ice_agent *agent, uint64_t now_ns)
{
	struct ice_pair *pair;
	bool is_previous;

	expire_consent(agent, &agent->current, now_ns);
	expire_consent(agent, &agent->previous, now_ns);
	nominate(agent, now_ns);
	if (now_ns < agent->pace_ns)
		return;
	do {
		pair = next_due(agent, &is_previous, now_ns);
	} while (pair && !may_check(agent, pair, now_ns));
	if (pair)
		send_check(agent, is_previous ? &agent->previous : &agent->current, pair, now_ns);
}

/* ---- answers ---- */

static void become_valid(struct ice_agent *agent, struct ice_session *s, struct ice_pair *pair,
			 uint64_t now_ns)
{
	pair->state = ICE_PAIR_VALID;
	if (!s->first_valid_ns)
		s->first_valid_ns = now_ns;
	ice_agent_push_pair_event(agent, ICE_EVENT_PAIR_VALID, pair);
}

void ice_check_succeed(struct ice_agent *agent, struct ice_session *s, struct ice_pair *pair,
		       const struct ice_attempt *attempt, uint64_t now_ns)
{
	ice_budget_prove(agent->budget, &pair->remote.addr, now_ns);
	pair->rtt_ns = now_ns - attempt->sent_ns;
	pair->consent_ns = now_ns;
	pair->unanswered_ns = 0;
	pair->triggered = false;
	if (pair->state != ICE_PAIR_VALID)
		become_valid(agent, s, pair, now_ns);
	else
		ice_agent_push_pair_event(agent, ICE_EVENT_PAIR_RTT, pair);
	if (agent->controlling && attempt->nominating && pair->nominating) {
		pair->nominating = false;
		ice_agent_select(agent, s, pair, now_ns);
	} else if (!agent->controlling && pair->use_candidate) {
		ice_agent_select(agent, s, pair, now_ns);
	}
	if (!pair->nominating)
		schedule_consent(agent, pair, now_ns);
}

/* 487: the peer insists on the role that the check was sent in (RFC 8445 section 7.2.5.1). */
static void on_role_conflict(struct ice_agent *agent, struct ice_pair *pair,
			     const struct ice_attempt *attempt, uint64_t now_ns)
{
	if (attempt->controlling == agent->controlling) {
		ice_agent_set_role(agent, !agent->controlling);
		rng_fill(&agent->rng, &agent->tie_breaker, sizeof(agent->tie_breaker));
	}
	pair->triggered = true;
	pair->due_ns = now_ns;
}

static struct ice_pair *find_transaction(struct ice_session *s, const uint8_t *transaction,
					 struct ice_attempt **attempt)
{
	for (size_t i = 0; i < s->pair_count; i++) {
		*attempt = ice_pair_find_attempt(&s->pairs[i], transaction);
		if (*attempt)
			return &s->pairs[i];
	}
	return NULL;
}

static int on_response(struct ice_agent *agent, struct ice_session *s, struct ice_pair *pair,
		       struct ice_attempt *attempt, const struct stun_message *msg, uint64_t now_ns)
{
	struct endpoint mapped;
	unsigned int code;

	attempt->live = false;
	if (msg->class == STUN_ERROR) {
		if (!stun_get_error(msg, &code) && code == STUN_ERR_ROLE_CONFLICT)
			on_role_conflict(agent, pair, attempt, now_ns);
		return 0;
	}
	if (stun_get_endpoint(msg, STUN_ATTR_XOR_MAPPED_ADDRESS, &mapped) < 0)
		return -EBADMSG;
	/*
	 * An unknown mapped address would be a peer-reflexive candidate of ours; its base is the
	 * one this pair has already (RFC 8445 section 7.2.5.3.1), so nothing new comes of it.
	 */
	pair->mapped = mapped;
	ice_check_succeed(agent, s, pair, attempt, now_ns);
	return 0;
}

int ice_check_input(struct ice_agent *agent, const struct stun_message *msg,
		    const struct endpoint *local, const struct endpoint *remote, uint64_t now_ns)
{
	struct ice_session *s = &agent->current;
	struct ice_attempt *attempt;
	struct ice_pair *pair = find_transaction(s, msg->transaction, &attempt);

	if (!pair) {
		s = &agent->previous;
		pair = find_transaction(s, msg->transaction, &attempt);
	}
	if (!pair)
		return ice_stray_input(agent, msg, local, remote, now_ns);
	/* Unauthenticated answers to authenticated questions are as if never received. */
	if (!msg->has_fingerprint ||
	    !stun_check_integrity(msg, s->remote_pwd, strlen(s->remote_pwd)))
		return -EPERM;
	if (!endpoint_equal(remote, &pair->remote) || !addr_equal(&local->addr, &pair->base.addr) ||
	    local->port != pair->base.port) {
		/* RFC 8445 section 7.2.5.2.1: not the path that was asked about. */
		attempt->live = false;
		if (pair->state == ICE_PAIR_CHECKING) {
			pair->state = ICE_PAIR_FAILED;
			pair->due_ns = CLOCK_NEVER;
		}
		return -EPERM;
	}
	return on_response(agent, s, pair, attempt, msg, now_ns);
}
