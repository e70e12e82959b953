#include "proto/ice_hope.h"

#include "base/clock.h"

#define TURN_NS \
	(5 * NS_PER_MS) /* the k-th pair of every class comes this much after the one before */
#define LINK_LAG_NS (50 * NS_PER_MS)  /* of checks between link-local addresses */
#define SLIM_LAG_NS (100 * NS_PER_MS) /* of checks that hardly ever work */
#define NEAR_BITS4  24 /* addresses that have so much in common are taken to be of one LAN */
#define NEAR_BITS6  64

/* RFC 1918, RFC 6598 and RFC 4193. */
static bool is_inside(const struct ip_addr *addr)
{
	const uint8_t *b = addr->bytes;

	if (addr->family == AF_INET6)
		return (b[0] & 0xfe) == 0xfc;
	return b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168) ||
	       (b[0] == 100 && (b[1] & 0xc0) == 64);
}

static bool is_same_lan(const struct ip_addr *a, const struct ip_addr *b)
{
	struct prefix lan = prefix_from_addr(a, a->family == AF_INET6 ? NEAR_BITS6 : NEAR_BITS4);

	return prefix_contains(&lan, b);
}

/* Both ends are seen at one address: they share a NAT, so a way inside is likely. */
static bool is_same_site(const struct ice_agent *agent, const struct ice_session *s)
{
	for (size_t i = 0; i < agent->local_count; i++) {
		const struct candidate *ours = &agent->locals[i].candidate;

		for (size_t k = 0; k < s->remote_count && ours->type == CANDIDATE_SRFLX; k++) {
			if (s->remotes[k].type == CANDIDATE_SRFLX &&
			    addr_equal(&s->remotes[k].addr.addr, &ours->addr.addr))
				return true;
		}
	}
	return false;
}

/* Whether packets from there are known to reach the internet; so is everything while nothing is. */
static bool leads_out(const struct ice_agent *agent, const struct endpoint *base)
{
	bool any = false;

	if (!is_inside(&base->addr))
		return true;
	for (size_t i = 0; i < agent->local_count; i++) {
		const struct candidate *c = &agent->locals[i].candidate;

		if (c->type != CANDIDATE_SRFLX || c->base.addr.family != base->addr.family)
			continue;
		if (addr_equal(&c->base.addr, &base->addr))
			return true;
		any = true;
	}
	return !any;
}

enum ice_hope ice_hope_of(const struct ice_agent *agent, const struct ice_session *s,
			  const struct ice_pair *pair)
{
	const struct ip_addr *base = &pair->base.addr, *remote = &pair->remote.addr;

	if (addr_is_link_local(base))
		return ICE_HOPE_LINK;
	if (is_inside(remote) && pair->remote_type == CANDIDATE_HOST)
		return is_inside(base) && (is_same_lan(base, remote) || is_same_site(agent, s))
			       ? ICE_HOPE_NEAR
			       : ICE_HOPE_SLIM;
	if (!leads_out(agent, &pair->base))
		return ICE_HOPE_SLIM;
	return pair->remote_type == CANDIDATE_HOST ? ICE_HOPE_OPEN : ICE_HOPE_MAPPED;
}

void ice_hope_rank(const struct ice_agent *agent, struct ice_session *s)
{
	static const uint64_t lag_ns[] = {
		[ICE_HOPE_LINK] = LINK_LAG_NS,
		[ICE_HOPE_SLIM] = SLIM_LAG_NS,
	};

	for (size_t i = 0; i < s->pair_count; i++)
		s->pairs[i].hope = ice_hope_of(agent, s, &s->pairs[i]);
	for (size_t i = 0; i < s->pair_count; i++) {
		struct ice_pair *pair = &s->pairs[i];
		uint64_t priority = ice_pair_priority(pair, agent->controlling);
		uint64_t before = 0;

		for (size_t k = 0; k < s->pair_count; k++)
			before += s->pairs[k].hope == pair->hope &&
				  s->pairs[k].state == ICE_PAIR_CHECKING &&
				  ice_pair_priority(&s->pairs[k], agent->controlling) > priority;
		pair->lag_ns = lag_ns[pair->hope] + before * TURN_NS;
	}
}
