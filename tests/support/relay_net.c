#include "tests/support/relay_net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/turn_credential.h"

const uint8_t relay_net_secret[] = "a secret of length";

void relay_net_address(struct relay_address *address, const char *text)
{
	memset(address, 0, sizeof(*address));
	assert_int_equal(endpoint_parse(&address->remote, text), 0);
}

void relay_net_start_relay(struct relay_net *net)
{
	struct relay_server_config config = { .secret_count = 1 };

	config.secrets[0].bytes = relay_net_secret;
	config.secrets[0].len = RELAY_NET_SECRET_LEN;
	config.second_port = RELAY_NET_SECOND_PORT;
	assert_int_equal(relay_server_new(&net->server, &config, &net->rng, net->now_ns,
					  RELAY_NET_WALL_S + net->now_ns / NS_PER_S),
			 0);
}

int relay_net_setup(void **state)
{
	struct relay_net *net = calloc(1, sizeof(*net));

	assert_non_null(net);
	*state = net;
	rng_seeded_init(&net->seeded, 7);
	net->rng = rng_from_seeded(&net->seeded);
	net->now_ns = 1000 * NS_PER_S;
	relay_net_start_relay(net);
	for (int i = 0; i < RELAY_NET_NODES; i++) {
		char text[32];

		memset(net->nodes[i].key, 'a' + i, 32);
		snprintf(text, sizeof(text), "192.0.2.%d:4000", i + 1);
		relay_net_address(&net->nodes[i].address, text);
	}
	return 0;
}

int relay_net_teardown(void **state)
{
	struct relay_net *net = *state;

	for (int i = 0; i < RELAY_NET_NODES; i++)
		relay_client_free(net->nodes[i].client);
	relay_server_free(net->server);
	free(net);
	return 0;
}

void relay_net_join_until(struct relay_net *net, int i, uint64_t expiry_s)
{
	char username[TURN_USERNAME_SIZE];
	char password[TURN_PASSWORD_SIZE];
	struct relay_client_config config = { .username = username, .password = password };

	turn_credential_make(username, password, relay_net_secret, RELAY_NET_SECRET_LEN,
			     net->nodes[i].key, expiry_s);
	memcpy(config.node_key, net->nodes[i].key, 32);
	net->nodes[i].client = relay_client_new(&config, &net->rng, net->now_ns);
	assert_non_null(net->nodes[i].client);
}

void relay_net_join(struct relay_net *net, int i)
{
	relay_net_join_until(net, i, RELAY_NET_WALL_S * 2u);
}

static void fly(struct relay_net *net, int to, const struct relay_address *address,
		const uint8_t *data, size_t len)
{
	if (rng_below(&net->rng, 100) < net->loss_percent)
		return;
	for (int i = 0; i < RELAY_NET_FLYING; i++) {
		struct relay_flying *f = &net->flying[i];

		if (f->used)
			continue;
		f->used = true;
		f->at_ns = net->now_ns + RELAY_NET_DELAY_NS;
		f->to = to;
		f->address = *address;
		assert_true(len <= sizeof(f->data));
		memcpy(f->data, data, len);
		f->len = len;
		return;
	}
	fail_msg("too many packets under way");
}

void relay_net_drain(struct relay_net *net, int i)
{
	struct relay_node *node = &net->nodes[i];
	struct relay_event event;
	uint8_t buf[RELAY_MESSAGE_MAX];
	size_t len;

	while (relay_client_poll_event(node->client, &event)) {
		switch (event.type) {
		case RELAY_EVENT_REGISTERED:
			node->registered++;
			break;
		case RELAY_EVENT_LOST:
			node->lost++;
			node->lost_at_ns = net->now_ns;
			break;
		case RELAY_EVENT_REFUSED:
			node->refused++;
			node->error = event.error;
			break;
		case RELAY_EVENT_MAPPED:
		case RELAY_EVENT_ALTERNATE:
			break;
		case RELAY_EVENT_CHANNEL:
			node->channels++;
			node->channel = event.channel;
			break;
		case RELAY_EVENT_CHANNEL_LOST:
			node->channels_lost++;
			break;
		case RELAY_EVENT_DATA:
			node->data_count++;
			memcpy(node->data_from, event.peer, 32);
			memcpy(node->data, event.data, event.len);
			node->data_len = event.len;
			break;
		case RELAY_EVENT_PEER_ABSENT:
			node->absent++;
			break;
		}
	}
	while ((len = relay_client_poll_output(node->client, buf, sizeof(buf))))
		fly(net, -1, &node->address, buf, len);
}

static int node_at(struct relay_net *net, const struct relay_address *address)
{
	for (int i = 0; i < RELAY_NET_NODES; i++) {
		if (endpoint_equal(&net->nodes[i].address.remote, &address->remote) &&
		    net->nodes[i].address.stream == address->stream)
			return i;
	}
	return -2;
}

static void land(struct relay_net *net, struct relay_flying *f)
{
	f->used = false;
	if (f->to == -1) {
		if (net->relay_dead)
			return;
		net->to_relay++;
		memcpy(net->last, f->data, f->len);
		net->last_len = f->len;
		if (relay_server_input(net->server, f->data, f->len, &f->address, net->now_ns,
				       &net->out))
			fly(net, node_at(net, &net->out.to), &net->out.to, net->out.data,
			    net->out.len);
	} else if (f->to >= 0 && net->nodes[f->to].client &&
		   endpoint_equal(&net->nodes[f->to].address.remote, &f->address.remote)) {
		struct relay_node *node = &net->nodes[f->to];
		unsigned int before = node->data_count;

		relay_client_input(node->client, f->data, f->len, net->now_ns);
		relay_net_drain(net, f->to);
		if (node->data_count != before)
			node->by_channel = (f->data[0] & 0xf0) == 0x40;
	}
}

static uint64_t next_event_ns(struct relay_net *net)
{
	uint64_t next_ns = relay_server_next_timeout(net->server);

	for (int i = 0; i < RELAY_NET_FLYING; i++) {
		if (net->flying[i].used && net->flying[i].at_ns < next_ns)
			next_ns = net->flying[i].at_ns;
	}
	for (int i = 0; i < RELAY_NET_NODES; i++) {
		uint64_t at_ns = net->nodes[i].client
					 ? relay_client_next_timeout(net->nodes[i].client)
					 : CLOCK_NEVER;

		if (at_ns < next_ns)
			next_ns = at_ns;
	}
	return next_ns;
}

void relay_net_run(struct relay_net *net, uint64_t for_ns)
{
	uint64_t end_ns = net->now_ns + for_ns;
	unsigned int stuck = 0;

	for (int i = 0; i < RELAY_NET_NODES; i++) {
		if (net->nodes[i].client)
			relay_net_drain(net, i);
	}
	for (;;) {
		uint64_t next_ns = next_event_ns(net);

		if (next_ns > end_ns)
			break;
		stuck = next_ns <= net->now_ns ? stuck + 1 : 0;
		assert_true(stuck < 10000);
		if (next_ns > net->now_ns)
			net->now_ns = next_ns;
		relay_server_expire(net->server, net->now_ns);
		for (int i = 0; i < RELAY_NET_FLYING; i++) {
			if (net->flying[i].used && net->flying[i].at_ns <= net->now_ns)
				land(net, &net->flying[i]);
		}
		for (int i = 0; i < RELAY_NET_NODES; i++) {
			if (!net->nodes[i].client)
				continue;
			relay_client_expire(net->nodes[i].client, net->now_ns);
			relay_net_drain(net, i);
		}
	}
	net->now_ns = end_ns;
}

void relay_net_send(struct relay_net *net, int from, int to, const char *text)
{
	assert_int_equal(relay_client_send(net->nodes[from].client, net->nodes[to].key,
					   (const uint8_t *)text, strlen(text), net->now_ns),
			 0);
	relay_net_drain(net, from);
}

void relay_net_expect(struct relay_net *net, int at, int from, const char *text)
{
	struct relay_node *node = &net->nodes[at];

	assert_int_equal(node->data_len, strlen(text));
	assert_memory_equal(node->data, text, strlen(text));
	assert_memory_equal(node->data_from, net->nodes[from].key, 32);
}

void relay_net_join_pair(struct relay_net *net)
{
	relay_net_join(net, 0);
	relay_net_join(net, 1);
	relay_net_run(net, NS_PER_S);
	assert_int_equal(net->nodes[0].registered, 1);
	assert_int_equal(net->nodes[1].registered, 1);
}

void relay_net_bind(struct relay_net *net, int from, int to)
{
	assert_int_equal(relay_client_bind(net->nodes[from].client, net->nodes[to].key,
					   net->now_ns),
			 0);
	relay_net_drain(net, from);
}
