/* The answering half of an agent: Binding requests from the peer (RFC 8445 section 7.3). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "proto/ice_agent.h"
#include "proto/ice_stray.h"

#define LEARN_MS 60 /* between two addresses that make room for others */
#define TRIGGER_MS \
	100 /* between two triggered checks of a pair, or both ends would drive each other */

int ice_username_ufrag(const struct stun_message *msg, char ufrag[static ICE_UFRAG_SIZE])
{
	size_t len;
	const uint8_t *name = stun_find(msg, STUN_ATTR_USERNAME, &len), *colon;

	if (!name)
		return -ENOENT;
	colon = memchr(name, ':', len);
	if (!colon || colon == name || (size_t)(colon - name) >= ICE_UFRAG_SIZE ||
	    memchr(name, '\0', (size_t)(colon - name)))
		return -EBADMSG;
	memcpy(ufrag, name, (size_t)(colon - name));
	ufrag[colon - name] = '\0';
	return 0;
}

/* Answers with an error, or with success when code is 0; signed when the session is known. */
static void answer(struct ice_agent *agent, const struct stun_message *request,
		   const struct endpoint *local, const struct endpoint *remote, unsigned int code,
		   const struct ice_session *s)
{
	struct ice_datagram *d = ice_agent_reserve_output(agent);
	uint16_t unknown[STUN_UNKNOWN_MAX];
	struct stun_builder b;

	if (!d)
		return;
	d->local = *local;
	d->remote = *remote;
	d->ttl = 0;
	d->previous = s == &agent->previous;
	stun_begin_response(&b, d->data, sizeof(d->data), code ? STUN_ERROR : STUN_SUCCESS,
			    request);
	if (code)
		stun_add_error(&b, code);
	else
		stun_add_endpoint(&b, STUN_ATTR_XOR_MAPPED_ADDRESS, remote);
	if (code == STUN_ERR_UNKNOWN_ATTRIBUTE)
		stun_add_unknown_attrs(&b, unknown,
				       stun_unknown_attrs(request, unknown, STUN_UNKNOWN_MAX));
	if (s)
		stun_add_integrity(&b, s->pwd, strlen(s->pwd));
	stun_add_fingerprint(&b);
	if (stun_end(&b, &d->len) == 0)
		ice_agent_commit_output(agent);
}

/* RFC 8445 section 7.3.1.1. 487 to send, or 0; may change our role. */
static unsigned int settle_roles(struct ice_agent *agent, const struct stun_message *msg)
{
	uint16_t attr = agent->controlling ? STUN_ATTR_ICE_CONTROLLING : STUN_ATTR_ICE_CONTROLLED;
	uint64_t theirs;
	bool ours_larger;

	if (stun_get_u64(msg, attr, &theirs) < 0)
		return 0; /* the peer claims the other role, as it should */
	ours_larger = agent->tie_breaker >= theirs;
	if (ours_larger == agent->controlling)
		return STUN_ERR_ROLE_CONFLICT;
	ice_agent_set_role(agent, !agent->controlling);
	return 0;
}

/*
 * Room for another address that a check tells of. When guessed ports have taken and proven all
 * places, the peer may still nominate yet another one.
 */
static bool make_room(struct ice_session *s, bool chosen, uint64_t now_ns)
{
	size_t learnt = 0, oldest = s->remote_count;

	for (size_t i = s->remote_count; i-- > 0;) {
		if (s->remotes[i].type != CANDIDATE_PRFLX)
			continue;
		learnt++;
		if (!ice_session_is_proven(s, &s->remotes[i].addr) &&
		    (chosen || !ice_session_is_chosen(s, &s->remotes[i].addr)))
			oldest = i;
	}
	if (learnt < ICE_LEARNT_MAX + (chosen ? 1 : 0))
		return true;
	/* However many come, each gets the time to answer. */
	if (oldest == s->remote_count || now_ns < s->learn_ns)
		return false;
	s->learn_ns = now_ns + LEARN_MS * NS_PER_MS;
	ice_session_remove_remote(s, oldest);
	return true;
}

const struct candidate *ice_agent_learn_remote(struct ice_session *s, const struct endpoint *remote,
					       uint32_t priority, bool chosen, uint64_t now_ns)
{
	struct candidate *c;

	for (size_t i = 0; i < s->remote_count; i++) {
		if (endpoint_equal(&s->remotes[i].addr, remote))
			return &s->remotes[i];
	}
	if (!make_room(s, chosen, now_ns))
		return NULL;
	c = &s->remotes[s->remote_count++];
	*c = (struct candidate){ .type = CANDIDATE_PRFLX, .addr = *remote, .priority = priority };
	snprintf(c->foundation, sizeof(c->foundation), "prflx%u", remote->port);
	return c;
}

/* RFC 8445 sections 7.3.1.4 and 7.3.1.5. */
static void trigger(struct ice_agent *agent, struct ice_pair *pair, bool chosen, uint64_t now_ns)
{
	if (pair->state == ICE_PAIR_VALID) {
		if (chosen)
			ice_agent_select(agent, &agent->current, pair, now_ns);
		return;
	}
	if (chosen)
		pair->use_candidate = true;
	/* Fresh hope for a pair that was given up or is asked but once a second. */
	if (pair->state == ICE_PAIR_FAILED || pair->checks >= ICE_DENSE_CHECKS)
		ice_pair_begin_schedule(pair, now_ns);
	ice_session_renew_patience(&agent->current, now_ns);
	pair->state = ICE_PAIR_CHECKING;
	if (now_ns < pair->trigger_ns)
		return;
	pair->trigger_ns = now_ns + TRIGGER_MS * NS_PER_MS;
	pair->triggered = true;
	pair->due_ns = now_ns;
}

static unsigned int check_credentials(const struct ice_session *s, const struct stun_message *msg)
{
	if (!msg->integrity_at || !stun_has(msg, STUN_ATTR_USERNAME))
		return STUN_ERR_BAD_REQUEST;
	if (!s || !stun_check_integrity(msg, s->pwd, strlen(s->pwd)))
		return STUN_ERR_UNAUTHENTICATED;
	return 0;
}

/* What an authentic request deserves: 0 for success. */
static unsigned int judge(struct ice_agent *agent, const struct stun_message *msg,
			  uint32_t *priority)
{
	uint16_t unknown;

	if (stun_unknown_attrs(msg, &unknown, 1))
		return STUN_ERR_UNKNOWN_ATTRIBUTE;
	if (stun_get_u32(msg, STUN_ATTR_PRIORITY, priority) < 0)
		return STUN_ERR_BAD_REQUEST;
	return settle_roles(agent, msg);
}

int ice_respond_input(struct ice_agent *agent, const struct stun_message *msg,
		      const struct endpoint *local, const struct endpoint *remote, uint64_t now_ns)
{
	const struct candidate *learnt;
	struct candidate base;
	struct ice_session *s = NULL;
	char ufrag[ICE_UFRAG_SIZE];
	struct ice_pair *pair;
	uint32_t priority;
	unsigned int code;
	bool chosen;

	if (!msg->has_fingerprint || !ice_stray_find_base(agent, local, &base) ||
	    !candidate_addr_allowed(remote, agent->refused, agent->refused_count))
		return -EPERM;
	if (ice_username_ufrag(msg, ufrag) == 0)
		s = ice_agent_session(agent, ufrag);
	code = check_credentials(s, msg);
	if (code) {
		answer(agent, msg, &base.base, remote, code, NULL);
		return -EPERM;
	}
	/* What another address has said word for word is not this one's: a copy, sent again. */
	if (!ice_session_hear(s, msg->transaction, remote))
		return -EPERM;
	code = judge(agent, msg, &priority);
	answer(agent, msg, &base.base, remote, code, s);
	/* A session that is over only keeps its valid pairs; it takes on nothing new. */
	if (code || s != &agent->current)
		return code ? -EPERM : 0;
	chosen = !agent->controlling && stun_has(msg, STUN_ATTR_USE_CANDIDATE);
	learnt = ice_agent_learn_remote(s, remote, priority, chosen, now_ns);
	pair = ice_session_find(s, &base.base, remote);
	if (!pair && learnt)
		pair = ice_agent_pair(agent, &base, learnt, now_ns);
	if (pair)
		trigger(agent, pair, chosen, now_ns);
	return 0;
}
