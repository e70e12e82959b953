#include "tests/support/load_node.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "crypto/dh.h"
#include "crypto/rng.h"
#include "daemon/control_client.h"
#include "proto/control_channel.h"

static void set_timer(struct load_node *node, uint64_t at_ns)
{
	if (timer_heap_set(&node->fleet->timers, &node->timer, at_ns) < 0)
		abort();
}

/* As the daemon's control client does it. */
static uint64_t retry_delay_ns(const struct load_node *node)
{
	uint64_t bound_ms = CONTROL_RETRY_FIRST_MS;

	for (unsigned int i = 1; i < node->failures && bound_ms < CONTROL_RETRY_MAX_MS; i++)
		bound_ms *= 2;
	if (bound_ms > CONTROL_RETRY_MAX_MS)
		bound_ms = CONTROL_RETRY_MAX_MS;
	return (50 + randombytes_uniform((uint32_t)bound_ms)) * NS_PER_MS;
}

static void hang_up(struct load_node *node)
{
	load_link_close(&node->link);
	control_channel_free(node->channel);
	node->channel = NULL;
	node->ping_sent_ns = 0;
}

static void fail(struct load_node *node)
{
	bool was_ready = node->state == LOAD_NODE_READY;

	if (node->state == LOAD_NODE_IDLE || node->state == LOAD_NODE_WAITING)
		return;
	hang_up(node);
	node->failures++;
	node->state = LOAD_NODE_WAITING;
	set_timer(node, node->fleet->now_ns + retry_delay_ns(node));
	node->fleet->lost(node->fleet->arg, node, was_ready);
}

static void flush_frames(struct load_node *node)
{
	const uint8_t *frame;
	size_t len;

	while (node->channel && control_channel_poll_frame(node->channel, &frame, &len))
		if (load_link_send(&node->link, frame, len) < 0) {
			fail(node);
			return;
		}
}

int load_node_send(struct load_node *node, const struct control_message *message)
{
	char *json;
	size_t len;
	int err;

	if (!node->channel)
		return -1;
	err = control_encode(message, &json, &len);
	if (err < 0)
		return err;
	err = control_channel_send(node->channel, json, len);
	free(json);
	if (err == 0)
		flush_frames(node);
	return err;
}

static void send_ping(struct load_node *node)
{
	struct control_message message = { .type = CONTROL_PING };

	node->ping_sent_ns = node->fleet->now_ns;
	message.ping.sent_ns = clock_now_ns();
	message.ping.time_s = clock_wall_s();
	set_timer(node, node->fleet->now_ns + CONTROL_PONG_TIMEOUT_S * NS_PER_S);
	load_node_send(node, &message);
}

static void fill_facts(const struct load_node *node, struct control_facts *facts)
{
	if (node->facts) {
		*facts = *node->facts;
		return;
	}
	strcpy(facts->hostname, "load");
	strcpy(facts->version, WARREN_VERSION);
	strcpy(facts->os, "Debian GNU/Linux 12 (bookworm)");
}

static void greet(struct load_node *node)
{
	const uint8_t *hash = control_channel_handshake_hash(node->channel);
	struct control_message message = { .type = node->enrolled ? CONTROL_LOGIN : CONTROL_ENROL };
	struct control_enrol *enrol = &message.enrol;
	struct control_login *login = &message.login;
	uint8_t *proof = node->enrolled ? login->proof : enrol->proof;

	if (node->enrolled) {
		memcpy(login->device_key, node->device_key, 32);
		memcpy(login->wireguard_key, node->box_key, 32);
		login->time_s = clock_wall_s();
		login->map_version = node->map ? node->map->version : 0;
		fill_facts(node, &login->facts);
	} else {
		memcpy(enrol->key_id, node->token->key_id, sizeof(enrol->key_id));
		memcpy(enrol->secret, node->token->secret, sizeof(enrol->secret));
		memcpy(enrol->device_key, node->device_key, 32);
		memcpy(enrol->wireguard_key, node->box_key, 32);
		enrol->time_s = clock_wall_s();
		fill_facts(node, &enrol->facts);
	}
	control_proof_sign(proof, node->device_secret, hash);
	load_node_send(node, &message);
}

static void take_welcome(struct load_node *node, const struct control_welcome *welcome)
{
	trust_init(&node->trust.trust, welcome->network_id, welcome->authority_key);
	node->enrolled = true;
	node->failures = 0;
	node->state = LOAD_NODE_WELCOME;
	send_ping(node);
}

/* Waits for an admin, and pings meanwhile. */
static void take_pending(struct load_node *node, const struct control_pending *pending)
{
	node->enrolled = true;
	node->failures = 0;
	node->state = LOAD_NODE_WELCOME;
	send_ping(node);
	if (node->fleet->pending)
		node->fleet->pending(node->fleet->arg, node, pending);
}

static void take_map(struct load_node *node, const struct control_message *message)
{
	struct load_fleet *fleet = node->fleet;
	const struct control_document *document = &message->document;
	bool whole = message->type == CONTROL_MAP;
	struct netmap *map;
	int err = 0;

	node->map_ns = fleet->now_ns;
	if (node->checks && whole)
		err = netmap_parse(&map, document->data, document->len, &node->trust);
	else if (node->checks)
		err = node->map ? netmap_apply(&map, node->map, document->data, document->len,
					       &node->trust)
				: -1;
	if (err < 0) {
		fleet->broken(fleet->arg, node, whole ? "map" : "delta");
		return;
	}
	if (node->checks) {
		netmap_free(node->map);
		node->map = map;
	}
	fleet->map(fleet->arg, node, whole, document->len);
}

static void take_pong(struct load_node *node, const struct control_ping *pong)
{
	struct load_fleet *fleet = node->fleet;

	if (!node->ping_sent_ns)
		return;
	node->ping_sent_ns = 0;
	set_timer(node, fleet->now_ns + CONTROL_PING_INTERVAL_S * NS_PER_S);
	fleet->pong(fleet->arg, node, clock_now_ns() - pong->sent_ns);
}

/* The last that a node gets when it comes: the map was before it. */
static void take_relays(struct load_node *node)
{
	if (node->state != LOAD_NODE_WELCOME)
		return;
	node->state = LOAD_NODE_READY;
	node->ready_ns = clock_now_ns();
	node->fleet->ready(node->fleet->arg, node);
}

static void take_message(struct load_node *node, struct control_message *message)
{
	struct load_fleet *fleet = node->fleet;

	switch (message->type) {
	case CONTROL_WELCOME:
		take_welcome(node, &message->welcome);
		break;
	case CONTROL_PENDING:
		take_pending(node, &message->pending);
		break;
	case CONTROL_MAP:
	case CONTROL_DELTA:
		take_map(node, message);
		break;
	case CONTROL_RELAYS:
		take_relays(node);
		break;
	case CONTROL_PONG:
		take_pong(node, &message->ping);
		break;
	case CONTROL_PING:
		message->type = CONTROL_PONG;
		load_node_send(node, message);
		break;
	case CONTROL_SIGNAL:
		fleet->signal(fleet->arg, node, &message->signal);
		break;
	case CONTROL_PRESENCE:
		fleet->presence(fleet->arg, node, message->presence.count);
		break;
	case CONTROL_ERROR:
	case CONTROL_REVOKED:
		fleet->error(fleet->arg, node, &message->error);
		break;
	default:
		break;
	}
}

static void on_opened(void *arg)
{
	flush_frames(arg);
}

static void on_frame(void *arg, uint8_t *data, size_t len)
{
	struct load_node *node = arg;
	struct control_message message;
	bool was_ready = control_channel_ready(node->channel);
	char *json;
	size_t json_len;

	if (control_channel_input(node->channel, data, len) < 0) {
		node->fleet->broken(node->fleet->arg, node, "frame");
		fail(node);
		return;
	}
	if (!was_ready && control_channel_ready(node->channel))
		greet(node);
	if (!node->channel || !control_channel_poll_message(node->channel, &json, &json_len))
		return;
	if (control_parse(&message, json, json_len) < 0) {
		node->fleet->broken(node->fleet->arg, node, "message");
		return;
	}
	take_message(node, &message);
	control_message_clear(&message);
}

void load_node_init(struct load_node *node, struct load_fleet *fleet, const struct token *token)
{
	node->fleet = fleet;
	node->token = token;
	node->link.opened = on_opened;
	node->link.message = on_frame;
	node->link.arg = node;
	crypto_sign_keypair(node->device_key, node->device_secret);
	crypto_box_keypair(node->box_key, node->box_secret);
	memcpy(node->trust.node_key, node->device_key, 32);
}

void load_node_clear(struct load_node *node)
{
	load_node_stop(node);
	netmap_free(node->map);
	node->map = NULL;
}

void load_node_start(struct load_node *node)
{
	struct rng rng = rng_system();

	node->state = LOAD_NODE_OPENING;
	node->dialled_ns = clock_now_ns();
	set_timer(node, node->fleet->now_ns + CONTROL_WELCOME_LIMIT_S * NS_PER_S);
	if (control_channel_new_node(&node->channel, node->box_secret, node->token->coordinator_key,
				     &rng, CONTROL_COORD_MAX) < 0)
		abort();
	if (load_link_open(&node->link, node->fleet->tls, node->fleet->epoll, &node->fleet->to,
			   node->fleet->to_len) < 0)
		fail(node);
}

void load_node_stop(struct load_node *node)
{
	hang_up(node);
	timer_heap_remove(&node->fleet->timers, &node->timer);
	node->state = LOAD_NODE_IDLE;
}

void load_node_event(struct load_node *node, uint32_t events)
{
	if (node->link.state == LOAD_LINK_CLOSED)
		return;
	if (load_link_ready(&node->link, events) < 0)
		fail(node);
}

void load_node_expire(struct load_node *node)
{
	timer_heap_remove(&node->fleet->timers, &node->timer);
	if (node->state == LOAD_NODE_WAITING)
		load_node_start(node);
	else if (node->link.deaf)
		return; /* neither asks nor minds */
	else if (node->state >= LOAD_NODE_WELCOME && !node->ping_sent_ns)
		send_ping(node);
	else
		fail(node); /* no welcome, or no pong */
}
