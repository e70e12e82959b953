#include "daemon/dp_lane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/dp_core.h"
#include "daemon/dp_peer.h"

int dp_lane_new(struct dp_lane **out, struct dataplane *dp, unsigned int number)
{
	struct dp_lane *lane = aligned_alloc(64, (sizeof(*lane) + 63) & ~(size_t)63);
	int err = -ENOMEM;

	if (!lane)
		return -ENOMEM;
	memset(lane, 0, sizeof(*lane));
	lane->dp = dp;
	lane->number = number;
	/* The control thread only writes to the TUN, which any number of threads may. */
	lane->tun_fd = dp->tun.fds[number < dp->workers ? number : 0];
	lane->udp_fd[0] = dp->sockets.fd[number][0];
	lane->udp_fd[1] = dp->sockets.fd[number][1];
	coalesce_init(&lane->in.merged, dp->tun.tso, dp->tun.uso);
	lane->out.bytes = aligned_alloc(64, DP_OUT_BYTES);
	lane->packet = aligned_alloc(64, PACKET_MAX + 1);
	lane->receiver = udp_receiver_new();
	if (!lane->out.bytes || !lane->packet || !lane->receiver)
		goto fail;
	err = dp_queue_init(&lane->events, dp->wake_fd);
	if (!err)
		err = aead_new(&lane->aead, dp->cipher);
	if (err)
		goto fail;
	*out = lane;
	return 0;

fail:
	dp_lane_free(lane);
	return err;
}

void dp_lane_free(struct dp_lane *lane)
{
	if (!lane)
		return;
	aead_free(lane->aead);
	dp_queue_clear(&lane->events);
	udp_receiver_free(lane->receiver);
	free(lane->packet);
	free(lane->out.bytes);
	free(lane);
}

void dp_lane_begin(struct dp_lane *lane)
{
	dp_rcu_enter();
	lane->now_ns = clock_now_ns();
	lane->to.version = 0;
	lane->from.version = 0;
}

void dp_lane_end(struct dp_lane *lane)
{
	dp_inbox_flush(lane);
	dp_outbox_flush(lane);
	dp_rcu_leave();
}

void dp_lane_notice(struct dp_lane *lane, struct dp_peer *peer, unsigned int notice)
{
	struct dp_event event = { .kind = DP_EVENT_ACTIVITY, .notices = notice };

	if (!(atomic_load_explicit(&peer->notify, memory_order_relaxed) & notice))
		return;
	/* Whoever clears the bit tells. */
	if (!(atomic_fetch_and(&peer->notify, ~notice) & notice))
		return;
	event.peer_id = peer->id;
	if (!dp_queue_push(&lane->events, &event, NULL))
		atomic_fetch_or(&peer->notify, notice);
}

void dp_lane_ask_session(struct dp_lane *lane, struct dp_peer *peer)
{
	struct dp_event event = { .kind = DP_EVENT_NEED_SESSION };

	if (atomic_exchange(&peer->asked, true))
		return;
	event.peer_id = peer->id;
	if (!dp_queue_push(&lane->events, &event, NULL))
		atomic_store(&peer->asked, false);
}
