#include "proto/ice.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proto/ice_agent.h"
#include "proto/ice_hope.h"
#include "proto/ice_opener.h"
#include "proto/ice_stray.h"

/* ---- life ---- */

struct ice_agent *ice_agent_new(const struct ice_config *config, uint64_t now_ns)
{
	struct ice_agent *agent;

	if (config->refused_count > ICE_REFUSED_MAX)
		return NULL;
	agent = calloc(1, sizeof(*agent));
	if (!agent)
		return NULL;
	agent->rng = config->rng;
	agent->budget = config->budget;
	agent->controlling = config->controlling;
	agent->active = true;
	agent->refused_count = config->refused_count;
	for (size_t i = 0; i < config->refused_count; i++)
		agent->refused[i] = config->refused[i];
	rng_fill(&agent->rng, &agent->tie_breaker, sizeof(agent->tie_breaker));
	rng_fill(&agent->rng, &agent->instance, sizeof(agent->instance));
	ice_session_init(&agent->current, 1, &agent->rng, now_ns);
	agent->describe = true;
	agent->offer_ns = CLOCK_NEVER;
	return agent;
}

void ice_agent_free(struct ice_agent *agent)
{
	if (!agent)
		return;
	ice_session_clear(&agent->current);
	ice_session_clear(&agent->previous);
	free(agent->events);
	free(agent);
}

void ice_set_signal_rtt(struct ice_agent *agent, uint64_t rtt_ns)
{
	agent->signal_rtt_ns = rtt_ns;
}

bool ice_is_controlling(const struct ice_agent *agent)
{
	return agent->controlling;
}

/* ---- events and datagrams ---- */

static bool grow_events(struct ice_agent *agent)
{
	size_t cap = agent->event_cap ? agent->event_cap * 2 : 8;
	struct ice_event *events;

	if (cap > ICE_EVENTS_MAX)
		return false;
	events = realloc(agent->events, cap * sizeof(*events));
	if (!events)
		return false;
	agent->events = events;
	agent->event_cap = cap;
	return true;
}

void ice_agent_push_event(struct ice_agent *agent, const struct ice_event *event)
{
	if (agent->event_count == agent->event_cap && !grow_events(agent))
		return;
	agent->events[agent->event_count++] = *event;
}

void ice_agent_push_pair_event(struct ice_agent *agent, enum ice_event_type type,
			       const struct ice_pair *pair)
{
	struct ice_event event = { .type = type };

	ice_pair_describe(pair, &event.pair);
	ice_agent_push_event(agent, &event);
}

bool ice_poll_event(struct ice_agent *agent, struct ice_event *event)
{
	if (!agent->event_count)
		return false;
	*event = agent->events[0];
	agent->event_count--;
	memmove(agent->events, agent->events + 1, agent->event_count * sizeof(*agent->events));
	return true;
}

struct ice_datagram *ice_agent_reserve_output(struct ice_agent *agent)
{
	return agent->output_count < ICE_OUTPUT_MAX ? &agent->output[agent->output_count] : NULL;
}

void ice_agent_commit_output(struct ice_agent *agent)
{
	agent->output_count++;
}

bool ice_poll_output(struct ice_agent *agent, struct ice_datagram *out)
{
	if (!agent->output_count)
		return ice_opener_poll(agent, out);
	*out = agent->output[0];
	agent->output_count--;
	memmove(agent->output, agent->output + 1, agent->output_count * sizeof(*agent->output));
	return true;
}

/* ---- candidates and pairs ---- */

bool ice_agent_same_socket(const struct endpoint *a, const struct endpoint *b)
{
	return addr_equal(&a->addr, &b->addr) && a->port == b->port;
}

/* A pair of the same addresses keeps its id through a restart. */
static uint32_t pair_id(struct ice_agent *agent, const struct ice_pair *pair)
{
	const struct ice_pair *old = ice_session_find(&agent->previous, &pair->base, &pair->remote);

	return old ? old->id : ++agent->last_pair_id;
}

/* An address of ours that a peer tells, or has as well in another home: packets would come back. */
static bool is_own(const struct ice_agent *agent, const struct endpoint *remote)
{
	for (size_t i = 0; i < agent->local_count; i++) {
		if (ice_agent_same_socket(&agent->locals[i].candidate.addr, remote))
			return true;
	}
	return false;
}

struct ice_pair *ice_agent_pair(struct ice_agent *agent, const struct candidate *local,
				const struct candidate *remote, uint64_t now_ns)
{
	struct ice_pair pair = {
		.base = local->base,
		.remote = remote->addr,
		.remote_type = remote->type,
		.other_port = !ice_agent_find_base(agent, &local->base),
		.local_priority = local->priority,
		.remote_priority = remote->priority,
	};
	struct ice_pair *added;

	/* RFC 8445 section 6.1.2.2: one family, and link-local only with link-local. */
	if (pair.base.addr.family != pair.remote.addr.family ||
	    addr_is_link_local(&pair.base.addr) != addr_is_link_local(&pair.remote.addr))
		return NULL;
	pair.remote.scope_id = pair.base.scope_id; /* a peer cannot know our interface */
	if (is_own(agent, &pair.remote) ||
	    ice_session_find(&agent->current, &pair.base, &pair.remote))
		return NULL;
	pair.id = pair_id(agent, &pair);
	pair.due_ns = ice_opener_start_ns(agent, &agent->current, &pair, now_ns);
	pair.hope = ice_hope_of(agent, &agent->current, &pair);
	ice_session_renew_patience(&agent->current, now_ns);
	added = ice_session_add(&agent->current, &pair, agent->controlling);
	if (added)
		ice_opener_plan(agent, &agent->current, added, now_ns);
	return added;
}

void ice_agent_pair_all(struct ice_agent *agent, uint64_t now_ns)
{
	struct ice_session *s = &agent->current;

	for (size_t i = 0; i < agent->local_count; i++) {
		const struct ice_local *local = &agent->locals[i];

		/* A reflexive candidate is its base once more (RFC 8445 section 6.1.2.4). */
		if (!local->told || local->candidate.type != CANDIDATE_HOST)
			continue;
		/* An address that only a check told of has the one pair of that check. */
		for (size_t k = 0; k < s->remote_count; k++) {
			if (s->remotes[k].type != CANDIDATE_PRFLX)
				ice_agent_pair(agent, &local->candidate, &s->remotes[k], now_ns);
		}
	}
	ice_hope_rank(agent, s);
}

void ice_agent_lose_pair(struct ice_agent *agent, struct ice_session *s, struct ice_pair *pair)
{
	const struct ice_session *other = s == &agent->current ? &agent->previous : &agent->current;
	const struct ice_pair *twin = ice_session_find_id(other, pair->id);

	if (pair->state == ICE_PAIR_VALID && !(twin && twin->state == ICE_PAIR_VALID))
		ice_agent_push_pair_event(agent, ICE_EVENT_PAIR_LOST, pair);
	if (pair->nominating || s->selected == pair->id)
		s->nominating = false; /* another one is to be chosen */
	if (s->selected == pair->id)
		s->selected = 0;
	ice_session_remove(s, pair);
}

bool ice_pair_find(const struct ice_agent *agent, uint32_t id, struct ice_pair_info *info)
{
	const struct ice_pair *pair = ice_session_find_id(&agent->current, id);

	if (!pair || pair->state != ICE_PAIR_VALID)
		pair = ice_session_find_id(&agent->previous, id);
	if (!pair || pair->state != ICE_PAIR_VALID)
		return false;
	ice_pair_describe(pair, info);
	return true;
}

bool ice_has_valid_pair(const struct ice_agent *agent)
{
	return ice_session_best_valid(&agent->current, agent->controlling) ||
	       ice_session_best_valid(&agent->previous, agent->controlling);
}

bool ice_uses_port(const struct ice_agent *agent, uint16_t port)
{
	const struct ice_session *sessions[] = { &agent->current, &agent->previous };

	for (size_t k = 0; k < 2; k++) {
		for (size_t i = 0; i < sessions[k]->pair_count; i++) {
			const struct ice_pair *pair = &sessions[k]->pairs[i];

			if (pair->base.port == port && pair->due_ns != CLOCK_NEVER)
				return true;
		}
	}
	return false;
}

int ice_probe(struct ice_agent *agent, uint32_t pair_id, uint64_t now_ns)
{
	struct ice_pair *pair = ice_session_find_id(&agent->current, pair_id);

	if (!pair || pair->state != ICE_PAIR_VALID)
		pair = ice_session_find_id(&agent->previous, pair_id);
	if (!pair || pair->state != ICE_PAIR_VALID)
		return -ENOENT;
	pair->triggered = true;
	pair->due_ns = now_ns;
	ice_check_run(agent, now_ns);
	return 0;
}

/* ---- sessions ---- */

struct ice_session *ice_agent_session(struct ice_agent *agent, const char *ufrag)
{
	if (strcmp(ufrag, agent->current.ufrag) == 0)
		return &agent->current;
	if (agent->has_previous && strcmp(ufrag, agent->previous.ufrag) == 0)
		return &agent->previous;
	return NULL;
}

bool ice_owns_ufrag(const struct ice_agent *agent, const char *ufrag)
{
	return strcmp(ufrag, agent->current.ufrag) == 0 ||
	       (agent->has_previous && strcmp(ufrag, agent->previous.ufrag) == 0);
}

const char *ice_ufrag(const struct ice_agent *agent)
{
	return agent->current.ufrag;
}

const char *ice_previous_ufrag(const struct ice_agent *agent)
{
	return agent->has_previous ? agent->previous.ufrag : NULL;
}

bool ice_owns_transaction(const struct ice_agent *agent,
			  const uint8_t transaction[static STUN_TRANSACTION_SIZE])
{
	const struct ice_session *sessions[] = { &agent->current, &agent->previous };

	if (ice_stray_owns(&agent->current, transaction))
		return true;
	for (size_t k = 0; k < 2; k++) {
		for (size_t i = 0; i < sessions[k]->pair_count; i++) {
			if (ice_pair_find_attempt(&sessions[k]->pairs[i], transaction))
				return true;
		}
	}
	return false;
}

static void retire_previous(struct ice_agent *agent)
{
	struct ice_session *s = &agent->previous;

	while (s->pair_count)
		ice_agent_lose_pair(agent, s, &s->pairs[s->pair_count - 1]);
	ice_session_clear(s);
	agent->has_previous = false;
}

void ice_agent_begin_session(struct ice_agent *agent, uint64_t now_ns)
{
	struct ice_session *s = &agent->current;
	uint32_t generation = s->generation + 1;
	bool any_valid = ice_session_best_valid(s, agent->controlling) != NULL;

	/* Of two sessions in a row that never came to a selected pair the older has what works. */
	if (any_valid || !agent->has_previous) {
		if (agent->has_previous)
			retire_previous(agent);
		agent->previous = *s;
		agent->has_previous = true;
		agent->previous_until_ns = now_ns + ICE_PATIENCE_MS * NS_PER_MS;
		s = &agent->previous;
		s->patience_ns = CLOCK_NEVER;
		for (size_t i = s->pair_count; i-- > 0;) {
			s->pairs[i].nominating = false;
			if (s->pairs[i].state != ICE_PAIR_VALID)
				ice_session_remove(s, &s->pairs[i]);
		}
	} else {
		ice_session_clear(s);
	}
	ice_session_init(&agent->current, generation, &agent->rng, now_ns);
	for (size_t i = 0; i < agent->local_count; i++)
		agent->locals[i].told = false;
	agent->end_told = false;
	agent->describe = true;
	agent->offers = 0;
	agent->offer_ns = CLOCK_NEVER;
}

void ice_restart(struct ice_agent *agent, uint64_t now_ns)
{
	ice_agent_begin_session(agent, now_ns);
	ice_check_run(agent, now_ns);
}

void ice_end_previous(struct ice_agent *agent)
{
	if (agent->has_previous)
		retire_previous(agent);
}

void ice_agent_set_role(struct ice_agent *agent, bool controlling)
{
	struct ice_event event = { .type = ICE_EVENT_ROLE, .controlling = controlling };

	agent->controlling = controlling;
	agent->current.nominating = false;
	for (size_t i = 0; i < agent->current.pair_count; i++) {
		agent->current.pairs[i].nominating = false;
		agent->current.pairs[i].use_candidate = false;
	}
	ice_agent_push_event(agent, &event);
}

void ice_agent_select(struct ice_agent *agent, struct ice_session *s, struct ice_pair *pair,
		      uint64_t now_ns)
{
	const struct ice_pair *selected = ice_session_find_id(s, s->selected);

	pair->use_candidate = false;
	if (s != &agent->current || selected == pair)
		return;
	/* A peer that nominates several means the best of them (RFC 8445 section 8.1.1). */
	if (selected && ice_pair_priority(selected, agent->controlling) >
				ice_pair_priority(pair, agent->controlling))
		return;
	s->selected = pair->id;
	ice_agent_push_pair_event(agent, ICE_EVENT_SELECTED, pair);
	for (size_t i = 0; i < s->pair_count; i++) {
		if (s->pairs[i].state == ICE_PAIR_CHECKING &&
		    s->pairs[i].checks >= ICE_DENSE_CHECKS)
			s->pairs[i].due_ns = CLOCK_NEVER;
	}
	/* Not at once: the peer may still be asking for consent on the old pairs. */
	if (agent->has_previous && agent->previous_until_ns > now_ns + NS_PER_S)
		agent->previous_until_ns = now_ns + NS_PER_S;
}

/* ---- input and time ---- */

int ice_input(struct ice_agent *agent, const uint8_t *data, size_t len,
	      const struct endpoint *local, const struct endpoint *remote, uint64_t now_ns)
{
	struct stun_message msg;
	int err;

	if (stun_parse(&msg, data, len) < 0 || msg.method != STUN_BINDING)
		return -EBADMSG;
	switch (msg.class) {
	case STUN_REQUEST:
		err = ice_respond_input(agent, &msg, local, remote, now_ns);
		break;
	case STUN_SUCCESS:
	case STUN_ERROR:
		err = ice_check_input(agent, &msg, local, remote, now_ns);
		break;
	default:
		return 0; /* a keepalive indication (RFC 8445 section 11) */
	}
	ice_check_run(agent, now_ns);
	return err;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t ice_next_timeout(const struct ice_agent *agent)
{
	uint64_t next = earlier(ice_check_next_timeout(agent), agent->offer_ns);

	next = earlier(next, agent->current.patience_ns);
	return agent->has_previous ? earlier(next, agent->previous_until_ns) : next;
}

/* RFC 8863: the end of checking, and of the session when it brought nothing. */
static void expire_patience(struct ice_agent *agent, uint64_t now_ns)
{
	struct ice_session *s = &agent->current;
	struct ice_event event = { .type = ICE_EVENT_FAILED };

	if (s->patience_ns > now_ns)
		return;
	s->patience_ns = CLOCK_NEVER;
	for (size_t i = 0; i < s->pair_count; i++) {
		if (s->pairs[i].state == ICE_PAIR_CHECKING)
			s->pairs[i].due_ns = CLOCK_NEVER;
	}
	if (ice_session_best_valid(s, agent->controlling))
		return;
	s->failed = true;
	agent->offer_ns = CLOCK_NEVER;
	ice_agent_push_event(agent, &event);
}

void ice_expire(struct ice_agent *agent, uint64_t now_ns)
{
	expire_patience(agent, now_ns);
	ice_signal_expire(agent, now_ns);
	if (agent->has_previous && agent->previous_until_ns <= now_ns)
		retire_previous(agent);
	ice_check_run(agent, now_ns);
}

void ice_set_active(struct ice_agent *agent, bool active, uint64_t now_ns)
{
	struct ice_session *sessions[] = { &agent->current, &agent->previous };

	if (agent->active == active)
		return;
	agent->active = active;
	if (!active)
		return;
	/* Idle pairs were asked less often: they get the time to prove themselves. */
	for (size_t k = 0; k < 2; k++) {
		for (size_t i = 0; i < sessions[k]->pair_count; i++) {
			struct ice_pair *pair = &sessions[k]->pairs[i];

			if (pair->state != ICE_PAIR_VALID)
				continue;
			ice_check_anew(pair, now_ns);
		}
	}
	ice_check_run(agent, now_ns);
}
