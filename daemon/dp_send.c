#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "daemon/dp_adopted.h"
#include "daemon/dp_carrier.h"
#include "daemon/dp_core.h"
#include "daemon/dp_engine.h"
#include "daemon/dp_keypair.h"
#include "daemon/dp_peer.h"
#include "proto/filter.h"
#include "proto/flow_slot.h"
#include "proto/inner.h"
#include "proto/mss.h"
#include "proto/pathmtu.h"
#include "proto/segment.h"
#include "proto/wg_message.h"

/* Reads of the TUN in one turn, before sockets get theirs. */
#define READS_MAX  64
#define READ_BYTES DP_OUT_ENOUGH

#define ICMP_INTERVAL_NS NS_PER_MS

#define UDP_HEADER 8

#define V4_DONT_FRAGMENT 0x40 /* in the byte at 6 */

static size_t addr_size(uint8_t version)
{
	return version == 4 ? 4 : 16;
}

static struct dp_peer *lookup(struct dp_engine *engine, struct dp_route_cache *cache,
			      uint8_t version, const uint8_t *addr)
{
	struct allowedips_owner *owner = NULL;
	struct dp_routes *routes;

	if (cache->version == version && memcmp(cache->addr, addr, addr_size(version)) == 0)
		return cache->peer;
	routes = dp_rcu_load(engine->dp->routes);
	if (routes && version == 4)
		owner = allowedips_lookup_v4(routes->table, addr);
	else if (routes)
		owner = allowedips_lookup_v6(routes->table, addr);
	cache->version = version;
	memcpy(cache->addr, addr, addr_size(version));
	cache->peer = owner ? caa_container_of(owner, struct dp_peer, prefixes) : NULL;
	return cache->peer;
}

struct dp_peer *dp_engine_peer_to(struct dp_engine *engine, const uint8_t *packet)
{
	return lookup(engine, &engine->to, packet[0] >> 4, inner_destination(packet));
}

struct dp_peer *dp_engine_peer_from(struct dp_engine *engine, const uint8_t *packet)
{
	return lookup(engine, &engine->from, packet[0] >> 4, inner_source(packet));
}

/* mtu 0: unreachable. */
static void answer_error(struct dp_engine *engine, const uint8_t *packet, size_t len,
			 unsigned int mtu)
{
	uint8_t reply[VNET_HDR_SIZE + INNER_ERROR_MAX];
	size_t reply_len;

	if (engine->now_ns < engine->icmp_ns)
		return;
	reply_len = mtu ? inner_too_big(reply + VNET_HDR_SIZE, packet, len, mtu)
			: inner_unreachable(reply + VNET_HDR_SIZE, packet, len);
	if (!reply_len)
		return;
	engine->icmp_ns = engine->now_ns + ICMP_INTERVAL_NS;
	memset(reply, 0, VNET_HDR_SIZE);
	if (write(engine->tun_fd, reply, VNET_HDR_SIZE + reply_len) < 0)
		return; /* the device is down: nobody to tell */
}

void dp_engine_unreachable(struct dp_engine *engine, const uint8_t *packet, size_t len)
{
	answer_error(engine, packet, len, 0);
}

void dp_engine_too_big(struct dp_engine *engine, const uint8_t *packet, size_t len,
		       unsigned int mtu)
{
	answer_error(engine, packet, len, mtu);
}

/* Both a key and a path; the lane is the packet's matter. */
static bool find_way(struct dp_engine *engine, struct dp_peer *peer, struct dp_way *way)
{
	*way = (struct dp_way){ .peer = peer,
				.keypair = dp_rcu_load(peer->current),
				.hop = dp_rcu_load(peer->hop) };
	return way->keypair && dp_keypair_usable(way->keypair, engine->now_ns) && way->hop &&
	       way->hop->path.kind != DP_PATH_NONE;
}

/*
 * Decided by the flow alone, so that no packet overtakes another of the same flow. A relay puts
 * packets together again as it likes, so behind one there is one lane.
 */
static void choose_lane(struct dp_way *way, const struct inner *inner, const uint8_t *packet)
{
	unsigned int lanes = dataplane_peer_lanes(way->peer);

	way->lane = 0;
	if (lanes > 1 && way->hop->path.kind == DP_PATH_UDP && !way->hop->path.channel)
		way->lane = (uint8_t)(flow_slot(inner, packet) % lanes);
}

/* The UDP header, also of the first fragment of many; NULL: there is none. */
static const uint8_t *udp_header(const struct inner *inner, const uint8_t *packet)
{
	size_t at = inner->l4;
	uint8_t proto = inner->proto;

	/* Fragment header, offset 0 (RFC 8200, 4.5). */
	if (inner->version == 6 && proto == IPPROTO_FRAGMENT && inner->len >= at + 8 &&
	    !(load_be16(packet + at + 2) & 0xFFF8)) {
		proto = packet[at];
		at += 8;
	}
	return proto == INNER_UDP && inner->len >= at + UDP_HEADER ? packet + at : NULL;
}

/*
 * Did we seal this packet ourselves a moment ago? A route that leads to the peer's endpoint through
 * the tunnel brings it back, and every round would make it longer, then two of it, and so on. The
 * index that the peer gave us tells it from other tunnels to the same endpoint.
 */
static bool is_our_own(const struct dp_way *way, const struct inner *inner, const uint8_t *packet)
{
	const struct dp_hop *hop = way->hop;
	size_t prefix = hop->path.channel ? DP_CHANNEL_HEADER : 0;
	const uint8_t *udp = udp_header(inner, packet);
	const uint8_t *message;

	if (!udp || load_be16(udp + 2) != hop->path.remote.port ||
	    memcmp(inner_destination(packet), hop->path.remote.addr.bytes,
		   addr_size(inner->version)) != 0)
		return false;
	message = udp + UDP_HEADER + prefix;
	return packet + inner->len >= message + DP_DATA_HEADER && load_le32(message) == WG_DATA &&
	       load_le32(message + 4) - way->keypair->remote_index <
		       dataplane_peer_lanes(way->peer);
}

/* Larger than the path takes: made to fit, or its sender is told. False: dropped. */
static bool make_fit(struct dp_engine *engine, struct dp_way *way, struct segment_plan *plan,
		     unsigned int mtu)
{
	if (plan->packet[0] >> 4 == 4 && !(plan->packet[6] & V4_DONT_FRAGMENT)) {
		way->fragment = true;
		return true;
	}
	dp_engine_too_big(engine, plan->packet, plan->len, mtu);
	/*
	 * A stream's segments are where we cut. Between a path's shrinking and the host's knowing
	 * of it nothing is lost, so that no retransmission timeout passes.
	 */
	if (segment_limit(plan, mtu) == 0)
		return true;
	/* No host goes below this, so whoever is smaller has to fragment (RFC 8200, 5). */
	if (plan->packet[0] >> 4 == 6 && segment_len(plan, 0) <= IPV6_MTU_MIN) {
		way->fragment = true;
		return true;
	}
	return false;
}

/* Large packets only: they may be too large, and while there are any the path is watched. */
static bool fits(struct dp_engine *engine, struct dp_way *way, struct segment_plan *plan)
{
	unsigned int mtu = atomic_load_explicit(&way->hop->mtu, memory_order_relaxed);
	struct dp_event event = { .kind = DP_EVENT_LARGE, .peer_id = way->peer->id };

	if (!atomic_load_explicit(&way->hop->watched, memory_order_relaxed) &&
	    !atomic_exchange(&way->hop->watched, true) &&
	    !dp_queue_push(&engine->events, &event, NULL))
		atomic_store(&way->hop->watched, false);
	return segment_len(plan, 0) <= mtu || make_fit(engine, way, plan, mtu);
}

/* Cuts one packet of the TUN and puts the pieces in the outbox. */
static void send_plan(struct dp_engine *engine, struct dp_way *way, struct segment_plan *plan,
		      size_t first, uint8_t tos)
{
	bool syn = plan->count == 1 && mss_concerns(plan->packet, plan->len);

	way->fragment = atomic_load_explicit(&way->hop->fragment, memory_order_relaxed);
	if (segment_len(plan, 0) >= PATHMTU_LARGE && !fits(engine, way, plan)) {
		dp_count(&way->peer->tx_dropped, plan->count);
		return;
	}
	for (size_t i = first; i < plan->count; i++) {
		uint8_t *out = dp_outbox_add(engine, way, segment_len(plan, i), tos);

		if (!out) {
			dp_count(&way->peer->tx_dropped, plan->count - i);
			return;
		}
		segment_write(plan, i, out);
		if (syn)
			mss_clamp(out, plan->len,
				  atomic_load_explicit(&way->hop->mtu, memory_order_relaxed));
	}
}

/*
 * What this host sends from its own address may go, and answers are let back in by the flow that it
 * begins or keeps. What comes from networks behind it needs leave, unless it answers. *carrier: in
 * whose hands the flow is.
 */
static bool pass_flow(struct dp_engine *engine, struct dp_peer *peer, struct filter_tuple *tuple,
		      const uint8_t *packet, size_t len, uint64_t *carrier)
{
	struct filter_flows *flows = dp_rcu_load(engine->dp->flows);
	struct dp_own *own = dp_rcu_load(engine->dp->own);
	struct dp_rules *rules = NULL;
	bool related;

	if (!flows)
		return true;
	if (own && !dp_own_has(own, packet, inner_source(packet)))
		rules = dp_rcu_load(peer->rules);
	if (filter_tuple_parse(tuple, &related, packet, len) < 0)
		return !rules;
	if (!related)
		tuple->carrier = dp_carrier_id(peer, &tuple->dst);
	if (rules)
		return filter_pass_outbound(flows, rules->lan, tuple, related, engine->now_ns,
					    carrier);
	if (!related)
		*carrier = filter_note_outbound(flows, tuple, engine->now_ns);
	return true;
}

/*
 * The peer that a packet goes by: the one that carries the flow already, or the one that has the
 * address. NULL: it may not go.
 */
static struct dp_peer *choose_peer(struct dp_engine *engine, struct dp_peer *peer,
				   const uint8_t *packet, size_t len)
{
	struct filter_tuple tuple = { .carrier = 0 };
	struct dp_peer *former;
	uint64_t carrier = 0;

	if (!pass_flow(engine, peer, &tuple, packet, len, &carrier))
		return NULL;
	if (!tuple.carrier || !carrier || carrier == tuple.carrier)
		return peer;
	former = dp_carrier_find(engine, carrier, peer, &tuple.dst);
	if (former)
		return former;
	filter_move_flow(dp_rcu_load(engine->dp->flows), &tuple, engine->now_ns);
	return peer;
}

/* Returns how many packets the flow loses to be told of a queue that stands: 0 or 1. */
static size_t tell_congestion(struct dp_peer *peer, struct inner *inner, uint8_t *packet)
{
	if (!inner_combine_ecn(packet, ECN_CE)) {
		dp_count(&peer->congestion_dropped, 1);
		return 1;
	}
	inner->tos |= ECN_CE;
	dp_count(&peer->congestion_marked, 1);
	return 0;
}

void dp_engine_send(struct dp_engine *engine, const struct vnet_hdr *hdr, uint8_t *packet,
		    size_t len, bool congested)
{
	struct segment_plan plan;
	struct dp_peer *peer;
	struct dp_way way;
	struct inner inner;
	size_t lost;

	if (inner_parse(&inner, packet, len) < 0 || segment_plan(&plan, hdr, packet, len) < 0)
		return;
	peer = dp_engine_peer_to(engine, packet);
	if (!peer) {
		dp_engine_unreachable(engine, packet, len);
		return;
	}
	way.peer = choose_peer(engine, peer, packet, len);
	if (!way.peer) {
		dp_count(&peer->tx_dropped_filter, plan.count);
		dp_engine_unreachable(engine, packet, len);
		return;
	}
	peer = way.peer;
	if (find_way(engine, peer, &way) &&
	    !atomic_load_explicit(&peer->staging, memory_order_acquire)) {
		if (is_our_own(&way, &inner, packet)) {
			dp_count(&peer->tx_dropped, plan.count);
			return;
		}
		choose_lane(&way, &inner, packet);
		lost = congested ? tell_congestion(peer, &inner, packet) : 0;
		send_plan(engine, &way, &plan, lost, inner.tos & ECN_MASK);
		return;
	}
	if (!dp_peer_stage(peer, hdr, packet, len, plan.count))
		dp_count(&peer->tx_dropped, plan.count);
	dp_engine_ask_session(engine, peer);
}

static void send_staged(struct dp_engine *engine, struct dp_way *way,
			const struct dp_staged *staged)
{
	struct segment_plan plan;
	struct inner inner;

	/* Both were checked before it was queued. */
	if (inner_parse(&inner, staged->packet, staged->len) < 0 ||
	    segment_plan(&plan, &staged->hdr, staged->packet, staged->len) < 0)
		return;
	choose_lane(way, &inner, staged->packet);
	send_plan(engine, way, &plan, 0, inner.tos & ECN_MASK);
}

bool dp_engine_flush_staged(struct dp_engine *engine, struct dp_peer *peer)
{
	struct dp_staged *staged;
	struct dp_way way;

	if (!find_way(engine, peer, &way))
		return false;
	atomic_store(&peer->asked, false);
	while ((staged = dp_peer_take_staged(peer))) {
		while (staged) {
			struct dp_staged *next = staged->next;

			send_staged(engine, &way, staged);
			free(staged);
			staged = next;
		}
		/* Before anybody may overtake. */
		dp_outbox_flush(engine);
	}
	return true;
}

int dp_engine_send_keepalive(struct dp_engine *engine, struct dp_peer *peer)
{
	struct dp_way way;

	if (find_way(engine, peer, &way)) {
		dp_outbox_add(engine, &way, 0, 0);
		return 0;
	}
	return way.keypair && dp_keypair_usable(way.keypair, engine->now_ns) ? -EDESTADDRREQ
									     : -ENOKEY;
}

/* The adopted socket of the least slot in *slots, which loses it. NULL when it was released. */
static struct dp_socket *next_adopted(struct dp_engine *engine, uint64_t *slots)
{
	int slot = __builtin_ctzll(*slots);
	struct dp_adopted *adopted = dp_rcu_load(engine->dp->adopted[slot]);

	*slots &= *slots - 1;
	return adopted ? &adopted->socket[engine->number] : NULL;
}

static bool is_full(struct dp_engine *engine, struct dp_socket *socket)
{
	return !dp_room_ask(&socket->room, socket->fd, engine->now_ns);
}

struct dp_socket *dp_engine_full(struct dp_engine *engine)
{
	for (int i = 0; i < 2; i++)
		if (is_full(engine, &engine->udp[i]))
			return &engine->udp[i];
	for (uint64_t slots = engine->adopted_sent; slots;) {
		struct dp_socket *socket = next_adopted(engine, &slots);

		if (socket && is_full(engine, socket))
			return socket;
	}
	return NULL;
}

static void bound_turn(size_t *bytes, const struct dp_room *room)
{
	size_t quarter = room->limit / 4;

	if (room->used && room->limit < DP_ROOM_START && quarter < *bytes)
		*bytes = quarter;
}

/* Where little may wait below a socket, no turn brings much more than that. */
static size_t turn_bytes(struct dp_engine *engine)
{
	size_t bytes = READ_BYTES;

	for (int i = 0; i < 2; i++)
		bound_turn(&bytes, &engine->udp[i].room);
	for (uint64_t slots = engine->adopted_sent; slots;) {
		const struct dp_socket *socket = next_adopted(engine, &slots);

		if (socket)
			bound_turn(&bytes, &socket->room);
	}
	return bytes;
}

void dp_engine_read_tun(struct dp_engine *engine)
{
	size_t most = turn_bytes(engine);
	struct vnet_hdr hdr;
	size_t bytes = 0;
	struct iovec iov[2] = { { &hdr, VNET_HDR_SIZE }, { engine->packet, PACKET_MAX } };

	/* All of them have room, and those that nothing more is sent on keep it. */
	engine->adopted_sent = 0;
	dp_backlog_turn(&engine->tun, engine->now_ns);
	for (int i = 0; i < READS_MAX && bytes < most; i++) {
		ssize_t n = readv(engine->tun_fd, iov, 2);

		if (n <= VNET_HDR_SIZE) {
			dp_backlog_emptied(&engine->tun);
			return;
		}
		bytes += (size_t)n;
		dp_engine_send(engine, &hdr, engine->packet, (size_t)n - VNET_HDR_SIZE,
			       dp_backlog_take(&engine->tun, (size_t)n, UINT64_MAX,
					       engine->now_ns));
		if (engine->out.used >= DP_OUT_ENOUGH)
			dp_outbox_flush(engine);
	}
}
