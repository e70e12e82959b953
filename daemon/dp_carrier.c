#include "daemon/dp_carrier.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/dp_core.h"
#include "daemon/dp_peer.h"
#include "proto/inner.h"

/* The peers with something behind them, by id; published, replaced as a whole. */
struct dp_carriers {
	struct rcu_head rcu;
	size_t count;
	struct dp_peer *list[];
};

/* The length of the longest prefix behind the peer that holds the address; -1: none does. */
static int depth(const struct dp_sources *sources, const struct ip_addr *addr)
{
	int longest = -1;

	for (size_t i = 0; sources && i < sources->count; i++) {
		if (sources->list[i].len > longest && prefix_contains(&sources->list[i], addr))
			longest = sources->list[i].len;
	}
	return longest;
}

uint64_t dp_carrier_id(const struct dp_peer *peer, const struct ip_addr *addr)
{
	const struct dp_sources *sources = dp_rcu_load(peer->sources);

	return depth(sources, addr) >= 0 ? peer->id : 0;
}

static struct dp_peer *find(const struct dp_carriers *carriers, uint64_t id)
{
	size_t low = 0, high = carriers ? carriers->count : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (carriers->list[middle]->id == id)
			return carriers->list[middle];
		if (carriers->list[middle]->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

struct dp_peer *dp_carrier_find(const struct dp_engine *engine, uint64_t id,
				const struct dp_peer *owner, const struct ip_addr *addr)
{
	struct dp_peer *peer = find(dp_rcu_load(engine->dp->carriers), id);
	const struct dp_sources *sources = peer ? dp_rcu_load(peer->sources) : NULL;

	if (!sources || !sources->live ||
	    depth(sources, addr) < depth(dp_rcu_load(owner->sources), addr))
		return NULL;
	return peer;
}

bool dp_carrier_may_send(const struct dp_peer *peer, const struct dp_peer *owner,
			 const uint8_t *packet)
{
	const struct dp_sources *sources = dp_rcu_load(peer->sources);
	struct ip_addr addr;
	int own, other;

	if (!sources)
		return false;
	addr = addr_from_bytes(packet[0] >> 4 == 4 ? AF_INET : AF_INET6, inner_source(packet));
	own = depth(sources, &addr);
	if (own < 0 || !owner)
		return own >= 0;
	/* What another has without it being behind it is its own address. */
	other = depth(dp_rcu_load(owner->sources), &addr);
	return other >= 0 && own >= other;
}

/* --- control thread --- */

static void free_carriers(struct rcu_head *rcu)
{
	free(dp_rcu_released(rcu, struct dp_carriers));
}

static void replace(struct dataplane *dp, struct dp_carriers *carriers)
{
	struct dp_carriers *old = dp->carriers;

	dp_rcu_publish(dp->carriers, carriers);
	if (old)
		dp_rcu_defer(&old->rcu, free_carriers);
}

static size_t count_others(const struct dataplane *dp, const struct dp_peer *peer)
{
	size_t count = dp->carriers ? dp->carriers->count : 0;

	return find(dp->carriers, peer->id) ? count - 1 : count;
}

static struct dp_carriers *make(size_t count)
{
	struct dp_carriers *carriers =
		calloc(1, sizeof(*carriers) + count * sizeof(carriers->list[0]));

	if (carriers)
		carriers->count = count;
	return carriers;
}

/* All but the peer, and then the peer where its id says, if it is to be among them. */
static void fill(struct dp_carriers *to, const struct dp_carriers *from, struct dp_peer *peer,
		 bool with)
{
	size_t at = 0;

	for (size_t i = 0; from && i < from->count; i++) {
		if (from->list[i] == peer)
			continue;
		if (with && from->list[i]->id > peer->id) {
			to->list[at++] = peer;
			with = false;
		}
		to->list[at++] = from->list[i];
	}
	if (with)
		to->list[at] = peer;
}

void dp_carriers_leave(struct dp_peer *peer)
{
	struct dataplane *dp = peer->dp;
	struct dp_carriers *carriers;
	size_t count = count_others(dp, peer);

	if (!find(dp->carriers, peer->id))
		return;
	carriers = count ? make(count) : NULL;
	if (carriers)
		fill(carriers, dp->carriers, peer, false);
	/* Without memory flows lose their places; the peer must not be found any more. */
	replace(dp, carriers);
}

static int join(struct dp_peer *peer)
{
	struct dataplane *dp = peer->dp;
	struct dp_carriers *carriers;

	if (find(dp->carriers, peer->id))
		return 0;
	carriers = make(count_others(dp, peer) + 1);
	if (!carriers)
		return -ENOMEM;
	fill(carriers, dp->carriers, peer, true);
	replace(dp, carriers);
	return 0;
}

static void free_sources(struct rcu_head *rcu)
{
	free(dp_rcu_released(rcu, struct dp_sources));
}

int dataplane_peer_set_sources(struct dp_peer *peer, const struct prefix *list, size_t count,
			       bool live)
{
	struct dp_sources *sources = NULL;
	struct dp_sources *old = peer->sources;

	if (count) {
		sources = calloc(1, sizeof(*sources) + count * sizeof(*list));
		if (!sources || join(peer) < 0) {
			free(sources);
			return -ENOMEM;
		}
		sources->count = count;
		sources->live = live;
		memcpy(sources->list, list, count * sizeof(*list));
	} else {
		dp_carriers_leave(peer);
	}
	dp_rcu_publish(peer->sources, sources);
	if (old)
		dp_rcu_defer(&old->rcu, free_sources);
	return 0;
}
