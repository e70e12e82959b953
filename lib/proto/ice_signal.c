/*
 * What the two agents tell each other (RFC 8838, RFC 8445 section 9): when a description begins a
 * session, joins one, restarts one, or comes too late.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "proto/ice_agent.h"

#define OFFER_AGAIN_MS     1000 /* an unanswered offer is told again, doubling */
#define OFFER_DOUBLING_MAX 5

/* ---- telling ---- */

static bool has_untold(const struct ice_agent *agent)
{
	for (size_t i = 0; i < agent->local_count; i++) {
		if (!agent->locals[i].told)
			return true;
	}
	return agent->end && !agent->end_told;
}

static void fill_candidates(struct ice_agent *agent, struct ice_description *out, bool all,
			    uint64_t now_ns)
{
	for (size_t i = 0; i < agent->local_count; i++) {
		struct ice_local *local = &agent->locals[i];

		if (local->told && !all)
			continue;
		out->candidates[out->count++] = local->candidate;
		if (!local->told)
			agent->told_ns = now_ns;
		local->told = true;
	}
	out->end = agent->end;
	agent->end_told = agent->end;
}

static void schedule_offer(struct ice_agent *agent, uint64_t now_ns)
{
	if (agent->current.bound || agent->current.failed) {
		agent->offer_ns = CLOCK_NEVER;
		return;
	}
	agent->offer_ns = now_ns + ((uint64_t)OFFER_AGAIN_MS << agent->offers) * NS_PER_MS;
	if (agent->offers < OFFER_DOUBLING_MAX)
		agent->offers++;
}

bool ice_poll_description(struct ice_agent *agent, struct ice_description *out, uint64_t now_ns)
{
	struct ice_session *s = &agent->current;

	if (!agent->describe && !has_untold(agent))
		return false;
	*out = (struct ice_description){
		.instance = agent->instance,
		.generation = s->generation,
		.signal_rtt_ms = (uint32_t)(agent->signal_rtt_ns / NS_PER_MS),
	};
	strcpy(out->ufrag, s->ufrag);
	strcpy(out->pwd, s->pwd);
	if (s->bound)
		strcpy(out->answers, s->remote_ufrag);
	/* Whoever needs our credentials again may have missed the candidates as well. */
	fill_candidates(agent, out, agent->describe, now_ns);
	agent->describe = false;
	schedule_offer(agent, now_ns);
	ice_agent_pair_all(agent, now_ns);
	ice_check_run(agent, now_ns);
	return true;
}

void ice_describe_again(struct ice_agent *agent)
{
	agent->describe = true;
}

/* ---- listening ---- */

/* Makes room: what was told first and led to nothing is most likely no longer true. */
static bool evict_remote(struct ice_session *s)
{
	for (size_t i = 0; i < s->remote_count; i++) {
		if (s->remotes[i].type == CANDIDATE_PRFLX ||
		    ice_session_is_proven(s, &s->remotes[i].addr))
			continue;
		ice_session_remove_remote(s, i);
		return true;
	}
	return false;
}

static struct candidate *find_remote(struct ice_session *s, const struct endpoint *addr)
{
	for (size_t i = 0; i < s->remote_count; i++) {
		if (endpoint_equal(&s->remotes[i].addr, addr))
			return &s->remotes[i];
	}
	return NULL;
}

/*
 * A candidate that was learnt from a check first gets its real type and priority. It counts as told
 * from then on, so there has to be room among those.
 */
static void add_remote(struct ice_session *s, const struct candidate *c)
{
	struct candidate *known = find_remote(s, &c->addr);
	size_t told = 0, ports = 0;

	if (known && known->type != CANDIDATE_PRFLX)
		return;
	for (size_t i = 0; i < s->remote_count; i++) {
		if (s->remotes[i].type == CANDIDATE_PRFLX)
			continue;
		told++;
		ports += addr_equal(&s->remotes[i].addr.addr, &c->addr.addr);
	}
	if (ports >= ICE_PORTS_MAX || (told >= ICE_CANDIDATES_MAX && !evict_remote(s)))
		return;
	known = find_remote(s, &c->addr);
	if (known)
		*known = *c;
	else
		s->remotes[s->remote_count++] = *c;
}

static void add_remotes(struct ice_agent *agent, const struct ice_description *d, uint64_t now_ns)
{
	for (size_t i = 0; i < d->count; i++) {
		const struct candidate *c = &d->candidates[i];

		if (c->type != CANDIDATE_RELAY &&
		    candidate_addr_allowed(&c->addr, agent->refused, agent->refused_count))
			add_remote(&agent->current, c);
	}
	ice_agent_pair_all(agent, now_ns);
}

/* The current session talks to this session of the peer from now on. */
static void bind_session(struct ice_agent *agent, const struct ice_description *d, uint64_t now_ns)
{
	struct ice_session *s = &agent->current;

	s->bound = true;
	s->failed = false;
	s->remote_instance = d->instance;
	s->remote_generation = d->generation;
	strcpy(s->remote_ufrag, d->ufrag);
	strcpy(s->remote_pwd, d->pwd);
	s->patience_ns = now_ns + ICE_PATIENCE_MS * NS_PER_MS;
	s->remote_rtt_ns = d->signal_rtt_ms * NS_PER_MS;
	s->heard_of = false;
	s->openers = 0;
	agent->offer_ns = CLOCK_NEVER;
	s->selected = 0;
	s->nominating = false;
	/* Nothing asked of another session of the peer says anything about this one. */
	for (size_t i = 0; i < s->pair_count; i++) {
		struct ice_pair *pair = &s->pairs[i];

		memset(pair->attempts, 0, sizeof(pair->attempts));
		pair->nominating = false;
		ice_pair_begin_schedule(pair, now_ns);
	}
}

/* The peer has our candidates: checks that waited for that begin. */
static void begin_waiting(struct ice_agent *agent, uint64_t now_ns)
{
	struct ice_session *s = &agent->current;

	if (s->heard_of)
		return;
	s->heard_of = true;
	agent->told_ns = 0;
	for (size_t i = 0; i < s->pair_count; i++) {
		struct ice_pair *pair = &s->pairs[i];

		if (pair->state == ICE_PAIR_CHECKING && !pair->checks && pair->due_ns > now_ns)
			pair->due_ns = now_ns;
	}
}

static bool is_same_session(const struct ice_session *s, const struct ice_description *d)
{
	return s->bound && s->remote_instance == d->instance &&
	       s->remote_generation == d->generation;
}

/* A session of the peer that s has seen the successor of, or has outlived itself. */
static bool is_over(const struct ice_session *s, const struct ice_description *d, bool inclusive)
{
	return s->bound && s->remote_instance == d->instance &&
	       (d->generation < s->remote_generation ||
		(inclusive && d->generation == s->remote_generation));
}

static bool is_stale(const struct ice_agent *agent, const struct ice_description *d)
{
	bool answers_current = strcmp(d->answers, agent->current.ufrag) == 0;

	if (is_over(&agent->current, d, false))
		return true;
	if (d->answers[0] && !answers_current)
		return true; /* it answers an older offer; the newer one is on its way */
	return !answers_current && agent->has_previous && is_over(&agent->previous, d, true);
}

int ice_input_description(struct ice_agent *agent, const struct ice_description *d, uint64_t now_ns)
{
	struct ice_session *s = &agent->current;

	if (is_same_session(s, d)) {
		if (strcmp(s->remote_ufrag, d->ufrag) != 0 || strcmp(s->remote_pwd, d->pwd) != 0)
			return -ESTALE;
		/* An offer told again: the peer has not had our answer. */
		if (!d->answers[0])
			agent->describe = true;
	} else if (is_stale(agent, d)) {
		return -ESTALE;
	} else {
		/* New to a bound session and no answer to it: the peer restarts, so do we. */
		if (s->bound && strcmp(d->answers, s->ufrag) != 0)
			ice_agent_begin_session(agent, now_ns);
		bind_session(agent, d, now_ns);
		if (!d->answers[0])
			agent->describe = true;
	}
	/* Who offers has not had our candidates yet, for all we know: the answer brings them. */
	if (d->answers[0])
		begin_waiting(agent, now_ns);
	else if (!s->heard_of)
		agent->told_ns = now_ns;
	add_remotes(agent, d, now_ns);
	ice_check_run(agent, now_ns);
	return 0;
}

void ice_signal_expire(struct ice_agent *agent, uint64_t now_ns)
{
	if (agent->offer_ns > now_ns)
		return;
	agent->offer_ns = CLOCK_NEVER; /* set anew when the offer is polled */
	agent->describe = true;
}
