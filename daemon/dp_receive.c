#include "base/buf.h"
#include "base/clock.h"
#include "daemon/dp_core.h"
#include "daemon/dp_engine.h"
#include "proto/demux.h"
#include "proto/inner.h"
#include "proto/mask.h"
#include "proto/wg_message.h"

/* Handshakes and STUN are small; anything larger is neither. */
#define CONTROL_MESSAGE_MAX 2048

static void post(struct dp_engine *engine, enum dp_event_kind kind, const uint8_t *data, size_t len,
		 const struct dp_path *from)
{
	struct dp_event event = { .kind = kind, .path = *from, .len = len };

	/* Under a flood the queue fills and the rest is dropped, counted there. */
	if (len <= CONTROL_MESSAGE_MAX)
		dp_queue_push(&engine->events, &event, data);
}

static void wireguard(struct dp_engine *engine, uint8_t *data, size_t len,
		      const struct dp_path *from, uint8_t tos)
{
	if (data[0] == WG_DATA)
		dp_inbox_add(engine, data, len, from, tos);
	else if (wg_handshake_type(data, len))
		post(engine, DP_EVENT_HANDSHAKE, data, len, from);
}

/* A relay's ChannelData carries WireGuard, or what two daemons say to each other, in any form. */
static void channel_data(struct dp_engine *engine, uint8_t *data, size_t len,
			 const struct dp_path *from, uint8_t tos)
{
	uint8_t *payload = data + DEMUX_CHANNEL_HEADER;
	size_t payload_len = load_be16(data + 2);
	struct dp_path inside = *from;

	/* One level, with a length that is there (RFC 8656, 12.4). */
	if (from->channel || payload_len > len - DEMUX_CHANNEL_HEADER)
		return;
	inside.channel = load_be16(data);
	if (demux_datagram(payload, payload_len) == DEMUX_WIREGUARD)
		wireguard(engine, payload, payload_len, &inside, tos);
	else
		post(engine, DP_EVENT_OTHER, payload, payload_len, &inside);
}

/* Nothing but STUN comes like that; its answer is to go the same way. */
static void masked(struct dp_engine *engine, uint8_t *data, size_t len, const struct dp_path *from)
{
	struct dp_path inside = *from;

	inside.masked = true;
	mask_remove(data, len);
	if (demux_datagram(data + MASK_OVERHEAD, len - MASK_OVERHEAD) == DEMUX_STUN)
		post(engine, DP_EVENT_OTHER, data + MASK_OVERHEAD, len - MASK_OVERHEAD, &inside);
}

void dp_engine_input(struct dp_engine *engine, uint8_t *data, size_t len,
		     const struct dp_path *from, uint8_t tos)
{
	switch (demux_datagram(data, len)) {
	case DEMUX_WIREGUARD:
		wireguard(engine, data, len, from, tos);
		break;
	case DEMUX_STUN:
		post(engine, DP_EVENT_OTHER, data, len, from);
		break;
	case DEMUX_CHANNEL:
		channel_data(engine, data, len, from, tos);
		break;
	case DEMUX_MASKED:
		masked(engine, data, len, from);
		break;
	case DEMUX_UNKNOWN:
		break;
	}
}

/*
 * Answers go by the routing table from the address that was asked. The interface only belongs to
 * an address that means nothing without it: a route may well lead elsewhere than packets came from.
 */
static struct dp_path origin(const struct udp_message *message, uint32_t socket)
{
	return (struct dp_path){
		.kind = DP_PATH_UDP,
		.remote = message->from,
		.local = message->to,
		.ifindex = addr_is_link_local(&message->to) ? message->ifindex : 0,
		.socket = socket,
	};
}

/* Has the message waited for so long that its flow should be told? */
static bool is_congested(struct dp_backlog *backlog, const struct udp_message *message,
			 uint64_t wall_ns, uint64_t now_ns)
{
	uint64_t waited_ns = UINT64_MAX;

	/* A wall clock that was set back in between knows of no waiting. */
	if (message->arrived_ns)
		waited_ns = wall_ns > message->arrived_ns ? wall_ns - message->arrived_ns : 0;
	return dp_backlog_take(backlog, message->len, waited_ns, now_ns);
}

bool dp_engine_receive(struct dp_engine *engine, struct dp_socket *socket)
{
	struct dp_backlog *backlog = &socket->backlog;
	uint64_t wall_ns = clock_wall_ns();
	size_t count;

	dp_backlog_turn(backlog, engine->now_ns);
	count = udp_receive(engine->receiver, socket->fd);
	/* Before they are taken: there is no queue behind the last of them. */
	if (count < udp_receiver_count(engine->receiver))
		dp_backlog_emptied(backlog);
	for (size_t i = 0; i < count; i++) {
		struct udp_message *message = udp_receiver_message(engine->receiver, i);
		struct dp_path from = origin(message, socket->number);
		bool congested = is_congested(backlog, message, wall_ns, engine->now_ns);

		for (size_t at = 0; at < message->len; at += message->segment) {
			size_t left = message->len - at;

			/* As if the network had marked it: one packet of a message is enough. */
			dp_engine_input(engine, message->data + at,
					left < message->segment ? left : message->segment, &from,
					congested && !at ? message->tos | ECN_CE : message->tos);
		}
	}
	/* What was opened lies in the receiver's buffers. */
	dp_inbox_flush(engine);
	return count > 0;
}
