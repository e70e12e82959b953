#include "daemon/local_candidates.h"

#include <string.h>

#include "kernel-iface/ifaddr.h"
#include "kernel-iface/route.h"
#include "proto/ice.h"

static bool base_holds(const struct local_candidates *candidates, struct netlink *nl,
		       const struct local_reflexive *r)
{
	struct route_choice way;

	return local_candidates_has_host(candidates, &r->base.addr) &&
	       route_choose(nl, &r->server, 0, &way) == 0 && addr_equal(&way.source, &r->base.addr);
}

static void forget_reflexive_without_base(struct local_candidates *candidates, struct netlink *nl)
{
	size_t i, kept = 0;

	for (i = 0; i < candidates->reflexive_count; i++) {
		if (base_holds(candidates, nl, &candidates->reflexive[i]))
			candidates->reflexive[kept++] = candidates->reflexive[i];
	}
	candidates->reflexive_count = kept;
}

int local_candidates_refresh(struct local_candidates *candidates, struct netlink *nl,
			     uint32_t tunnel, uint16_t port, bool *changed)
{
	struct iface_addr found[LOCAL_HOSTS_MAX];
	struct endpoint hosts[LOCAL_HOSTS_MAX] = { 0 };
	size_t count, i;
	int err = iface_addr_candidates(nl, tunnel, found, LOCAL_HOSTS_MAX, &count);

	if (err < 0)
		return err;
	for (i = 0; i < count; i++) {
		hosts[i].addr = found[i].addr;
		hosts[i].port = port;
		candidates->ifindexes[i] =
			found[i].prefix_len < 8 * addr_len(&found[i].addr) ? found[i].ifindex : 0;
	}
	*changed = count != candidates->host_count ||
		   memcmp(hosts, candidates->hosts, sizeof(hosts)) != 0;
	memcpy(candidates->hosts, hosts, sizeof(hosts));
	candidates->host_count = count;
	forget_reflexive_without_base(candidates, nl);
	return 0;
}

/* Drops the oldest; the place at the end is free then. */
static struct local_reflexive *oldest_first(struct local_candidates *candidates)
{
	struct local_reflexive *all = candidates->reflexive;

	memmove(&all[0], &all[1], (LOCAL_REFLEXIVE_MAX - 1) * sizeof(*all));
	return &all[LOCAL_REFLEXIVE_MAX - 1];
}

bool local_candidates_mapped(struct local_candidates *candidates, const struct endpoint *mapped,
			     const struct endpoint *base, const struct ip_addr *server)
{
	struct local_reflexive news = { *mapped, *base, *server };
	struct local_reflexive *entry;
	size_t i;

	for (i = 0; i < candidates->reflexive_count; i++) {
		entry = &candidates->reflexive[i];
		if (addr_equal(&entry->base.addr, &base->addr) &&
		    addr_equal(&entry->server, server)) {
			bool changed = !endpoint_equal(&entry->mapped, mapped);

			*entry = news;
			return changed;
		}
	}
	if (candidates->reflexive_count < LOCAL_REFLEXIVE_MAX)
		entry = &candidates->reflexive[candidates->reflexive_count++];
	else
		entry = oldest_first(candidates);
	*entry = news;
	return true;
}

bool local_candidates_opened(struct local_candidates *candidates, int family,
			     const struct endpoint *external, const struct endpoint *base)
{
	struct local_opened *opened = &candidates->opened[family == AF_INET6];
	struct local_opened news = { 0 };
	bool changed;

	if (external) {
		news.external = *external;
		news.base = *base;
	}
	changed = !endpoint_equal(&news.external, &opened->external) ||
		  !endpoint_equal(&news.base, &opened->base);
	*opened = news;
	return changed;
}

bool local_candidates_contradict(const struct local_candidates *candidates,
				 const struct endpoint *base, const struct ip_addr *external)
{
	bool seen = false;
	size_t i;

	for (i = 0; i < candidates->reflexive_count; i++) {
		const struct local_reflexive *r = &candidates->reflexive[i];

		if (!addr_equal(&r->base.addr, &base->addr))
			continue;
		if (addr_equal(&r->mapped.addr, external))
			return false;
		seen = true;
	}
	return seen;
}

void local_candidates_give(const struct local_candidates *candidates, struct ice_agent *agent,
			   uint64_t now_ns)
{
	struct ice_local_candidate set[LOCAL_HOSTS_MAX + LOCAL_OPENED_MAX + LOCAL_REFLEXIVE_MAX];
	size_t i, count = 0;

	for (i = 0; i < candidates->host_count; i++)
		set[count++] = (struct ice_local_candidate){ .type = CANDIDATE_HOST,
							     .addr = candidates->hosts[i],
							     .base = candidates->hosts[i] };
	/* Ports that a router opened are open to everybody, and so serve best. */
	for (i = 0; i < LOCAL_OPENED_MAX; i++) {
		const struct local_opened *o = &candidates->opened[i];

		if (o->external.addr.family)
			set[count++] = (struct ice_local_candidate){ .type = CANDIDATE_SRFLX,
								     .addr = o->external,
								     .base = o->base };
	}
	for (i = 0; i < candidates->reflexive_count; i++) {
		const struct local_reflexive *r = &candidates->reflexive[i];

		set[count++] = (struct ice_local_candidate){ CANDIDATE_SRFLX, r->mapped, r->base,
							     r->server };
	}
	ice_set_local_candidates(agent, set, count, now_ns);
}

uint32_t local_candidates_ifindex(const struct local_candidates *candidates,
				  const struct ip_addr *local)
{
	size_t i;

	for (i = 0; i < candidates->host_count; i++) {
		if (addr_equal(&candidates->hosts[i].addr, local))
			return candidates->ifindexes[i];
	}
	return 0;
}

bool local_candidates_has_host(const struct local_candidates *candidates,
			       const struct ip_addr *addr)
{
	size_t i;

	for (i = 0; i < candidates->host_count; i++) {
		if (addr_equal(&candidates->hosts[i].addr, addr))
			return true;
	}
	return false;
}
