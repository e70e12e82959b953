#include "daemon/dp_peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "daemon/dp_carrier.h"
#include "daemon/dp_core.h"
#include "daemon/dp_index.h"
#include "daemon/dp_keypair.h"
#include "daemon/dp_path_mtu.h"
#include "io/loop.h"
#include "proto/filter.h"

struct dp_peer *dataplane_peer_new(struct dataplane *dp, void *owner)
{
	struct dp_peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return NULL;
	peer->dp = dp;
	peer->owner = owner;
	peer->id = ++dp->next_peer_id;
	peer->staged_end = &peer->staged_first;
	atomic_init(&peer->lanes, 1);
	pthread_mutex_init(&peer->staged_lock, NULL);
	if (map_insert(dp->peers, &peer->id, peer) < 0) {
		pthread_mutex_destroy(&peer->staged_lock);
		free(peer);
		return NULL;
	}
	return peer;
}

static void free_staged(struct dp_staged *staged)
{
	while (staged) {
		struct dp_staged *next = staged->next;

		free(staged);
		staged = next;
	}
}

static void free_hop(struct rcu_head *rcu)
{
	free(dp_rcu_released(rcu, struct dp_hop));
}

static void drop_rules(struct dp_rules *rules)
{
	if (!rules)
		return;
	filter_rules_free(rules->rules);
	filter_rules_free(rules->lan);
	free(rules);
}

static void free_rules(struct rcu_head *rcu)
{
	drop_rules(dp_rcu_released(rcu, struct dp_rules));
}

static void free_peer(struct rcu_head *rcu)
{
	struct dp_peer *peer = dp_rcu_released(rcu, struct dp_peer);

	free_staged(peer->staged_first);
	drop_rules(peer->rules);
	free(peer->sources);
	/* A worker may have set one after the last was taken away. */
	free(peer->hop);
	pthread_mutex_destroy(&peer->staged_lock);
	free(peer);
}

/* Exchanged, since workers do it too where paths follow packets. */
static void set_hop(struct dp_peer *peer, struct dp_hop *hop)
{
	struct dp_hop *old = dp_rcu_exchange(peer->hop, hop);

	if (old)
		dp_rcu_defer(&old->rcu, free_hop);
}

static void replace_rules(struct dp_peer *peer, struct dp_rules *rules)
{
	struct dp_rules *old = peer->rules;

	dp_rcu_publish(peer->rules, rules);
	if (old)
		dp_rcu_defer(&old->rcu, free_rules);
}

void dp_peers_leave(struct dataplane *dp)
{
	loop_timer_clear(&dp->leave);
	while (dp->leaving) {
		struct dp_peer *peer = dp->leaving;

		dp->leaving = peer->next_leaving;
		dp_rcu_defer(&peer->rcu, free_peer);
	}
}

/*
 * The published table still leads to the peer. Publishing means copying, so that is done once for
 * all peers that go in one turn of the loop; meanwhile there is nothing left here to send or
 * receive with.
 */
static void leave_later(struct dp_peer *peer)
{
	struct dataplane *dp = peer->dp;

	peer->next_leaving = dp->leaving;
	dp->leaving = peer;
	loop_timer_set(&dp->leave, loop_now_ns(dp->loop));
}

void dataplane_peer_free(struct dp_peer *peer)
{
	struct dataplane *dp;

	if (!peer)
		return;
	dp = peer->dp;
	dp_path_mtu_end(peer);
	allowedips_remove_owner(dp->allowed, &peer->prefixes);
	while (peer->keypairs)
		dataplane_keypair_free(peer->keypairs);
	/* Its rules stay to the end: without any, a batch under way would pass everything. */
	set_hop(peer, NULL);
	map_remove(dp->peers, &peer->id);
	dp_carriers_leave(peer);
	leave_later(peer);
}

void *dp_peer_owner(const struct dp_peer *peer)
{
	return peer->owner;
}

/* What was learned of the way to a place holds for another hop to it. */
static void inherit_gso(struct dp_hop *hop, struct dp_hop *old)
{
	if (old && old->path.kind == hop->path.kind &&
	    endpoint_equal(&old->path.remote, &hop->path.remote))
		atomic_store(&hop->route.gso_error, atomic_load(&old->route.gso_error));
	atomic_store(&hop->gso_told, atomic_load(&hop->route.gso_error) != 0);
}

int dataplane_peer_set_path(struct dp_peer *peer, const struct dp_path *path)
{
	struct dp_hop *hop = calloc(1, sizeof(*hop));
	bool probed;

	if (!hop)
		return -ENOMEM;
	hop->path = *path;
	udp_route_init(&hop->route, &path->remote, &path->local, path->ifindex);
	probed = peer->dp->config.path_mtu && path->kind == DP_PATH_UDP;
	atomic_init(&hop->mtu, UINT32_MAX);
	atomic_init(&hop->fragment, probed);
	atomic_init(&hop->watched, !probed);
	dp_rcu_enter();
	inherit_gso(hop, dp_rcu_load(peer->hop));
	dp_rcu_leave();
	set_hop(peer, hop);
	atomic_store(&peer->silent_since_ns, 0);
	/* Paths that workers set, by what they receive, are not probed. */
	if (peer->dp->config.path_mtu)
		dp_path_mtu_moved(peer);
	return 0;
}

void dataplane_peer_path(const struct dp_peer *peer, struct dp_path *path)
{
	struct dp_hop *hop;

	dp_rcu_enter();
	hop = dp_rcu_load(peer->hop);
	*path = hop ? hop->path : (struct dp_path){ .kind = DP_PATH_NONE };
	dp_rcu_leave();
}

void dataplane_peer_gso_off(struct dp_peer *peer, int reason)
{
	struct dp_hop *hop;
	int on = 0;

	dp_rcu_enter();
	hop = dp_rcu_load(peer->hop);
	if (hop)
		atomic_compare_exchange_strong(&hop->route.gso_error, &on, reason);
	dp_rcu_leave();
}

unsigned int dataplane_peer_mtu(const struct dp_peer *peer)
{
	struct dp_hop *hop;
	unsigned int mtu;

	dp_rcu_enter();
	hop = dp_rcu_load(peer->hop);
	mtu = hop ? atomic_load(&hop->mtu) : UINT32_MAX;
	dp_rcu_leave();
	return mtu == UINT32_MAX ? 0 : mtu;
}

int dataplane_peer_gso_error(const struct dp_peer *peer)
{
	struct dp_hop *hop;
	int error;

	dp_rcu_enter();
	hop = dp_rcu_load(peer->hop);
	error = hop ? atomic_load(&hop->route.gso_error) : 0;
	dp_rcu_leave();
	return error;
}

const char *dataplane_gso_reason(int error)
{
	switch (error) {
	case EIO:
		return "EIO";
	case EINVAL:
		return "EINVAL";
	case EMSGSIZE:
		return "EMSGSIZE";
	case ETIMEDOUT:
		return "loss";
	default:
		return "error";
	}
}

int dataplane_peer_set_rules(struct dp_peer *peer, struct filter_rules *inbound,
			     struct filter_rules *lan)
{
	struct dp_rules *rules = calloc(1, sizeof(*rules));

	if (!rules) {
		filter_rules_free(inbound);
		filter_rules_free(lan);
		return -ENOMEM;
	}
	rules->rules = inbound;
	rules->lan = lan;
	replace_rules(peer, rules);
	return 0;
}

void dataplane_peer_set_current(struct dp_peer *peer, struct dp_keypair *keypair)
{
	dp_rcu_publish(peer->current, keypair);
	if (keypair)
		dp_path_mtu_session(peer);
}

void dataplane_peer_set_lanes(struct dp_peer *peer, unsigned int lanes)
{
	unsigned int own = dataplane_lanes(peer->dp);

	if (!peer->dp->config.lanes)
		return;
	/* With more workers than lanes on one side some would have nothing to do. */
	if (lanes < own)
		lanes = own;
	if (lanes > DP_LANES_MAX)
		lanes = DP_LANES_MAX;
	atomic_store_explicit(&peer->lanes, lanes, memory_order_relaxed);
}

unsigned int dataplane_peer_lanes(const struct dp_peer *peer)
{
	return atomic_load_explicit(&peer->lanes, memory_order_relaxed);
}

static void drop_oldest(struct dp_peer *peer)
{
	struct dp_staged *oldest = peer->staged_first;

	peer->staged_first = oldest->next;
	if (!peer->staged_first)
		peer->staged_end = &peer->staged_first;
	peer->staged_weight -= oldest->weight;
	dp_count(&peer->tx_dropped, oldest->weight);
	free(oldest);
}

bool dp_peer_stage(struct dp_peer *peer, const struct vnet_hdr *hdr, const uint8_t *packet,
		   size_t len, size_t weight)
{
	struct dp_staged *staged = malloc(sizeof(*staged) + len);

	if (!staged)
		return false;
	staged->next = NULL;
	staged->weight = weight;
	staged->hdr = *hdr;
	staged->len = len;
	memcpy(staged->packet, packet, len);
	pthread_mutex_lock(&peer->staged_lock);
	while (peer->staged_first && peer->staged_weight + weight > DP_STAGED_MAX)
		drop_oldest(peer);
	*peer->staged_end = staged;
	peer->staged_end = &staged->next;
	peer->staged_weight += weight;
	atomic_store(&peer->staging, true);
	pthread_mutex_unlock(&peer->staged_lock);
	return true;
}

struct dp_staged *dp_peer_take_staged(struct dp_peer *peer)
{
	struct dp_staged *all;

	pthread_mutex_lock(&peer->staged_lock);
	all = peer->staged_first;
	peer->staged_first = NULL;
	peer->staged_end = &peer->staged_first;
	peer->staged_weight = 0;
	if (!all)
		atomic_store(&peer->staging, false);
	pthread_mutex_unlock(&peer->staged_lock);
	return all;
}

void dataplane_peer_flush(struct dp_peer *peer)
{
	struct dp_engine *engine = dp_control_engine(peer->dp);

	dp_engine_begin(engine);
	dp_engine_flush_staged(engine, peer);
	dp_engine_end(engine);
}

void dataplane_peer_drop_staged(struct dp_peer *peer, bool unreachable)
{
	struct dp_engine *engine = dp_control_engine(peer->dp);
	struct dp_staged *staged;

	dp_engine_begin(engine);
	atomic_store(&peer->asked, false);
	while ((staged = dp_peer_take_staged(peer))) {
		for (struct dp_staged *s = staged; s; s = s->next) {
			dp_count(&peer->tx_dropped, s->weight);
			if (unreachable)
				dp_engine_unreachable(engine, s->packet, s->len);
		}
		free_staged(staged);
	}
	dp_engine_end(engine);
}

void dataplane_peer_redirect(struct dp_peer *peer)
{
	struct dp_engine *engine = dp_control_engine(peer->dp);
	struct dp_staged *staged, *next;

	dp_engine_begin(engine);
	atomic_store(&peer->asked, false);
	for (staged = dp_peer_take_staged(peer); staged; staged = next) {
		next = staged->next;
		dp_engine_send(engine, &staged->hdr, staged->packet, staged->len, false);
		free(staged);
	}
	pthread_mutex_lock(&peer->staged_lock);
	if (!peer->staged_first)
		atomic_store(&peer->staging, false);
	pthread_mutex_unlock(&peer->staged_lock);
	dp_engine_end(engine);
}

int dataplane_peer_send_keepalive(struct dp_peer *peer)
{
	struct dp_engine *engine = dp_control_engine(peer->dp);
	int err;

	dp_engine_begin(engine);
	err = dp_engine_send_keepalive(engine, peer);
	dp_engine_end(engine);
	return err;
}

void dataplane_peer_activity(const struct dp_peer *peer, struct dp_activity *out)
{
#define COPY(field) .field = atomic_load_explicit(&peer->field, memory_order_relaxed)
	*out = (struct dp_activity){
		COPY(tx_bytes),
		COPY(rx_bytes),
		COPY(last_tx_ns),
		COPY(last_tx_data_ns),
		COPY(last_rx_ns),
		COPY(last_rx_data_ns),
		COPY(unanswered_since_ns),
		COPY(unacked_since_ns),
		COPY(silent_since_ns),
		COPY(rx_dropped_filter),
		COPY(rx_dropped_source),
		COPY(tx_dropped),
		COPY(tx_dropped_filter),
		COPY(congestion_marked),
		COPY(congestion_dropped),
	};
#undef COPY
}

void dataplane_peer_notify(struct dp_peer *peer, unsigned int notices)
{
	struct dp_engine *engine = dp_control_engine(peer->dp);

	atomic_fetch_or(&peer->notify, notices);
	/* What already holds is told at once; a worker that saw the bits first has cleared them. */
	if (atomic_load(&peer->unanswered_since_ns))
		dp_engine_notice(engine, peer, notices & DP_NOTICE_UNANSWERED);
	if (atomic_load(&peer->unacked_since_ns))
		dp_engine_notice(engine, peer, notices & DP_NOTICE_UNACKED);
}
