/* Our own candidates: what comes, what is replaced, and what goes (RFC 8445 section 5.1). */
#include <errno.h>
#include <string.h>

#include "proto/ice_agent.h"

const struct candidate *ice_agent_find_base(const struct ice_agent *agent,
					    const struct endpoint *local)
{
	for (size_t i = 0; i < agent->local_count; i++) {
		const struct candidate *c = &agent->locals[i].candidate;

		if (c->type == CANDIDATE_HOST && ice_agent_same_socket(&c->base, local))
			return c;
	}
	return NULL;
}

/* v6 before v4, then in the order they came; link-local last, it is seldom the way. */
static uint16_t local_preference(struct ice_agent *agent, const struct ip_addr *addr)
{
	uint16_t step = (uint16_t)(agent->locals_added++ % 10000);

	if (addr_is_link_local(addr))
		return (uint16_t)(20000 - step);
	return (uint16_t)((addr->family == AF_INET6 ? 65535 : 40000) - step);
}

static struct ice_local *find(struct ice_agent *agent, const struct endpoint *addr,
			      const struct endpoint *base)
{
	for (size_t i = 0; i < agent->local_count; i++) {
		const struct candidate *known = &agent->locals[i].candidate;

		/* Redundant when address and base are the same: RFC 8445 section 5.1.3. */
		if (ice_agent_same_socket(&known->addr, addr) &&
		    ice_agent_same_socket(&known->base, base))
			return &agent->locals[i];
	}
	return NULL;
}

static void forget(struct ice_agent *agent, size_t index)
{
	agent->local_count--;
	memmove(&agent->locals[index], &agent->locals[index + 1],
		(agent->local_count - index) * sizeof(agent->locals[0]));
}

/* The same server sees the same base otherwise now: what it saw before does not lead here. */
static void forget_replaced(struct ice_agent *agent, const struct candidate *c)
{
	for (size_t i = agent->local_count; i-- > 0;) {
		const struct ice_local *local = &agent->locals[i];

		if (c->type == CANDIDATE_SRFLX && !local->listed &&
		    local->candidate.type == c->type &&
		    strcmp(local->candidate.foundation, c->foundation) == 0)
			forget(agent, i);
	}
}

static int add(struct ice_agent *agent, const struct ice_local_candidate *like, bool listed)
{
	struct candidate c = { .type = like->type, .addr = like->addr };
	struct ice_local *known;

	c.base = c.type == CANDIDATE_HOST ? like->addr : like->base;
	if (!candidate_addr_allowed(&c.addr, agent->refused, agent->refused_count) ||
	    !candidate_addr_allowed(&c.base, agent->refused, agent->refused_count))
		return -EADDRNOTAVAIL;
	known = find(agent, &c.addr, &c.base);
	if (known) {
		known->listed = known->listed || listed;
		return 0;
	}
	candidate_set_foundation(&c, like->server.family ? &like->server : NULL);
	if (!listed)
		forget_replaced(agent, &c);
	if (agent->local_count == ICE_LOCAL_MAX)
		return -ENOSPC;
	c.priority = candidate_priority(c.type, local_preference(agent, &c.base.addr));
	agent->locals[agent->local_count++] =
		(struct ice_local){ .candidate = c, .listed = listed };
	return 0;
}

int ice_add_local_candidate(struct ice_agent *agent, enum candidate_type type,
			    const struct endpoint *addr, const struct endpoint *base,
			    const struct ip_addr *server, uint64_t now_ns)
{
	struct ice_local_candidate like = { .type = type, .addr = *addr };
	int err;

	if (base)
		like.base = *base;
	if (server)
		like.server = *server;
	err = add(agent, &like, false);
	if (!err)
		ice_check_run(agent, now_ns);
	return err;
}

static void lose_base(struct ice_agent *agent, struct ice_session *s, const struct ip_addr *base)
{
	for (size_t i = s->pair_count; i-- > 0;) {
		if (addr_equal(&s->pairs[i].base.addr, base))
			ice_agent_lose_pair(agent, s, &s->pairs[i]);
	}
}

static void remove_base(struct ice_agent *agent, const struct ip_addr *base)
{
	for (size_t i = agent->local_count; i-- > 0;) {
		if (addr_equal(&agent->locals[i].candidate.base.addr, base))
			forget(agent, i);
	}
	lose_base(agent, &agent->current, base);
	lose_base(agent, &agent->previous, base);
}

void ice_remove_local_base(struct ice_agent *agent, const struct ip_addr *base, uint64_t now_ns)
{
	const struct ip_addr gone = *base; /* it may be one of ours */

	remove_base(agent, &gone);
	ice_check_run(agent, now_ns);
}

static bool is_in(const struct ice_local_candidate *set, size_t count, const struct candidate *c)
{
	for (size_t i = 0; i < count; i++) {
		const struct endpoint *base =
			set[i].type == CANDIDATE_HOST ? &set[i].addr : &set[i].base;

		if (set[i].type == c->type && ice_agent_same_socket(&set[i].addr, &c->addr) &&
		    ice_agent_same_socket(base, &c->base))
			return true;
	}
	return false;
}

/* True when one was forgotten, and more may have gone with it. */
static bool forget_missing(struct ice_agent *agent, const struct ice_local_candidate *set,
			   size_t count)
{
	for (size_t i = 0; i < agent->local_count; i++) {
		const struct candidate c = agent->locals[i].candidate;

		if (!agent->locals[i].listed || is_in(set, count, &c))
			continue;
		if (c.type == CANDIDATE_HOST)
			remove_base(agent, &c.base.addr);
		else
			forget(agent, i);
		return true;
	}
	return false;
}

void ice_set_local_candidates(struct ice_agent *agent, const struct ice_local_candidate *set,
			      size_t count, uint64_t now_ns)
{
	while (forget_missing(agent, set, count))
		;
	for (size_t i = 0; i < count; i++)
		add(agent, &set[i], true);
	ice_check_run(agent, now_ns);
}

void ice_end_local_candidates(struct ice_agent *agent)
{
	agent->end = true;
}
