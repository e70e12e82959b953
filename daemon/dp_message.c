#include "daemon/dp_message.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "daemon/dp_core.h"
#include "daemon/dp_keypair.h"
#include "daemon/dp_path_mtu.h"
#include "daemon/dp_peer.h"
#include "proto/peer_message.h"
#include "proto/wg_message.h"

/* What a peer may say in so much time: several rounds of probes. */
#define WINDOW_NS  (100 * NS_PER_MS)
#define WINDOW_MAX 64

static int send_by(struct dp_peer *peer, const struct dp_path *path,
		   const struct peer_message *message);

/* Engines may count at once; that some get through twice at a boundary is no harm. */
static bool within_rate(struct dp_peer *peer, uint64_t now_ns)
{
	uint64_t begun = atomic_load_explicit(&peer->messages_since_ns, memory_order_relaxed);

	if (now_ns >= begun + WINDOW_NS) {
		atomic_store_explicit(&peer->messages_since_ns, now_ns, memory_order_relaxed);
		atomic_store_explicit(&peer->messages, 0, memory_order_relaxed);
	}
	return atomic_fetch_add_explicit(&peer->messages, 1, memory_order_relaxed) < WINDOW_MAX;
}

void dp_message_take(struct dp_engine *engine, struct dp_peer *peer, const struct dp_path *from,
		     const uint8_t *data, size_t len)
{
	struct dp_event event = { .kind = DP_EVENT_MESSAGE, .peer_id = peer->id, .path = *from };
	struct peer_message message;

	if (!dp_speaks(engine->dp) || peer_message_parse(&message, data, len) < 0 ||
	    !within_rate(peer, engine->now_ns))
		return;
	event.len = sizeof(message);
	dp_queue_push(&engine->events, &event, (const uint8_t *)&message);
}

static void answer(struct dp_peer *peer, const struct peer_message *probe)
{
	const struct peer_message message = {
		.kind = PEER_MESSAGE_ANSWER,
		.lanes = (uint8_t)dataplane_lanes(peer->dp),
		.probed = probe->probed,
		.token = probe->token,
	};

	/* Without a way back it is a probe that got lost. */
	(void)dp_message_send(peer, &message, 1);
}

static void answer_echo(struct dp_peer *peer, const struct peer_message *echo,
			const struct dp_path *from)
{
	const struct peer_message message = {
		.kind = PEER_MESSAGE_ECHO_ANSWER,
		.lanes = (uint8_t)dataplane_lanes(peer->dp),
		.probed = PEER_MESSAGE_SIZE,
		.token = echo->token,
		.expected = (uint32_t)atomic_load(&peer->rx_expected),
		.arrived = (uint32_t)atomic_load(&peer->rx_arrived),
	};

	if (!peer->dp->ops->may_answer || peer->dp->ops->may_answer(peer->dp->arg, peer, from))
		(void)send_by(peer, from, &message);
}

static void tell_echo(struct dp_peer *peer, const struct peer_message *answer)
{
	const struct dp_echo echo = { answer->token, answer->expected, answer->arrived };

	if (peer->dp->ops->echo)
		peer->dp->ops->echo(peer->dp->arg, peer, &echo);
}

void dp_message_dispatch(struct dp_peer *peer, const struct dp_event *event)
{
	struct peer_message message;

	memcpy(&message, event + 1, sizeof(message));
	dataplane_peer_set_lanes(peer, message.lanes);
	switch (message.kind) {
	case PEER_MESSAGE_PROBE:
		answer(peer, &message);
		break;
	case PEER_MESSAGE_ANSWER:
		dp_path_mtu_answer(peer, message.token, message.probed);
		break;
	case PEER_MESSAGE_ECHO:
		answer_echo(peer, &message, &event->path);
		break;
	case PEER_MESSAGE_ECHO_ANSWER:
		tell_echo(peer, &message);
		break;
	case PEER_MESSAGE_DOCUMENTS:
		if (peer->dp->ops->documents)
			peer->dp->ops->documents(peer->dp->arg, peer, message.held);
		break;
	case PEER_MESSAGE_ROUTES:
		if (peer->dp->ops->routes)
			peer->dp->ops->routes(peer->dp->arg, peer, message.expected, message.token);
		break;
	}
}

/* Writes one sealed message behind a channel's header; returns the bytes used. */
static size_t seal(struct dp_engine *engine, const struct dp_keypair *keypair, uint64_t counter,
		   const struct dp_hop *hop, const struct peer_message *message, uint8_t *out)
{
	size_t prefix = hop->path.channel ? DP_CHANNEL_HEADER : 0;
	size_t len = peer_message_len(message);
	uint8_t *sealed = out + prefix;
	struct aead_job job = {
		.in = sealed + DP_DATA_HEADER,
		.out = sealed + DP_DATA_HEADER,
		.len = len,
		.counter = counter,
	};

	if (prefix) {
		store_be16(out, hop->path.channel);
		store_be16(out + 2, (uint16_t)(len + DP_DATA_OVERHEAD));
	}
	store_le32(sealed, WG_DATA);
	store_le32(sealed + 4, keypair->remote_index);
	store_le64(sealed + 8, counter);
	peer_message_encode(message, sealed + DP_DATA_HEADER);
	aead_seal(engine->aead, keypair->first.send_key, &job, 1);
	return prefix + len + DP_DATA_OVERHEAD;
}

static int put_on_wire(struct dp_engine *engine, struct dp_hop *hop, size_t len, size_t segment)
{
	struct dataplane *dp = engine->dp;
	struct udp_datagram datagram = {
		.route = &hop->route,
		.data = engine->packet,
		.len = len,
		.segment = (uint16_t)segment,
	};
	struct dp_socket *socket =
		dp_engine_socket(engine, hop->path.socket, hop->route.to.sa.sa_family == AF_INET6);
	int err = 0;

	if (hop->path.kind == DP_PATH_STREAM) {
		for (size_t at = 0; at < len; at += segment)
			dp->ops->stream_output(dp->arg, hop->path.stream, engine->packet + at,
					       segment);
		return 0;
	}
	if (!socket)
		return -EBADF;
	if (socket->fd < 0)
		return -EAFNOSUPPORT;
	udp_send(socket->fd, &datagram, 1, &err);
	return err;
}

static int send_messages(struct dp_engine *engine, struct dp_peer *peer, struct dp_hop *hop,
			 const struct peer_message *messages, size_t count)
{
	struct dp_keypair *keypair = dp_rcu_load(peer->current);
	size_t segment = peer_message_len(messages) + DP_DATA_OVERHEAD;
	uint64_t counter;
	size_t len = 0;

	if (!keypair || !dp_keypair_usable(keypair, engine->now_ns))
		return -ENOKEY;
	if (!hop || hop->path.kind == DP_PATH_NONE)
		return -EDESTADDRREQ;
	segment += hop->path.channel ? DP_CHANNEL_HEADER : 0;
	if (count * segment > PACKET_MAX || count * segment > UDP_BYTES_MAX)
		return -EMSGSIZE;
	if (!dp_lane_reserve(&keypair->first, count, &counter))
		return -ENOKEY;
	/* Of this engine nobody reads the TUN into the buffer. */
	for (size_t i = 0; i < count; i++)
		len += seal(engine, keypair, counter + i, hop, &messages[i], engine->packet + len);
	dp_count(&peer->tx_bytes, len);
	if (hop == dp_rcu_load(peer->hop)) {
		atomic_store_explicit(&peer->last_tx_ns, engine->now_ns, memory_order_relaxed);
		atomic_store_explicit(&peer->unacked_since_ns, 0, memory_order_relaxed);
	}
	return put_on_wire(engine, hop, len, segment);
}

int dp_message_send(struct dp_peer *peer, const struct peer_message *messages, size_t count)
{
	struct dp_engine *engine = dp_control_engine(peer->dp);
	int err;

	dp_engine_begin(engine);
	err = send_messages(engine, peer, dp_rcu_load(peer->hop), messages, count);
	dp_engine_end(engine);
	return err;
}

/* By a path that need not be the peer's. */
static int send_by(struct dp_peer *peer, const struct dp_path *path,
		   const struct peer_message *message)
{
	struct dp_engine *engine = dp_control_engine(peer->dp);
	struct dp_hop hop = { .path = *path };
	int err;

	udp_route_init(&hop.route, &path->remote, &path->local, path->ifindex);
	if (path->kind == DP_PATH_UDP && !hop.route.to_len)
		return -EDESTADDRREQ;
	dp_engine_begin(engine);
	err = send_messages(engine, peer, &hop, message, 1);
	dp_engine_end(engine);
	return err;
}

int dataplane_peer_echo(struct dp_peer *peer, const struct dp_path *path, uint32_t token)
{
	const struct peer_message message = {
		.kind = PEER_MESSAGE_ECHO,
		.lanes = (uint8_t)dataplane_lanes(peer->dp),
		.probed = PEER_MESSAGE_SIZE,
		.token = token,
	};

	return dp_speaks(peer->dp) ? send_by(peer, path, &message) : -ENOKEY;
}

void dataplane_peer_greet(struct dp_peer *peer)
{
	const struct peer_message message = {
		.kind = PEER_MESSAGE_PROBE,
		.lanes = (uint8_t)dataplane_lanes(peer->dp),
		.probed = PEER_MESSAGE_SIZE,
	};

	/* Lost or not possible: the next session has another. */
	if (dp_speaks(peer->dp))
		(void)dp_message_send(peer, &message, 1);
}

int dataplane_peer_documents(struct dp_peer *peer,
			     const struct peer_message_held held[static PEER_MESSAGE_HELD])
{
	struct peer_message message = {
		.kind = PEER_MESSAGE_DOCUMENTS,
		.lanes = (uint8_t)dataplane_lanes(peer->dp),
		.probed = PEER_MESSAGE_SIZE,
	};

	memcpy(message.held, held, sizeof(message.held));
	return dp_speaks(peer->dp) ? dp_message_send(peer, &message, 1) : -ENOKEY;
}

int dataplane_peer_routes(struct dp_peer *peer, uint32_t serial, uint32_t down)
{
	const struct peer_message message = {
		.kind = PEER_MESSAGE_ROUTES,
		.lanes = (uint8_t)dataplane_lanes(peer->dp),
		.probed = PEER_MESSAGE_SIZE,
		.token = down,
		.expected = serial,
	};

	return dp_speaks(peer->dp) ? dp_message_send(peer, &message, 1) : -ENOKEY;
}
