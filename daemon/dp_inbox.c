#include <errno.h>
#include <sched.h>
#include <sodium.h>
#include <string.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "daemon/dp_carrier.h"
#include "daemon/dp_core.h"
#include "daemon/dp_engine.h"
#include "daemon/dp_index.h"
#include "daemon/dp_keypair.h"
#include "daemon/dp_message.h"
#include "daemon/dp_peer.h"
#include "proto/filter.h"
#include "proto/inner.h"
#include "proto/lane_key.h"
#include "proto/mss.h"
#include "proto/peer_message.h"

/* An owner that leaves a path where it is should not be told with every batch. */
#define PATH_SEEN_INTERVAL_NS (50 * NS_PER_MS)

/* A socket's worth of packets is delivered several times over. */
#define FIRST_LANE_WAIT_NS (10 * NS_PER_MS)

static bool same_place(const struct dp_path *a, const struct dp_path *b)
{
	if (a->kind != b->kind || a->channel != b->channel)
		return false;
	if (a->kind == DP_PATH_STREAM)
		return a->stream == b->stream;
	return a->socket == b->socket && endpoint_equal(&a->remote, &b->remote) &&
	       addr_equal(&a->local, &b->local);
}

/*
 * Some kernels refuse merged writes that are right (6.6.44 and its like): what was refused goes
 * out in single ones, and so does all that follows.
 */
static void stop_merging(struct dp_engine *engine, size_t index)
{
	struct coalesce *merged = &engine->in.merged;
	uint16_t number = merged->run[index].first;

	if (merged->run[index].proto == INNER_UDP) {
		merged->udp = false;
		atomic_store(&engine->dp->uso_error, EINVAL);
	} else {
		merged->tcp = false;
		atomic_store(&engine->dp->tso_error, EINVAL);
	}
	coalesce_split(merged, index);
	for (; number; number = merged->packet[number].next) {
		struct vnet_hdr hdr = { 0 };
		struct iovec iov[2] = { { &hdr, VNET_HDR_SIZE },
					{ merged->packet[number].data,
					  merged->packet[number].len } };

		if (writev(engine->tun_fd, iov, 2) < 0)
			return; /* the device went down */
	}
}

/* What is not for this host goes on, unless nobody is there who checks that. */
static bool has_receiver(const struct dataplane *dp, const uint8_t *packet)
{
	const struct dp_own *own = dp_rcu_load(dp->own);

	return !own || dp_own_has(own, packet, inner_destination(packet)) ||
	       atomic_load_explicit(&dp->carries, memory_order_relaxed);
}

static bool passes(struct dp_engine *engine, const struct dp_peer *peer,
		   const struct dp_rules *rules, const uint8_t *packet, size_t len)
{
	struct filter_tuple tuple;
	bool related;

	if (!has_receiver(engine->dp, packet))
		return false;
	if (filter_tuple_parse(&tuple, &related, packet, len) < 0)
		return false;
	tuple.carrier = related ? 0 : dp_carrier_id(peer, &tuple.src);
	return filter_pass_inbound(dp_rcu_load(engine->dp->flows), rules->rules, &tuple, related,
				   engine->now_ns);
}

/* Every flow of the batch gets one verdict; what may pass is written. */
static void deliver_run(struct dp_engine *engine, size_t index)
{
	struct coalesce *merged = &engine->in.merged;
	const struct coalesce_packet *last = &merged->packet[merged->run[index].last];
	struct dp_peer *peer = engine->in.merged_peer[index];
	struct dp_rules *rules = dp_rcu_load(peer->rules);
	struct iovec iov[COALESCE_IOV_MAX] __attribute__((uninitialized)); /* 2 KiB a run */
	struct vnet_hdr hdr;
	size_t used;

	/* The last packet has the run's tuple, and the flags that may end the flow. */
	if (rules && !passes(engine, peer, rules, last->data, last->len)) {
		dp_count(&peer->rx_dropped_filter, merged->run[index].count);
		return;
	}
	used = coalesce_finish(merged, index, &hdr, iov);
	/* With the device down packets are lost, as on any wire. */
	if (writev(engine->tun_fd, iov, (int)used) < 0 && errno == EINVAL && hdr.gso_type)
		stop_merging(engine, index);
}

static void deliver(struct dp_engine *engine)
{
	for (size_t i = 0; i < engine->in.merged.runs; i++)
		deliver_run(engine, i);
	coalesce_reset(&engine->in.merged);
}

/* A SYN of the peer's says how long our host's segments may be. */
static void clamp_answer(struct dp_peer *peer, uint8_t *packet, size_t len)
{
	struct dp_hop *hop = dp_rcu_load(peer->hop);

	if (hop)
		mss_clamp(packet, len, atomic_load_explicit(&hop->mtu, memory_order_relaxed));
}

/* Its own addresses and what was given to it, or what is behind it and was given to another. */
static bool may_come_from(struct dp_engine *engine, const struct dp_peer *peer,
			  const uint8_t *packet)
{
	const struct dp_peer *owner = dp_engine_peer_from(engine, packet);

	return owner == peer || dp_carrier_may_send(peer, owner, packet);
}

/* The checks on what an authentic packet contained. */
static void take_inner(struct dp_engine *engine, struct dp_peer *peer, uint8_t *packet, size_t len,
		       uint8_t outer_tos)
{
	struct dp_inbox *in = &engine->in;
	struct inner inner;
	size_t runs = in->merged.runs;

	if (inner_parse(&inner, packet, len) < 0) {
		if (peer_message_is(packet, len))
			dp_message_take(engine, peer, &in->from, packet, len);
		return;
	}
	if (!may_come_from(engine, peer, packet)) {
		dp_count(&peer->rx_dropped_source, 1);
		return;
	}
	if (!inner_combine_ecn(packet, outer_tos)) {
		dp_count(&peer->congestion_dropped, 1);
		return;
	}
	if ((outer_tos & ECN_MASK) == ECN_CE)
		dp_count(&peer->congestion_marked, 1);
	if (mss_concerns(packet, inner.len))
		clamp_answer(peer, packet, inner.len);
	coalesce_add(&in->merged, packet, inner.len);
	if (in->merged.runs > runs)
		in->merged_peer[runs] = peer;
	if (coalesce_full(&in->merged))
		deliver(engine);
}

static void mark_received(struct dp_engine *engine, struct dp_keypair *keypair, uint64_t bytes,
			  bool data)
{
	struct dp_peer *peer = keypair->peer;
	uint64_t never = 0;

	dp_count(&peer->rx_bytes, bytes);
	atomic_store_explicit(&peer->last_rx_ns, engine->now_ns, memory_order_relaxed);
	atomic_store_explicit(&peer->unanswered_since_ns, 0, memory_order_relaxed);
	if (data) {
		atomic_store_explicit(&peer->last_rx_data_ns, engine->now_ns, memory_order_relaxed);
		if (!atomic_load_explicit(&peer->unacked_since_ns, memory_order_relaxed))
			atomic_compare_exchange_strong(&peer->unacked_since_ns, &never,
						       engine->now_ns);
		dp_engine_notice(engine, peer, DP_NOTICE_UNACKED);
	}
	if (keypair->initiator && dp_rcu_load(peer->current) == keypair &&
	    engine->now_ns >= keypair->created_ns + REKEY_ON_RECEIVE_S * NS_PER_S)
		dp_engine_notice(engine, peer, DP_NOTICE_REKEY);
}

static void post_confirmed(struct dp_engine *engine, struct dp_keypair *keypair)
{
	struct dp_event event = { .kind = DP_EVENT_CONFIRMED,
				  .peer_id = keypair->peer->id,
				  .local_index = keypair->local_index };

	if (atomic_load_explicit(&keypair->confirmed, memory_order_relaxed) ||
	    atomic_exchange(&keypair->confirmed, true))
		return;
	if (!dp_queue_push(&engine->events, &event, NULL))
		atomic_store(&keypair->confirmed, false);
}

/*
 * Does the peer's path lead to where a packet came from? An owner that left the local address open
 * meant any; only a device that follows packets learns it from them.
 */
static bool leads_to(const struct dp_engine *engine, const struct dp_hop *hop,
		     const struct dp_path *from)
{
	struct dp_path path = hop->path;

	if (!path.local.family && !engine->dp->config.follow)
		path.local = from->local;
	return same_place(&path, from);
}

static void post_path(struct dp_engine *engine, struct dp_peer *peer, const struct dp_path *from,
		      bool echoes)
{
	struct dp_hop *hop = dp_rcu_load(peer->hop);
	struct dp_event event = { .kind = DP_EVENT_PATH_SEEN, .peer_id = peer->id, .path = *from };
	uint64_t before = atomic_load_explicit(&peer->path_seen_ns, memory_order_relaxed);

	if (hop && leads_to(engine, hop, from)) {
		atomic_store_explicit(&peer->silent_since_ns, 0, memory_order_relaxed);
		return;
	}
	if (echoes)
		return; /* what paths are like is asked on all of them */
	/*
	 * Before the packet is delivered, so that its answer takes the new way. Were both sides a
	 * packet late, each would answer by the other's old path, and so on for ever.
	 */
	if (engine->dp->config.follow)
		dataplane_peer_set_path(peer, from);
	if (before && engine->now_ns < before + PATH_SEEN_INTERVAL_NS)
		return;
	if (dp_queue_push(&engine->events, &event, NULL))
		atomic_store_explicit(&peer->path_seen_ns, engine->now_ns, memory_order_relaxed);
}

/* Drops forgeries and repetitions from the run; returns how many packets are left. */
static size_t keep_new(struct dp_inbox *in, struct dp_lane *lane)
{
	struct dp_peer *peer = in->keypair->peer;
	size_t kept = 0;
	uint64_t next;

	pthread_mutex_lock(&lane->replay_lock);
	next = lane->replay.next;
	for (size_t i = 0; i < in->count; i++)
		if (in->job[i].authentic && replay_accept(&lane->replay, in->job[i].counter))
			in->job[kept++] = in->job[i];
	next = lane->replay.next - next;
	pthread_mutex_unlock(&lane->replay_lock);
	if (next)
		dp_count(&peer->rx_expected, next);
	if (kept)
		dp_count(&peer->rx_arrived, kept);
	return kept;
}

/* A lane that nobody used is made when a packet proves that the peer has its key, not before. */
static struct dp_lane *open_first(struct dp_engine *engine)
{
	struct dp_inbox *in = &engine->in;
	struct dp_keypair *keypair = in->keypair;
	uint8_t key[LANE_KEY_SIZE];
	bool authentic = false;

	lane_key_derive(key, keypair->first.recv_key, in->lane_number);
	aead_open(engine->aead, key, in->job, in->count);
	sodium_memzero(key, sizeof(key));
	for (size_t i = 0; i < in->count; i++)
		authentic |= in->job[i].authentic;
	return authentic ? dp_keypair_lane(keypair, in->lane_number) : NULL;
}

static size_t open_jobs(struct dp_engine *engine)
{
	struct dp_inbox *in = &engine->in;
	struct dp_lane *lane = dp_keypair_find_lane(in->keypair, in->lane_number);

	if (lane)
		aead_open(engine->aead, lane->recv_key, in->job, in->count);
	else
		lane = open_first(engine);
	return lane ? keep_new(in, lane) : 0;
}

/*
 * A flow that came on lane 0 goes on in another one when the peer learns that we receive lanes.
 * What came before lies with the worker of lane 0 still, and is let go first; this happens once for
 * a peer and lane, and does not wait for ever for a worker that is never idle.
 */
static void let_first_lane_go_first(struct dp_engine *engine, struct dp_peer *peer, uint8_t lane,
				    uint32_t socket)
{
	struct dp_engine *first = engine->dp->engines[0];
	uint64_t bit = 1ULL << lane;
	uint64_t end_ns;

	if (!lane || atomic_load_explicit(&peer->heard, memory_order_relaxed) & bit)
		return;
	atomic_fetch_or(&peer->heard, bit);
	if (engine == first || engine == dp_control_engine(engine->dp))
		return;
	end_ns = clock_now_ns() + FIRST_LANE_WAIT_NS;
	while (!dp_engine_is_drained(first, socket) && clock_now_ns() < end_ns)
		sched_yield();
}

static void open_run(struct dp_engine *engine)
{
	struct dp_inbox *in = &engine->in;
	struct dp_keypair *keypair = in->keypair;
	uint64_t bytes = 0;
	bool data = false, echoes = true;
	size_t kept;

	kept = open_jobs(engine);
	in->count = 0;
	if (!kept)
		return;
	for (size_t i = 0; i < kept; i++) {
		bytes += in->job[i].len + DP_DATA_OVERHEAD;
		data |= in->job[i].len && !peer_message_is(in->job[i].out, in->job[i].len);
		echoes &= peer_message_is_echo(in->job[i].out, in->job[i].len);
	}
	mark_received(engine, keypair, bytes, data);
	post_path(engine, keypair->peer, &in->from, echoes);
	post_confirmed(engine, keypair);
	let_first_lane_go_first(engine, keypair->peer, in->lane_number, in->from.socket);
	for (size_t i = 0; i < kept; i++)
		if (in->job[i].len)
			take_inner(engine, keypair->peer, in->job[i].out, in->job[i].len, in->tos);
}

/* index is the keypair's but for the lowest byte. */
static bool has_lane(const struct dataplane *dp, const struct dp_keypair *keypair, uint32_t index)
{
	return (uint8_t)(index - keypair->local_index) < (dp->config.lanes ? DP_LANES_MAX : 1);
}

void dp_inbox_add(struct dp_engine *engine, uint8_t *data, size_t len, const struct dp_path *from,
		  uint8_t tos)
{
	struct dp_inbox *in = &engine->in;
	uint32_t index = load_le32(data + 4);
	uint64_t counter = load_le64(data + 8);

	if (in->count && (in->index != index || in->tos != tos || in->count == DP_IN_PACKETS ||
			  !same_place(&in->from, from)))
		open_run(engine);
	if (!in->count) {
		struct dp_keypair *keypair = dp_index_find(engine->dp->indexes, index);

		if (!keypair || !has_lane(engine->dp, keypair, index) ||
		    engine->now_ns >= keypair->created_ns + REJECT_AFTER_TIME_S * NS_PER_S)
			return;
		in->keypair = keypair;
		in->index = index;
		in->lane_number = (uint8_t)(index - keypair->local_index);
		in->from = *from;
		in->tos = tos;
	}
	/* Beyond the limit the window could not tell old from new. */
	if (counter >= REPLAY_COUNTER_LIMIT)
		return;
	in->job[in->count++] = (struct aead_job){
		.in = data + DP_DATA_HEADER,
		.out = data + DP_DATA_HEADER,
		.len = len - DP_DATA_OVERHEAD,
		.counter = counter,
	};
}

void dp_inbox_flush(struct dp_engine *engine)
{
	if (engine->in.count)
		open_run(engine);
	if (engine->in.merged.runs)
		deliver(engine);
}
