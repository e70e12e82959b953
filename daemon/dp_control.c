#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/map.h"
#include "crypto/rng.h"
#include "daemon/dp_core.h"
#include "daemon/dp_index.h"
#include "daemon/dp_keypair.h"
#include "daemon/dp_message.h"
#include "daemon/dp_path_mtu.h"
#include "daemon/dp_peer.h"
#include "proto/allowedips.h"
#include "proto/demux.h"
#include "proto/mask.h"

/*
 * What passes between the control thread's owner and the engines besides packets' own ways: events
 * upwards, single messages downwards.
 */

/* Handshake and STUN messages with a channel's header. */
#define MESSAGE_MAX 2048

/* Larger ones may be fragmented. */
#define WHOLE_MAX 1200

/* Receive calls on a control socket in one turn of the loop. */
#define RECEIVE_TURNS 4

/* Events of one engine in one turn of the loop. */
#define DISPATCH_MAX 1024

/* A packet that queued up behind a flush has found its session already. */
static void need_session(struct dataplane *dp, struct dp_peer *peer)
{
	struct dp_engine *engine = dp_control_engine(dp);
	bool sent;

	dp_engine_begin(engine);
	sent = dp_engine_flush_staged(engine, peer);
	dp_engine_end(engine);
	if (!sent)
		dp->ops->need_session(dp->arg, peer);
}

static void dispatch_peer(struct dataplane *dp, const struct dp_event *event)
{
	struct dp_peer *peer = map_find(dp->peers, &event->peer_id);
	struct dp_keypair *keypair;

	if (!peer)
		return; /* went away after the event was made */
	switch (event->kind) {
	case DP_EVENT_NEED_SESSION:
		need_session(dp, peer);
		break;
	case DP_EVENT_CONFIRMED:
		keypair = dp_index_find(dp->indexes, event->local_index);
		if (keypair && keypair->peer == peer)
			dp->ops->keypair_confirmed(dp->arg, peer, keypair);
		break;
	case DP_EVENT_PATH_SEEN:
		dp->ops->path_seen(dp->arg, peer, &event->path);
		break;
	case DP_EVENT_LARGE:
		dp_path_mtu_busy(peer);
		break;
	case DP_EVENT_MESSAGE:
		dp_message_dispatch(peer, event);
		break;
	case DP_EVENT_ACTIVITY:
		dp->ops->activity(dp->arg, peer, event->notices);
		break;
	case DP_EVENT_GSO_OFF:
		if (dp->ops->gso_off)
			dp->ops->gso_off(dp->arg, peer, event->error);
		break;
	default:
		break;
	}
}

static void dispatch(struct dataplane *dp, const struct dp_event *event)
{
	const uint8_t *data = (const uint8_t *)(event + 1);

	switch (event->kind) {
	case DP_EVENT_HANDSHAKE:
		dp->ops->handshake_message(dp->arg, data, event->len, &event->path);
		break;
	case DP_EVENT_OTHER:
		dp->ops->other_message(dp->arg, data, event->len, &event->path);
		break;
	case DP_EVENT_STREAM:
		dp->ops->stream_output(dp->arg, event->stream, data, event->len);
		break;
	default:
		dispatch_peer(dp, event);
	}
}

/* True when more is left: other work of the loop comes in between. */
static bool dispatch_queue(struct dataplane *dp, struct dp_queue *queue)
{
	const struct dp_event *event;

	dp_queue_begin(queue);
	for (int i = 0; i < DISPATCH_MAX; i++) {
		event = dp_queue_peek(queue);
		if (!event)
			return false;
		dispatch(dp, event);
		dp_queue_pop(queue);
	}
	return true;
}

/*
 * In place: the ring's only writer is this thread, so that what was popped stays there until the
 * engine ends.
 */
static void open_input(struct dataplane *dp)
{
	struct dp_engine *engine = dp_control_engine(dp);
	const struct dp_event *event;

	dp_queue_begin(&dp->input);
	if (!dp_queue_peek(&dp->input))
		return;
	dp_engine_begin(engine);
	while ((event = dp_queue_peek(&dp->input))) {
		dp_engine_input(engine, (uint8_t *)(uintptr_t)(event + 1), event->len, &event->path,
				0);
		dp_queue_pop(&dp->input);
	}
	dp_engine_end(engine);
}

void dp_control_receive(struct dataplane *dp, uint32_t number, bool six)
{
	struct dp_engine *engine = dp_control_engine(dp);
	bool more = true;

	for (int i = 0; more && i < RECEIVE_TURNS; i++) {
		struct dp_socket *socket;

		dp_engine_begin(engine);
		/* Whoever was told of the last turn's messages may have released it. */
		socket = dp_engine_socket(engine, number, six);
		more = socket && dp_engine_receive(engine, socket);
		dp_engine_end(engine);
		dp_dispatch(dp);
	}
}

void dp_dispatch(struct dataplane *dp)
{
	uint64_t one = 1;
	bool more = false;

	open_input(dp);
	for (unsigned int i = 0; i <= dp->workers; i++)
		more |= dispatch_queue(dp, &dp->engines[i]->events);
	if (more && write(dp->wake_fd, &one, sizeof(one)) < 0)
		return; /* the counter is at its end, which wakes as well */
}

int dataplane_send(struct dataplane *dp, const struct dp_path *path, const uint8_t *data,
		   size_t len, uint8_t tos, uint8_t ttl)
{
	const struct rng rng = rng_system();
	struct dp_engine *engine = dp_control_engine(dp);
	size_t prefix = path->channel ? DP_CHANNEL_HEADER : 0;
	bool mask = path->masked && demux_datagram(data, len) == DEMUX_STUN;
	struct udp_datagram datagram;
	struct dp_socket *socket;
	struct udp_route route;
	uint8_t message[MESSAGE_MAX];
	int err = 0;

	if (mask)
		prefix = MASK_OVERHEAD;
	if (len + prefix > sizeof(message))
		return -EMSGSIZE;
	if (mask) {
		mask_apply(message, data, len, &rng);
	} else {
		if (prefix) {
			store_be16(message, path->channel);
			store_be16(message + 2, (uint16_t)len);
		}
		memcpy(message + prefix, data, len);
	}
	len += prefix;
	if (path->kind == DP_PATH_STREAM) {
		dp->ops->stream_output(dp->arg, path->stream, message, len);
		return 0;
	}
	udp_route_init(&route, &path->remote, &path->local, path->ifindex);
	if (path->kind != DP_PATH_UDP || !route.to_len)
		return -EDESTADDRREQ;
	datagram = (struct udp_datagram){ .route = &route,
					  .data = message,
					  .len = len,
					  .segment = (uint16_t)len,
					  .tos = tos,
					  .ttl = ttl };
	socket = dp_engine_socket(engine, path->socket, route.to.sa.sa_family == AF_INET6);
	if (!socket)
		return -EBADF;
	/* Packets inside a relay's indications are longer than anybody probed. */
	udp_send(len > WHOLE_MAX ? socket->fragment_fd : socket->fd, &datagram, 1, &err);
	return err;
}

static void free_routes(struct rcu_head *rcu)
{
	struct dp_routes *routes = dp_rcu_released(rcu, struct dp_routes);

	allowedips_free(routes->table);
	free(routes);
}

void dp_routes_replace(struct dataplane *dp, struct dp_routes *routes)
{
	struct dp_routes *old = dp->routes;

	dp_rcu_publish(dp->routes, routes);
	if (old)
		dp_rcu_defer(&old->rcu, free_routes);
}

int dataplane_allowed_ips_commit(struct dataplane *dp)
{
	struct dp_routes *routes = calloc(1, sizeof(*routes));

	if (!routes)
		return -ENOMEM;
	routes->table = allowedips_copy(dp->allowed);
	if (!routes->table) {
		free(routes);
		return -ENOMEM;
	}
	dp_routes_replace(dp, routes);
	dp_peers_leave(dp);
	return 0;
}

void dp_leave_run(void *arg, uint64_t now_ns)
{
	struct dataplane *dp = arg;

	(void)now_ns;
	if (dataplane_allowed_ips_commit(dp) == 0)
		return;
	/* Out of memory the old table would still lead to them: then no routes instead. */
	dp_routes_replace(dp, NULL);
	dp_peers_leave(dp);
}

int dataplane_allowed_ip_set(struct dp_peer *peer, const struct prefix *prefix)
{
	return allowedips_insert(peer->dp->allowed, prefix, &peer->prefixes);
}

void dataplane_allowed_ip_remove(struct dp_peer *peer, const struct prefix *prefix)
{
	allowedips_remove(peer->dp->allowed, prefix, &peer->prefixes);
}

void dataplane_allowed_ips_clear(struct dp_peer *peer)
{
	allowedips_remove_owner(peer->dp->allowed, &peer->prefixes);
}

bool dataplane_allowed_ip_next(const struct dp_peer *peer, size_t *cursor, struct prefix *prefix)
{
	return allowedips_next(peer->dp->allowed, &peer->prefixes, cursor, prefix);
}
