#include "daemon/dp_keypair.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/clock.h"
#include "daemon/dp_core.h"
#include "daemon/dp_index.h"
#include "daemon/dp_peer.h"

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
	for (size_t i = 0; i < sizeof(keypair->send_key); i++) {
		keypair->send_key[i] = config->send_key[i];
		keypair->recv_key[i] = config->recv_key[i];
	}
	atomic_init(&keypair->confirmed, config->initiator);
	pthread_mutex_init(&keypair->replay_lock, NULL);
	replay_init(&keypair->replay);
	peer->keypairs = keypair;
	dp_index_set(peer->dp->indexes, keypair->local_index, keypair);
	return keypair;
}

static void wipe_and_free(struct rcu_head *rcu)
{
	struct dp_keypair *keypair = dp_rcu_released(rcu, struct dp_keypair);

	pthread_mutex_destroy(&keypair->replay_lock);
	sodium_memzero(keypair, sizeof(*keypair));
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
	       atomic_load_explicit(&keypair->send_counter, memory_order_relaxed) <
		       REPLAY_COUNTER_LIMIT;
}

bool dp_keypair_wants_rekey(const struct dp_keypair *keypair, uint64_t now_ns)
{
	if (atomic_load_explicit(&keypair->send_counter, memory_order_relaxed) >=
	    REKEY_AFTER_MESSAGES)
		return true;
	return keypair->initiator && older_than(keypair, now_ns, REKEY_AFTER_TIME_S);
}

bool dp_keypair_reserve(struct dp_keypair *keypair, size_t count, uint64_t *first)
{
	uint64_t next = atomic_load_explicit(&keypair->send_counter, memory_order_relaxed);

	do {
		if (next >= REPLAY_COUNTER_LIMIT || count > REPLAY_COUNTER_LIMIT - next)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&keypair->send_counter, &next, next + count,
							memory_order_relaxed,
							memory_order_relaxed));
	*first = next;
	return true;
}
