#include "daemon/dp_path_mtu.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "daemon/dp_core.h"
#include "daemon/dp_message.h"
#include "daemon/dp_peer.h"
#include "io/loop.h"
#include "proto/inner.h"
#include "proto/pathmtu.h"
#include "proto/peer_message.h"

#define UDP_HEADER 8
#define V4_HEADER  20
#define V6_HEADER  40
/* RFC 8200, 5. */

struct dp_path_mtu {
	struct dp_peer *peer;
	struct pathmtu core;
	struct loop_timer timer;
	unsigned int told; /* what the owner knows */
};

static uint16_t overhead_of(const struct dp_path *path)
{
	unsigned int ip = path->remote.addr.family == AF_INET6 ? V6_HEADER : V4_HEADER;

	return (uint16_t)(ip + UDP_HEADER + (path->channel ? DP_CHANNEL_HEADER : 0U) +
			  DP_DATA_OVERHEAD);
}

static uint16_t limit_of(const struct dataplane *dp)
{
	unsigned int mtu = atomic_load(&dp->mtu);

	if (mtu < PATHMTU_BASE)
		return PATHMTU_BASE;
	return mtu < PATHMTU_MAX ? (uint16_t)mtu : PATHMTU_MAX;
}

/*
 * What goes into one packet, or, where that is less than everybody must be able to send, into
 * fragments. Linux fragments IPv6 by what it believes of the path alone (IPV6_MTU does not change
 * that), so that over a narrow path of v6 inner packets are as small as every link there allows: of
 * IPv4 that is no matter, and TCP over IPv6 is clamped and cut to it.
 */
static unsigned int size_of(const struct dp_path_mtu *probing, const struct dp_hop *hop)
{
	unsigned int size = pathmtu_size(&probing->core);

	if (size && pathmtu_needs_fragments(&probing->core) &&
	    hop->path.remote.addr.family == AF_INET6)
		return IPV6_MTU_MIN - overhead_of(&hop->path);
	return size;
}

/* To the workers by the hop, and to the owner. */
static void publish(struct dp_path_mtu *probing)
{
	struct dp_peer *peer = probing->peer;
	struct dataplane *dp = peer->dp;
	struct dp_hop *hop = peer->hop;
	unsigned int size;

	if (!hop || pathmtu_state(&probing->core) == PATHMTU_DISABLED)
		return;
	size = size_of(probing, hop);
	atomic_store(&hop->mtu, size ? size : UINT32_MAX);
	atomic_store(&hop->fragment, pathmtu_needs_fragments(&probing->core));
	if (pathmtu_gso_is_lost(&probing->core))
		dataplane_peer_gso_off(peer, ETIMEDOUT);
	if (size && size != probing->told) {
		probing->told = size;
		if (dp->ops->path_mtu)
			dp->ops->path_mtu(dp->arg, peer, size);
	}
}

/* 0 or -errno. */
static int send_probe(struct dp_peer *peer, const struct pathmtu_probe *probe)
{
	struct peer_message messages[DP_MESSAGES_MAX];

	for (uint8_t i = 0; i < probe->count; i++)
		messages[i] = (struct peer_message){
			.kind = PEER_MESSAGE_PROBE,
			.lanes = (uint8_t)dataplane_lanes(peer->dp),
			.probed = probe->size,
			.token = probe->token + i,
		};
	return dp_message_send(peer, messages, probe->count);
}

/* Sends what is due. Without a session there is no path to speak of, until there is one. */
static void pump(struct dp_path_mtu *probing, uint64_t now_ns)
{
	struct pathmtu_probe probe;

	if (probing->peer->hop && atomic_load(&probing->peer->hop->route.gso_error))
		pathmtu_without_gso(&probing->core);
	while (pathmtu_poll_output(&probing->core, &probe)) {
		int err = send_probe(probing->peer, &probe);

		if (err == -EMSGSIZE)
			pathmtu_refused(&probing->core, probe.size, now_ns);
		if (err == -ENOKEY || err == -EDESTADDRREQ)
			pathmtu_stop(&probing->core);
		/* Whatever else: a probe that got lost. */
	}
	publish(probing);
	loop_timer_set(&probing->timer, pathmtu_next_timeout(&probing->core));
}

static void on_timer(void *arg, uint64_t now_ns)
{
	struct dp_path_mtu *probing = arg;

	/* Whoever sends a large packet from now on tells. */
	if (probing->peer->hop)
		atomic_store(&probing->peer->hop->watched, false);
	pathmtu_expire(&probing->core, now_ns);
	pump(probing, now_ns);
}

static struct dp_path_mtu *probing_of(struct dp_peer *peer)
{
	struct dp_path_mtu *probing = peer->probing;

	if (probing || !peer->dp->config.path_mtu)
		return probing;
	probing = calloc(1, sizeof(*probing));
	if (!probing)
		return NULL;
	probing->peer = peer;
	loop_timer_init(&probing->timer, peer->dp->loop, on_timer, probing);
	peer->probing = probing;
	return probing;
}

static void begin(struct dp_peer *peer)
{
	struct dp_path_mtu *probing;
	struct dp_hop *hop = peer->hop;
	struct pathmtu_config config;

	if (!hop || hop->path.kind != DP_PATH_UDP || !peer->current)
		return;
	probing = probing_of(peer);
	if (!probing)
		return;
	config = (struct pathmtu_config){
		.max = limit_of(peer->dp),
		.overhead = overhead_of(&hop->path),
		.gso = !peer->dp->config.no_udp_gso && !atomic_load(&hop->route.gso_error),
	};
	pathmtu_start(&probing->core, &config, clock_now_ns());
	pump(probing, clock_now_ns());
}

void dp_path_mtu_moved(struct dp_peer *peer)
{
	struct dp_hop *hop = peer->hop;

	if (peer->probing && (!hop || hop->path.kind == DP_PATH_NONE)) {
		dp_path_mtu_end(peer); /* an idle peer costs nothing */
		return;
	}
	if (peer->probing) {
		pathmtu_stop(&peer->probing->core);
		loop_timer_clear(&peer->probing->timer);
	}
	if (peer->dp->config.path_mtu)
		begin(peer);
}

void dp_path_mtu_session(struct dp_peer *peer)
{
	if (!peer->dp->config.path_mtu ||
	    (peer->probing && pathmtu_state(&peer->probing->core) != PATHMTU_DISABLED))
		return;
	begin(peer);
}

void dp_path_mtu_limit_changed(struct dp_peer *peer)
{
	if (peer->probing && pathmtu_state(&peer->probing->core) != PATHMTU_DISABLED &&
	    peer->probing->core.config.max != limit_of(peer->dp))
		begin(peer);
}

void dp_path_mtu_busy(struct dp_peer *peer)
{
	struct dp_path_mtu *probing = peer->probing;

	if (!probing)
		return;
	pathmtu_busy(&probing->core, clock_now_ns());
	loop_timer_set(&probing->timer, pathmtu_next_timeout(&probing->core));
}

void dp_path_mtu_answer(struct dp_peer *peer, uint32_t token, uint16_t size)
{
	struct dp_path_mtu *probing = peer->probing;
	uint64_t now_ns = clock_now_ns();

	if (!probing)
		return;
	pathmtu_answer(&probing->core, token, size, now_ns);
	pump(probing, now_ns);
}

void dp_path_mtu_end(struct dp_peer *peer)
{
	if (!peer->probing)
		return;
	loop_timer_clear(&peer->probing->timer);
	free(peer->probing);
	peer->probing = NULL;
}
