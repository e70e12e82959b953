#include "proto/relay_client.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "proto/relay_client_core.h"

#define QUEUE_MAX 128 /* messages of relay_client_send that wait for poll_output */

struct frame {
	struct frame *next;
	size_t len;
	uint8_t data[];
};

struct relay_client *relay_client_new(const struct relay_client_config *config,
				      const struct rng *rng, uint64_t now_ns)
{
	struct relay_client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->rng = rng;
	client->now_ns = now_ns;
	client->turn = config->turn;
	client->credentials_ns = now_ns;
	client->queue_tail = &client->queue;
	memcpy(client->node_key, config->node_key, STUN_KEY_SIZE);
	client->by_key = map_new(STUN_KEY_SIZE, RELAY_CLIENT_PEERS_MAX);
	if (!client->by_key ||
	    relay_client_set_credentials(client, config->username, config->password) < 0) {
		relay_client_free(client);
		return NULL;
	}
	relay_client_moved(client, config->transport, now_ns);
	return client;
}

static void drop_frame(struct relay_client *client)
{
	struct frame *frame = client->queue;

	client->queue = frame->next;
	if (!client->queue)
		client->queue_tail = &client->queue;
	client->queue_len--;
	free(frame);
}

void relay_client_free(struct relay_client *client)
{
	if (!client)
		return;
	while (client->queue)
		drop_frame(client);
	for (size_t i = 0; i < client->peer_count; i++)
		free(client->peers[i]);
	map_free(client->by_key);
	sodium_memzero(client->password, sizeof(client->password));
	sodium_memzero(client->next_password, sizeof(client->next_password));
	sodium_memzero(client->key, sizeof(client->key));
	free(client);
}

/* ---- data ---- */

static struct frame *push_frame(struct relay_client *client, size_t len)
{
	struct frame *frame = malloc(sizeof(*frame) + len);

	if (!frame)
		return NULL;
	if (client->queue_len == QUEUE_MAX)
		drop_frame(client);
	frame->next = NULL;
	frame->len = len;
	*client->queue_tail = frame;
	client->queue_tail = &frame->next;
	client->queue_len++;
	return frame;
}

int relay_client_send(struct relay_client *client, const uint8_t peer_key[static STUN_KEY_SIZE],
		      const uint8_t *data, size_t len, uint64_t now_ns)
{
	uint16_t channel = relay_client_channel(client, peer_key);
	const struct relay_peer *peer = map_find(client->by_key, peer_key);
	struct frame *frame;

	client->now_ns = now_ns;
	if (len + RELAY_DATA_OVERHEAD > RELAY_MESSAGE_MAX)
		return -EMSGSIZE;
	if (client->state != RELAY_REGISTERED ||
	    (client->turn && (!peer || peer->address.addr.family == AF_UNSPEC)))
		return -ENOTCONN;
	/* From another address only requests and indications are sure to find us known there. */
	if (channel && !client->announce) {
		frame = push_frame(client, len + RELAY_CHANNEL_HEADER);
		if (!frame)
			return -ENOMEM;
		store_be16(frame->data, channel);
		store_be16(frame->data + 2, (uint16_t)len);
		memcpy(frame->data + RELAY_CHANNEL_HEADER, data, len);
	} else {
		uint8_t transaction[STUN_TRANSACTION_SIZE];
		struct stun_builder b;

		frame = push_frame(client, len + RELAY_DATA_OVERHEAD);
		if (!frame)
			return -ENOMEM;
		rng_fill(client->rng, transaction, sizeof(transaction));
		stun_begin(&b, frame->data, frame->len, STUN_INDICATION, STUN_SEND, transaction);
		if (client->turn)
			stun_add_endpoint(&b, STUN_ATTR_XOR_PEER_ADDRESS, &peer->address);
		else
			stun_add(&b, STUN_ATTR_NODE_KEY, peer_key, STUN_KEY_SIZE);
		stun_add(&b, STUN_ATTR_DATA, data, len);
		stun_end(&b, &frame->len); /* RELAY_DATA_OVERHEAD made room */
	}
	return 0;
}

size_t relay_client_poll_output(struct relay_client *client, uint8_t *buf, size_t cap)
{
	size_t len;

	if (client->detached)
		return 0;
	len = relay_client_poll_request(client, buf, cap);
	if (len || !client->queue)
		return len;
	len = client->queue->len;
	if (len <= cap)
		memcpy(buf, client->queue->data, len);
	else
		len = 0;
	drop_frame(client);
	return len;
}

static void data_event(struct relay_client *client, const uint8_t peer[static STUN_KEY_SIZE],
		       const uint8_t *data, size_t len)
{
	memcpy(client->data_peer, peer, STUN_KEY_SIZE);
	client->data = data;
	client->data_len = len;
}

static int on_channel_data(struct relay_client *client, const uint8_t *data, size_t len)
{
	const uint8_t *payload;
	size_t payload_len;
	uint16_t channel;
	uint8_t peer[STUN_KEY_SIZE];

	if (relay_channel_parse(data, len, &channel, &payload, &payload_len) < 0)
		return -EBADMSG;
	if (!relay_client_channel_peer(client, channel, peer))
		return -ENOENT;
	relay_client_heard(client);
	data_event(client, peer, payload, payload_len);
	return 0;
}

/* A Data indication of a TURN server (RFC 8656 section 11.4). */
static int on_data_from(struct relay_client *client, const struct stun_message *msg)
{
	const struct relay_peer *peer;
	const uint8_t *payload;
	struct endpoint from;
	size_t len;

	payload = stun_find(msg, STUN_ATTR_DATA, &len);
	if (msg->method != STUN_DATA || !payload ||
	    stun_get_endpoint(msg, STUN_ATTR_XOR_PEER_ADDRESS, &from) < 0)
		return -EBADMSG;
	peer = relay_client_peer_at(client, &from);
	if (!peer)
		return -ENOENT;
	relay_client_heard(client);
	data_event(client, peer->key, payload, len);
	return 0;
}

static int on_data(struct relay_client *client, const struct stun_message *msg)
{
	const uint8_t *payload;
	const uint8_t *peer_key;
	struct relay_peer *peer;
	unsigned int code;
	size_t len;

	if (msg->method != STUN_DATA || stun_get_node_key(msg, &peer_key) < 0)
		return -EBADMSG;
	peer = map_find(client->by_key, peer_key);
	if (stun_get_error(msg, &code) == 0) {
		if (peer && code == RELAY_ERR_PEER_ABSENT)
			relay_client_peer_absent(client, peer);
		return 0;
	}
	payload = stun_find(msg, STUN_ATTR_DATA, &len);
	if (!payload)
		return -EBADMSG;
	relay_client_heard(client);
	if (peer)
		relay_client_peer_present(client, peer);
	data_event(client, peer_key, payload, len);
	return 0;
}

int relay_client_input(struct relay_client *client, const uint8_t *data, size_t len,
		       uint64_t now_ns)
{
	struct stun_message msg;

	client->now_ns = now_ns;
	client->data = NULL;
	if (len >= RELAY_CHANNEL_HEADER && (data[0] & 0xf0) == 0x40)
		return on_channel_data(client, data, len);
	if (stun_parse(&msg, data, len) < 0)
		return -EBADMSG;
	if (msg.class == STUN_INDICATION)
		return client->turn ? on_data_from(client, &msg) : on_data(client, &msg);
	return relay_client_response(client, &msg);
}

/* ---- events ---- */

static bool poll_own_event(struct relay_client *client, struct relay_event *event)
{
	static const struct {
		unsigned int bit;
		enum relay_event_type type;
	} order[] = {
		{ RELAY_NEWS_LOST, RELAY_EVENT_LOST },
		{ RELAY_NEWS_ALTERNATE, RELAY_EVENT_ALTERNATE },
		{ RELAY_NEWS_REFUSED, RELAY_EVENT_REFUSED },
		{ RELAY_NEWS_REGISTERED, RELAY_EVENT_REGISTERED },
		{ RELAY_NEWS_MAPPED, RELAY_EVENT_MAPPED },
	};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (!(client->news & order[i].bit))
			continue;
		client->news &= ~order[i].bit;
		event->type = order[i].type;
		event->mapped =
			event->type == RELAY_EVENT_ALTERNATE ? client->alternate : client->mapped;
		event->error = client->error;
		return true;
	}
	return false;
}

static bool poll_peer_event(struct relay_client *client, struct relay_event *event)
{
	if (!client->peer_news)
		return false;
	for (size_t i = 0; i < client->peer_count; i++) {
		struct relay_peer *peer = client->peers[i];

		if (!peer || !peer->has_news)
			continue;
		peer->has_news = false;
		client->peer_news--;
		event->type = peer->news;
		event->channel = peer->number;
		memcpy(event->peer, peer->key, STUN_KEY_SIZE);
		return true;
	}
	return false;
}

bool relay_client_poll_event(struct relay_client *client, struct relay_event *event)
{
	memset(event, 0, sizeof(*event));
	if (poll_own_event(client, event) || poll_peer_event(client, event))
		return true;
	if (!client->data)
		return false;
	event->type = RELAY_EVENT_DATA;
	memcpy(event->peer, client->data_peer, STUN_KEY_SIZE);
	event->data = client->data;
	event->len = client->data_len;
	client->data = NULL;
	return true;
}

bool relay_client_registered(const struct relay_client *client)
{
	return client->state == RELAY_REGISTERED;
}

uint64_t relay_client_rtt_ns(const struct relay_client *client)
{
	return client->rtt_ns;
}

struct endpoint relay_client_relayed(const struct relay_client *client)
{
	return client->relayed;
}

struct endpoint relay_client_mapped(const struct relay_client *client)
{
	return client->mapped;
}

uint16_t relay_client_second_port(const struct relay_client *client)
{
	return client->second_port;
}
