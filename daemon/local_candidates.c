#include "daemon/local_candidates.h"

#include <string.h>

#include "kernel-iface/ifaddr.h"
#include "proto/ice.h"

static void forget_reflexive_without_base(struct local_candidates *candidates)
{
	size_t i, kept = 0;

	for (i = 0; i < candidates->reflexive_count; i++) {
		if (local_candidates_has_host(candidates, &candidates->reflexive[i].base.addr))
			candidates->reflexive[kept++] = candidates->reflexive[i];
	}
	candidates->reflexive_count = kept;
}

static void note_gone(struct local_candidates *candidates, const struct local_candidates *before)
{
	size_t i;

	candidates->gone_count = 0;
	for (i = 0; i < before->host_count; i++) {
		if (!local_candidates_has_host(candidates, &before->hosts[i].addr))
			candidates->gone[candidates->gone_count++] = before->hosts[i].addr;
	}
}

int local_candidates_refresh(struct local_candidates *candidates, struct netlink *nl,
			     uint32_t tunnel, uint16_t port, bool *changed)
{
	const struct local_candidates before = *candidates;
	struct iface_addr found[LOCAL_HOSTS_MAX];
	struct endpoint hosts[LOCAL_HOSTS_MAX] = { 0 };
	size_t count, i;
	int err = iface_addr_candidates(nl, tunnel, found, LOCAL_HOSTS_MAX, &count);

	if (err < 0)
		return err;
	for (i = 0; i < count; i++) {
		hosts[i].addr = found[i].addr;
		hosts[i].port = port;
	}
	*changed = count != candidates->host_count ||
		   memcmp(hosts, candidates->hosts, sizeof(hosts)) != 0;
	memcpy(candidates->hosts, hosts, sizeof(hosts));
	candidates->host_count = count;
	note_gone(candidates, &before);
	forget_reflexive_without_base(candidates);
	return 0;
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
		entry = &candidates->reflexive[0];
	*entry = news;
	return true;
}

void local_candidates_give(const struct local_candidates *candidates, struct ice_agent *agent,
			   uint64_t now_ns)
{
	size_t i;

	for (i = 0; i < candidates->gone_count; i++)
		ice_remove_local_base(agent, &candidates->gone[i], now_ns);
	for (i = 0; i < candidates->host_count; i++)
		ice_add_local_candidate(agent, CANDIDATE_HOST, &candidates->hosts[i],
					&candidates->hosts[i], NULL, now_ns);
	for (i = 0; i < candidates->reflexive_count; i++) {
		const struct local_reflexive *r = &candidates->reflexive[i];

		ice_add_local_candidate(agent, CANDIDATE_SRFLX, &r->mapped, &r->base, &r->server,
					now_ns);
	}
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
