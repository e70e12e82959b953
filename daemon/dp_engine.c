#include "daemon/dp_engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/dp_adopted.h"
#include "daemon/dp_core.h"
#include "daemon/dp_peer.h"

#define RECEIVE_BATCH 8 /* datagrams of up to 64 KiB */

int dp_engine_new(struct dp_engine **out, struct dataplane *dp, unsigned int number)
{
	struct dp_engine *engine = aligned_alloc(64, (sizeof(*engine) + 63) & ~(size_t)63);
	int err = -ENOMEM;

	if (!engine)
		return -ENOMEM;
	memset(engine, 0, sizeof(*engine));
	engine->dp = dp;
	engine->number = number;
	/* The control thread only writes to the TUN, which any number of threads may. */
	engine->tun_fd = dp->tun.fds[number < dp->workers ? number : 0];
	dp_engine_take_sockets(engine);
	dp_backlog_init(&engine->tun);
	coalesce_init(&engine->in.merged, dp->tun.tso, dp->tun.uso);
	engine->out.bytes = aligned_alloc(64, DP_OUT_BYTES);
	engine->packet = aligned_alloc(64, PACKET_MAX + 1);
	engine->receiver = udp_receiver_new(RECEIVE_BATCH);
	if (!engine->out.bytes || !engine->packet || !engine->receiver)
		goto fail;
	err = dp_queue_init(&engine->events, dp->wake_fd);
	if (!err)
		err = aead_new(&engine->aead, dp->cipher);
	if (err)
		goto fail;
	*out = engine;
	return 0;

fail:
	dp_engine_free(engine);
	return err;
}

void dp_engine_free(struct dp_engine *engine)
{
	if (!engine)
		return;
	aead_free(engine->aead);
	dp_queue_clear(&engine->events);
	udp_receiver_free(engine->receiver);
	free(engine->packet);
	free(engine->out.bytes);
	free(engine);
}

void dp_engine_begin(struct dp_engine *engine)
{
	dp_rcu_enter();
	atomic_fetch_add(&engine->turns, 1);
	engine->now_ns = clock_now_ns();
	engine->to.version = 0;
	engine->from.version = 0;
}

void dp_engine_end(struct dp_engine *engine)
{
	dp_inbox_flush(engine);
	dp_outbox_flush(engine);
	atomic_fetch_add(&engine->turns, 1);
	dp_rcu_leave();
}

void dp_engine_take_sockets(struct dp_engine *engine)
{
	for (int i = 0; i < 2; i++)
		dp_socket_init(&engine->udp[i], &engine->dp->sockets, engine->number, i, 0);
}

struct dp_socket *dp_engine_socket(struct dp_engine *engine, uint32_t number, bool six)
{
	struct dp_adopted *adopted;

	if (!number)
		return &engine->udp[six];
	adopted = dp_adopted_find(engine->dp, number);
	return adopted && adopted->six == six ? &adopted->socket[engine->number] : NULL;
}

bool dp_engine_is_drained(struct dp_engine *engine, uint32_t number)
{
	for (int i = 0; i < 2; i++) {
		const struct dp_socket *other = dp_engine_socket(engine, number, i);

		if (!dp_socket_is_empty(&engine->udp[i]) || (other && !dp_socket_is_empty(other)))
			return false;
	}
	/* Asked last: who had taken the last packet before is not at its end then. */
	return atomic_load(&engine->turns) % 2 == 0;
}

void dp_engine_notice(struct dp_engine *engine, struct dp_peer *peer, unsigned int notice)
{
	struct dp_event event = { .kind = DP_EVENT_ACTIVITY, .notices = notice };

	if (!(atomic_load_explicit(&peer->notify, memory_order_relaxed) & notice))
		return;
	/* Whoever clears the bit tells. */
	if (!(atomic_fetch_and(&peer->notify, ~notice) & notice))
		return;
	event.peer_id = peer->id;
	if (!dp_queue_push(&engine->events, &event, NULL))
		atomic_fetch_or(&peer->notify, notice);
}

void dp_engine_ask_session(struct dp_engine *engine, struct dp_peer *peer)
{
	struct dp_event event = { .kind = DP_EVENT_NEED_SESSION };

	if (atomic_exchange(&peer->asked, true))
		return;
	event.peer_id = peer->id;
	if (!dp_queue_push(&engine->events, &event, NULL))
		atomic_store(&peer->asked, false);
}
