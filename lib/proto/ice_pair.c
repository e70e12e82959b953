#include "proto/ice_pair.h"

#include <string.h>

#include "base/clock.h"

uint64_t ice_pair_priority(const struct ice_pair *pair, bool controlling)
{
	uint64_t g = controlling ? pair->local_priority : pair->remote_priority;
	uint64_t d = controlling ? pair->remote_priority : pair->local_priority;
	uint64_t low = g < d ? g : d, high = g < d ? d : g;

	return (low << 32) + 2 * high + (g > d);
}

/* RFC 1918, RFC 4193 and link-local addresses. */
static bool is_private(const struct ip_addr *addr)
{
	const uint8_t *b = addr->bytes;

	if (addr_is_link_local(addr))
		return true;
	if (addr->family == AF_INET6)
		return (b[0] & 0xfe) == 0xfc;
	return b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168);
}

enum ice_path_class ice_pair_class(const struct ice_pair *pair)
{
	return is_private(&pair->base.addr) && is_private(&pair->remote.addr) ? ICE_CLASS_LAN
									      : ICE_CLASS_DIRECT;
}

void ice_pair_begin_schedule(struct ice_pair *pair, uint64_t from_ns)
{
	pair->checks = 0;
	pair->due_ns = from_ns;
}

uint64_t ice_pair_turn_ns(const struct ice_pair *pair)
{
	return pair->state == ICE_PAIR_CHECKING ? pair->due_ns + pair->lag_ns : pair->due_ns;
}

void ice_pair_advance_schedule(struct ice_pair *pair, uint64_t now_ns)
{
	static const uint64_t gap_ms[ICE_DENSE_CHECKS - 1] = { 50, 50, 100, 200, 400 };
	unsigned int sent = pair->checks++;

	pair->due_ns = now_ns + (sent < ICE_DENSE_CHECKS - 1 ? gap_ms[sent] * NS_PER_MS : NS_PER_S);
}

struct ice_attempt *ice_pair_add_attempt(struct ice_pair *pair)
{
	struct ice_attempt *attempt = &pair->attempts[pair->next_attempt];

	pair->next_attempt = (pair->next_attempt + 1) % ICE_ATTEMPTS;
	*attempt = (struct ice_attempt){ .live = true };
	return attempt;
}

struct ice_attempt *ice_pair_find_attempt(struct ice_pair *pair, const uint8_t *transaction)
{
	for (size_t i = 0; i < ICE_ATTEMPTS; i++) {
		struct ice_attempt *attempt = &pair->attempts[i];

		if (attempt->live &&
		    memcmp(attempt->transaction, transaction, STUN_TRANSACTION_SIZE) == 0)
			return attempt;
	}
	return NULL;
}

void ice_pair_describe(const struct ice_pair *pair, struct ice_pair_info *info)
{
	*info = (struct ice_pair_info){
		.id = pair->id,
		.local = pair->base,
		.remote = pair->remote,
		.class = ice_pair_class(pair),
		.rtt_ns = pair->rtt_ns,
		.mapped = pair->mapped,
		.guessed = pair->remote_type == CANDIDATE_PRFLX || pair->other_port,
	};
}
