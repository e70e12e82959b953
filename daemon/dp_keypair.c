#include "daemon/dp_keypair.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/dp_core.h"
#include "daemon/dp_index.h"
#include "daemon/dp_peer.h"
#include "proto/lane_key.h"

static void lane_init(struct dp_lane *lane)
{
	atomic_init(&lane->send_counter, 0);
	pthread_mutex_init(&lane->replay_lock, NULL);
	replay_init(&lane->replay);
}

/* Wipes. */
static void lane_clear(struct dp_lane *lane)
{
	pthread_mutex_destroy(&lane->replay_lock);
	replay_clear(&lane->replay);
	sodium_memzero(lane, sizeof(*lane));
}

static void lane_free(struct dp_lane *lane)
{
	if (!lane)
		return;
	lane_clear(lane);
	free(lane);
}

struct dp_keypair *dataplane_keypair_new(struct dp_peer *peer,
					 const struct dp_keypair_config *config)
{
	struct dp_keypair *keypair = aligned_alloc(64, sizeof(*keypair));

	if (!keypair)
		return NULL;
	*keypair = (struct dp_keypair){
		.peer = peer,
		.next = peer->keypairs,
		.local_index = config->local_index,
		.remote_index = config->remote_index,
		.created_ns = config->created_ns,
		.initiator = config->initiator,
	};
	memcpy(keypair->first.send_key, config->send_key, sizeof(keypair->first.send_key));
	memcpy(keypair->first.recv_key, config->recv_key, sizeof(keypair->first.recv_key));
	atomic_init(&keypair->confirmed, config->initiator);
	lane_init(&keypair->first);
	/* Without any session both sides begin anew, on lane 0. */
	if (!peer->keypairs)
		atomic_store(&peer->heard, 0);
	peer->keypairs = keypair;
	dp_index_set(peer->dp->indexes, keypair->local_index, keypair);
	return keypair;
}

static void wipe_and_free(struct rcu_head *rcu)
{
	struct dp_keypair *keypair = dp_rcu_released(rcu, struct dp_keypair);
	struct dp_lanes *lanes = atomic_load(&keypair->lanes);

	for (size_t i = 1; lanes && i < DP_LANES_MAX; i++)
		lane_free(atomic_load(&lanes->lane[i]));
	free(lanes);
	lane_clear(&keypair->first);
	free(keypair);
}

void dp_keypair_retire(struct dp_keypair *keypair)
{
	if (keypair)
		dp_rcu_defer(&keypair->rcu, wipe_and_free);
}

void dataplane_keypair_free(struct dp_keypair *keypair)
{
	struct dp_keypair **link;
	struct dp_peer *peer;

	if (!keypair)
		return;
	peer = keypair->peer;
	if (peer->current == keypair)
		dp_rcu_publish(peer->current, NULL);
	for (link = &peer->keypairs; *link != keypair; link = &(*link)->next)
		;
	*link = keypair->next;
	dp_index_remove(peer->dp->indexes, keypair->local_index);
	dp_keypair_retire(keypair);
}

static bool older_than(const struct dp_keypair *keypair, uint64_t now_ns, uint64_t age_s)
{
	/* A reading of another thread's clock may be a little older than the keypair. */
	return now_ns >= keypair->created_ns && now_ns - keypair->created_ns >= age_s * NS_PER_S;
}

bool dp_keypair_usable(const struct dp_keypair *keypair, uint64_t now_ns)
{
	return !older_than(keypair, now_ns, REJECT_AFTER_TIME_S) &&
	       atomic_load_explicit(&keypair->first.send_counter, memory_order_relaxed) <
		       REPLAY_COUNTER_LIMIT;
}

bool dp_keypair_wants_rekey(const struct dp_keypair *keypair, const struct dp_lane *lane,
			    uint64_t now_ns)
{
	if (atomic_load_explicit(&lane->send_counter, memory_order_relaxed) >= REKEY_AFTER_MESSAGES)
		return true;
	return keypair->initiator && older_than(keypair, now_ns, REKEY_AFTER_TIME_S);
}

struct dp_lane *dp_keypair_find_lane(struct dp_keypair *keypair, unsigned int number)
{
	struct dp_lanes *lanes;

	if (!number)
		return &keypair->first;
	lanes = atomic_load_explicit(&keypair->lanes, memory_order_acquire);
	return lanes ? atomic_load_explicit(&lanes->lane[number], memory_order_acquire) : NULL;
}

/* Two threads may come at the same time: one's is taken, the other's thrown away. */
static struct dp_lanes *lanes_of(struct dp_keypair *keypair)
{
	struct dp_lanes *lanes = atomic_load_explicit(&keypair->lanes, memory_order_acquire);
	struct dp_lanes *made;

	if (lanes)
		return lanes;
	made = calloc(1, sizeof(*made));
	if (!made || atomic_compare_exchange_strong(&keypair->lanes, &lanes, made))
		return made;
	free(made);
	return lanes;
}

static struct dp_lane *lane_new(const struct dp_keypair *keypair, uint8_t number)
{
	struct dp_lane *lane = aligned_alloc(64, sizeof(*lane));

	if (!lane)
		return NULL;
	lane_init(lane);
	lane_key_derive(lane->send_key, keypair->first.send_key, number);
	lane_key_derive(lane->recv_key, keypair->first.recv_key, number);
	return lane;
}

struct dp_lane *dp_keypair_lane(struct dp_keypair *keypair, unsigned int number)
{
	struct dp_lane *lane = dp_keypair_find_lane(keypair, number);
	struct dp_lanes *lanes;
	struct dp_lane *made;

	if (lane)
		return lane;
	lanes = lanes_of(keypair);
	made = lanes ? lane_new(keypair, (uint8_t)number) : NULL;
	if (!made || atomic_compare_exchange_strong(&lanes->lane[number], &lane, made))
		return made;
	lane_free(made);
	return lane;
}

bool dp_lane_reserve(struct dp_lane *lane, size_t count, uint64_t *first)
{
	uint64_t next = atomic_load_explicit(&lane->send_counter, memory_order_relaxed);

	do {
		if (next >= REPLAY_COUNTER_LIMIT || count > REPLAY_COUNTER_LIMIT - next)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&lane->send_counter, &next, next + count,
							memory_order_relaxed,
							memory_order_relaxed));
	*first = next;
	return true;
}
