#include "daemon/control_client.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "crypto/rng.h"
#include "daemon/http_proxy.h"
#include "io/loop.h"
#include "io/source.h"
#include "io/ws.h"
#include "proto/control_channel.h"

struct control_client {
	struct loop *loop;
	struct ws_client *ws;
	struct token_address addresses[TOKEN_ADDRESSES_MAX];
	size_t address_count;
	size_t next_address;
	uint8_t coordinator_key[32];
	uint8_t box_secret[32];
	const struct http_proxy *http_proxy;
	const struct control_client_ops *ops;
	void *arg;

	enum control_link link;
	struct ws_conn *conn;
	struct control_channel *channel;
	struct dial *dial;
	unsigned int failures;   /* since the last welcome */
	struct loop_timer timer; /* retry, welcome deadline, ping or pong deadline */
	uint64_t ping_sent_ns;   /* 0: no pong is awaited */
	bool checked;            /* the network changed, and no pong has come since */
	bool has_previous;
	uint8_t previous[32]; /* handshake hash of the last connection that was welcomed */
	double latency_ms;
	bool wants_report; /* said its latest pong */
};

/*
 * One connection's way back to its client. It outlives the client's interest in the connection:
 * `client` is NULL once the client has moved on, and the last callback frees it.
 */
struct dial {
	struct control_client *client;
	bool opened;
};

static void dial_now(struct control_client *client);

static void change_link(struct control_client *client, enum control_link link, const char *error)
{
	client->link = link;
	client->ops->changed(client->arg, link, error);
}

/* Lets go of the connection; its closed callback will find nobody. */
static void drop_connection(struct control_client *client)
{
	if (client->dial)
		client->dial->client = NULL;
	if (client->conn)
		ws_conn_close(client->conn);
	client->dial = NULL;
	client->conn = NULL;
	client->ping_sent_ns = 0;
	client->wants_report = false;
	control_channel_free(client->channel);
	client->channel = NULL;
}

/* Full jitter: a uniform wait below a bound that doubles, so that a thousand nodes spread out. */
static uint64_t retry_delay_ns(const struct control_client *client)
{
	uint64_t bound_ms = CONTROL_RETRY_FIRST_MS;
	unsigned int i;

	for (i = 1; i < client->failures && bound_ms < CONTROL_RETRY_MAX_MS; i++)
		bound_ms *= 2;
	if (bound_ms > CONTROL_RETRY_MAX_MS)
		bound_ms = CONTROL_RETRY_MAX_MS;
	return (50 + randombytes_uniform((uint32_t)bound_ms)) * NS_PER_MS;
}

void control_client_fail(struct control_client *client, const char *why)
{
	if (client->link == CONTROL_LINK_STOPPED)
		return;
	drop_connection(client);
	client->failures++;
	client->next_address = (client->next_address + 1) % client->address_count;
	loop_timer_set(&client->timer, loop_now_ns(client->loop) + retry_delay_ns(client));
	change_link(client, CONTROL_LINK_CONNECTING, why);
}

static void flush_frames(struct control_client *client)
{
	const uint8_t *frame;
	size_t len;

	while (control_channel_poll_frame(client->channel, &frame, &len)) {
		if (ws_conn_send(client->conn, frame, len) < 0) {
			control_client_fail(client, "the coordinator does not read");
			return;
		}
	}
}

static void send_ping(struct control_client *client)
{
	struct control_message message = { .type = CONTROL_PING };

	client->ping_sent_ns = clock_now_ns();
	message.ping.sent_ns = client->ping_sent_ns;
	message.ping.time_s = clock_wall_s();
	loop_timer_set(&client->timer, client->ping_sent_ns + CONTROL_PONG_TIMEOUT_S * NS_PER_S);
	control_client_send(client, &message);
}

static void take_pong(struct control_client *client, const struct control_ping *pong)
{
	if (!client->ping_sent_ns || pong->sent_ns != client->ping_sent_ns)
		return;
	client->latency_ms = (double)(clock_now_ns() - client->ping_sent_ns) / NS_PER_MS;
	client->ping_sent_ns = 0;
	client->checked = false;
	client->wants_report = pong->report;
	loop_timer_set(&client->timer,
		       loop_now_ns(client->loop) + CONTROL_PING_INTERVAL_S * NS_PER_S);
}

/* The coordinator asks whether this connection lives, because another claims our identity. */
static void answer_ping(struct control_client *client, const struct control_ping *ping)
{
	struct control_message message = { .type = CONTROL_PONG, .ping = *ping };

	control_client_send(client, &message);
}

static void on_timer(void *arg, uint64_t now_ns)
{
	struct control_client *client = arg;

	(void)now_ns;
	if (!client->conn)
		dial_now(client);
	else if (client->link == CONTROL_LINK_CONNECTING)
		control_client_fail(client, "the coordinator did not answer in time");
	else if (client->ping_sent_ns)
		control_client_fail(client, "the coordinator fell silent");
	else
		send_ping(client);
}

static void handle_text(struct control_client *client, const char *json, size_t len)
{
	struct control_message message;
	int err = control_parse(&message, json, len);

	if (err == -EPROTONOSUPPORT)
		return; /* something newer than this program */
	if (err < 0) {
		control_client_fail(client, "the coordinator sent a malformed message");
		return;
	}
	if (message.type == CONTROL_PONG)
		take_pong(client, &message.ping);
	else if (message.type == CONTROL_PING)
		answer_ping(client, &message.ping);
	else
		client->ops->message(client->arg, &message);
	control_message_clear(&message);
}

static void on_opened(struct ws_conn *conn, void *arg)
{
	struct dial *dial = arg;

	(void)conn;
	dial->opened = true;
	if (dial->client)
		flush_frames(dial->client);
}

static void on_message(struct ws_conn *conn, void *arg, const uint8_t *data, size_t len)
{
	struct dial *dial = arg;
	struct control_client *client = dial->client;
	bool was_ready;
	char *json;
	size_t json_len;

	(void)conn;
	if (!client)
		return;
	was_ready = control_channel_ready(client->channel);
	if (control_channel_input(client->channel, data, len) < 0) {
		control_client_fail(
			client,
			was_ready ? "a message from the coordinator is not authentic"
				  : "the coordinator does not hold the key that the token names");
		return;
	}
	if (!was_ready && control_channel_ready(client->channel))
		client->ops->greet(client->arg, control_channel_handshake_hash(client->channel));
	if (dial->client && control_channel_poll_message(client->channel, &json, &json_len))
		handle_text(client, json, json_len);
	if (dial->client)
		flush_frames(client);
}

static void explain_end(const struct control_client *client, char *text, size_t size, bool opened,
			enum ws_close why, const char *detail)
{
	const struct token_address *at = &client->addresses[client->next_address];
	const char *proxy = http_proxy_for(client->http_proxy, at->host)
				    ? http_proxy_name(client->http_proxy)
				    : NULL;

	if (!opened || why == WS_CLOSE_UNREACHABLE)
		snprintf(text, size, "cannot connect to %s port %u%s%s: %s", at->host, at->port,
			 proxy ? " through the proxy " : "", proxy ? proxy : "",
			 detail && detail[0] ? detail : "no answer");
	else if (!control_channel_ready(client->channel))
		/* It cannot read what was sealed for another key, so it just hangs up. */
		snprintf(text, size,
			 "the server at %s port %u is not the coordinator of this token; ask for a "
			 "new token",
			 at->host, at->port);
	else
		snprintf(text, size, "connection to %s lost: %s", at->host,
			 detail && detail[0] ? detail : "closed");
}

static void on_closed(struct ws_conn *conn, void *arg, enum ws_close why, const char *detail)
{
	struct dial *dial = arg;
	struct control_client *client = dial->client;
	bool opened = dial->opened;
	char text[512];

	(void)conn;
	free(dial);
	if (!client)
		return;
	client->dial = NULL;
	client->conn = NULL;
	explain_end(client, text, sizeof(text), opened, why, detail);
	control_client_fail(client, text);
}

/* Who may try another one soon does; when all were tried twice, the way there is slow. */
static uint64_t welcome_limit_s(const struct control_client *client)
{
	return client->address_count > 1 && client->failures < 2 * client->address_count
		       ? CONTROL_WELCOME_HURRY_S
		       : CONTROL_WELCOME_LIMIT_S;
}

static void dial_now(struct control_client *client)
{
	const struct token_address *address = &client->addresses[client->next_address];
	struct rng rng = rng_system();
	struct dial *dial = calloc(1, sizeof(*dial));
	struct ws_connect connect = {
		.host = address->host,
		.port = address->port,
		.path = CONTROL_CHANNEL_PATH,
		.protocol = CONTROL_CHANNEL_PROTOCOL,
		.http_proxy = http_proxy_for(client->http_proxy, address->host),
		.message_max = CONTROL_CHANNEL_FRAME_MAX,
		.queue = { .max = CONTROL_CHANNEL_QUEUE_MAX },
		.lost_s = client->address_count > 1 ? CONTROL_LOST_S : 0,
		.handler = { on_opened, on_message, on_closed },
		.arg = dial,
	};

	drop_connection(client);
	if (!dial ||
	    control_channel_new_node(&client->channel, client->box_secret, client->coordinator_key,
				     &rng, CONTROL_COORD_MAX) < 0) {
		free(dial);
		control_client_fail(client, "the coordinator's key in the token is no key");
		return;
	}
	dial->client = client;
	client->dial = dial;
	client->conn = ws_client_connect(client->ws, &connect);
	if (!client->conn) {
		free(dial);
		client->dial = NULL;
		control_client_fail(client, "out of memory");
		return;
	}
	loop_timer_set(&client->timer,
		       loop_now_ns(client->loop) + welcome_limit_s(client) * NS_PER_S);
}

int control_client_new(struct control_client **out, struct loop *loop, struct ws_client *ws,
		       const struct control_client_config *config,
		       const struct control_client_ops *ops, void *arg)
{
	struct control_client *client = calloc(1, sizeof(*client));

	if (!client)
		return -ENOMEM;
	client->http_proxy = config->http_proxy;
	client->loop = loop;
	client->ws = ws;
	client->address_count = config->address_count;
	/* Nodes spread over the coordinators. */
	client->next_address = randombytes_uniform((uint32_t)config->address_count);
	memcpy(client->addresses, config->addresses,
	       config->address_count * sizeof(*config->addresses));
	memcpy(client->coordinator_key, config->coordinator_key, 32);
	memcpy(client->box_secret, config->box_secret, 32);
	client->ops = ops;
	client->arg = arg;
	client->latency_ms = -1;
	loop_timer_init(&client->timer, loop, on_timer, client);
	*out = client;
	return 0;
}

void control_client_free(struct control_client *client)
{
	if (!client)
		return;
	loop_timer_clear(&client->timer);
	drop_connection(client);
	sodium_memzero(client->box_secret, sizeof(client->box_secret));
	free(client);
}

void control_client_start(struct control_client *client)
{
	if (client->link == CONTROL_LINK_OK)
		return;
	client->failures = 0;
	if (client->link == CONTROL_LINK_STOPPED)
		change_link(client, CONTROL_LINK_CONNECTING, NULL);
	if (!client->conn)
		dial_now(client);
}

/* Would the kernel still send from where this connection does? */
static bool holds_way(const struct control_client *client)
{
	const struct endpoint remote = ws_conn_remote(client->conn);
	struct ip_addr source, local;

	return ws_conn_local(client->conn, &local) == 0 && addr_len(&remote.addr) &&
	       source_address(&source, &remote) == 0 && addr_equal(&source, &local);
}

void control_client_redial(struct control_client *client)
{
	if (client->link == CONTROL_LINK_STOPPED)
		return;
	client->failures = 0;
	drop_connection(client);
	if (client->link != CONTROL_LINK_CONNECTING)
		change_link(client, CONTROL_LINK_CONNECTING, NULL);
	dial_now(client);
}

void control_client_network_changed(struct control_client *client)
{
	if (client->link == CONTROL_LINK_STOPPED)
		return;
	client->failures = 0;
	/* What is being dialled may have left by the old way. */
	if (client->link != CONTROL_LINK_OK || !holds_way(client)) {
		control_client_redial(client);
		return;
	}
	client->checked = true;
	send_ping(client);
	if (client->ping_sent_ns)
		loop_timer_set(&client->timer,
			       client->ping_sent_ns + CONTROL_CHECK_LIMIT_S * NS_PER_S);
}

static void settle(struct control_client *client, enum control_link link)
{
	bool pinging = client->link != CONTROL_LINK_CONNECTING;

	client->failures = 0;
	client->checked = false;
	memcpy(client->previous, control_channel_handshake_hash(client->channel), 32);
	client->has_previous = true;
	change_link(client, link, NULL);
	if (!pinging)
		send_ping(client);
}

void control_client_accept(struct control_client *client)
{
	settle(client, CONTROL_LINK_OK);
}

void control_client_wait(struct control_client *client)
{
	settle(client, CONTROL_LINK_WAITING);
}

int control_client_send(struct control_client *client, const struct control_message *message)
{
	char *json;
	size_t len;
	int err;

	if (!client->channel)
		return -ENOTCONN;
	err = control_encode(message, &json, &len);
	if (err < 0)
		return err;
	err = control_channel_send(client->channel, json, len);
	sodium_memzero(json, len);
	free(json);
	if (err == 0)
		flush_frames(client);
	return err;
}

struct token_address control_client_address(const struct control_client *client)
{
	return client->addresses[client->next_address];
}

void control_client_set_addresses(struct control_client *client,
				  const struct token_address *addresses, size_t count)
{
	struct token_address present = control_client_address(client);

	memcpy(client->addresses, addresses, count * sizeof(*addresses));
	client->address_count = count;
	client->next_address = 0;
	for (size_t i = 0; i < count; i++)
		if (addresses[i].port == present.port &&
		    strcmp(addresses[i].host, present.host) == 0)
			client->next_address = i;
}

enum control_link control_client_link(const struct control_client *client)
{
	return client->link;
}

bool control_client_alive(const struct control_client *client)
{
	return client->link == CONTROL_LINK_OK && !client->checked;
}

bool control_client_previous(const struct control_client *client, uint8_t hash[static 32])
{
	if (client->has_previous)
		memcpy(hash, client->previous, 32);
	return client->has_previous;
}

bool control_client_wants_report(const struct control_client *client)
{
	return client->link == CONTROL_LINK_OK && client->wants_report;
}

double control_client_latency_ms(const struct control_client *client)
{
	return client->latency_ms;
}

int control_client_certificate(const struct control_client *client,
			       struct ws_certificate *certificate)
{
	return client->conn ? ws_conn_certificate(client->conn, certificate) : -ENOENT;
}
