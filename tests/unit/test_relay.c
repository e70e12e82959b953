#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "crypto/rng.h"
#include "proto/relay_client.h"
#include "proto/relay_server.h"
#include "proto/turn_credential.h"

/*
 * Relay clients and a relay in memory:   node 0 ─┐
 *                                        node 1 ─┼─ network (delay, loss) ─ relay
 *                                        node 2 ─┘
 */

#define NODES    3
#define DELAY_NS (10 * NS_PER_MS)
#define FLYING   4096
#define WALL_S   1700000000u

static const uint8_t secret[] = "a secret of length";
#define SECRET_LEN (sizeof(secret) - 1)

struct flying {
	uint64_t at_ns;
	bool used;
	int to; /* node, or -1 for the relay */
	struct relay_address address;
	uint8_t data[2048];
	size_t len;
};

struct node {
	struct relay_client *client;
	uint8_t key[32];
	struct relay_address address;
	unsigned int registered;
	unsigned int lost;
	unsigned int refused;
	unsigned int error;
	unsigned int channels;
	unsigned int channels_lost;
	unsigned int absent;
	unsigned int data_count;
	uint64_t lost_at_ns;
	uint16_t channel;
	uint8_t data_from[32];
	uint8_t data[2048];
	size_t data_len;
	bool by_channel; /* the last data came as ChannelData */
};

struct net {
	struct rng_seeded seeded;
	struct rng rng;
	uint64_t now_ns;
	struct relay_server *server;
	struct relay_output out;
	struct node nodes[NODES];
	struct flying flying[FLYING];
	unsigned int loss_percent;
	bool relay_dead;
	unsigned int to_relay;
	uint8_t last[2048]; /* the last message that reached the relay */
	size_t last_len;
};

static void set_address(struct relay_address *address, const char *text)
{
	memset(address, 0, sizeof(*address));
	assert_int_equal(endpoint_parse(&address->remote, text), 0);
}

static void start_relay(struct net *net)
{
	struct relay_server_config config = { .secret_count = 1 };

	config.secrets[0].bytes = secret;
	config.secrets[0].len = SECRET_LEN;
	assert_int_equal(relay_server_new(&net->server, &config, &net->rng, net->now_ns,
					  WALL_S + net->now_ns / NS_PER_S),
			 0);
}

static int setup(void **state)
{
	struct net *net = calloc(1, sizeof(*net));

	assert_non_null(net);
	*state = net;
	rng_seeded_init(&net->seeded, 7);
	net->rng = rng_from_seeded(&net->seeded);
	net->now_ns = 1000 * NS_PER_S;
	start_relay(net);
	for (int i = 0; i < NODES; i++) {
		char text[32];

		memset(net->nodes[i].key, 'a' + i, 32);
		snprintf(text, sizeof(text), "192.0.2.%d:4000", i + 1);
		set_address(&net->nodes[i].address, text);
	}
	return 0;
}

static int teardown(void **state)
{
	struct net *net = *state;

	for (int i = 0; i < NODES; i++)
		relay_client_free(net->nodes[i].client);
	relay_server_free(net->server);
	free(net);
	return 0;
}

static void join_until(struct net *net, int i, uint64_t expiry_s)
{
	char username[TURN_USERNAME_SIZE];
	char password[TURN_PASSWORD_SIZE];
	struct relay_client_config config = { .username = username, .password = password };

	turn_credential_make(username, password, secret, SECRET_LEN, net->nodes[i].key, expiry_s);
	memcpy(config.node_key, net->nodes[i].key, 32);
	net->nodes[i].client = relay_client_new(&config, &net->rng, net->now_ns);
	assert_non_null(net->nodes[i].client);
}

static void join(struct net *net, int i)
{
	join_until(net, i, WALL_S * 2u);
}

static void fly(struct net *net, int to, const struct relay_address *address, const uint8_t *data,
		size_t len)
{
	if (rng_below(&net->rng, 100) < net->loss_percent)
		return;
	for (int i = 0; i < FLYING; i++) {
		struct flying *f = &net->flying[i];

		if (f->used)
			continue;
		f->used = true;
		f->at_ns = net->now_ns + DELAY_NS;
		f->to = to;
		f->address = *address;
		assert_true(len <= sizeof(f->data));
		memcpy(f->data, data, len);
		f->len = len;
		return;
	}
	fail_msg("too many packets under way");
}

static void drain(struct net *net, int i)
{
	struct node *node = &net->nodes[i];
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

static int node_at(struct net *net, const struct relay_address *address)
{
	for (int i = 0; i < NODES; i++) {
		if (endpoint_equal(&net->nodes[i].address.remote, &address->remote) &&
		    net->nodes[i].address.stream == address->stream)
			return i;
	}
	return -2;
}

static void land(struct net *net, struct flying *f)
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
		struct node *node = &net->nodes[f->to];
		unsigned int before = node->data_count;

		relay_client_input(node->client, f->data, f->len, net->now_ns);
		drain(net, f->to);
		if (node->data_count != before)
			node->by_channel = (f->data[0] & 0xf0) == 0x40;
	}
}

static uint64_t next_event_ns(struct net *net)
{
	uint64_t next_ns = relay_server_next_timeout(net->server);

	for (int i = 0; i < FLYING; i++) {
		if (net->flying[i].used && net->flying[i].at_ns < next_ns)
			next_ns = net->flying[i].at_ns;
	}
	for (int i = 0; i < NODES; i++) {
		uint64_t at_ns = net->nodes[i].client
					 ? relay_client_next_timeout(net->nodes[i].client)
					 : CLOCK_NEVER;

		if (at_ns < next_ns)
			next_ns = at_ns;
	}
	return next_ns;
}

static void run(struct net *net, uint64_t for_ns)
{
	uint64_t end_ns = net->now_ns + for_ns;
	unsigned int stuck = 0;

	for (int i = 0; i < NODES; i++) {
		if (net->nodes[i].client)
			drain(net, i);
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
		for (int i = 0; i < FLYING; i++) {
			if (net->flying[i].used && net->flying[i].at_ns <= net->now_ns)
				land(net, &net->flying[i]);
		}
		for (int i = 0; i < NODES; i++) {
			if (!net->nodes[i].client)
				continue;
			relay_client_expire(net->nodes[i].client, net->now_ns);
			drain(net, i);
		}
	}
	net->now_ns = end_ns;
}

static void send_text(struct net *net, int from, int to, const char *text)
{
	assert_int_equal(relay_client_send(net->nodes[from].client, net->nodes[to].key,
					   (const uint8_t *)text, strlen(text), net->now_ns),
			 0);
	drain(net, from);
}

static void expect_text(struct net *net, int at, int from, const char *text)
{
	struct node *node = &net->nodes[at];

	assert_int_equal(node->data_len, strlen(text));
	assert_memory_equal(node->data, text, strlen(text));
	assert_memory_equal(node->data_from, net->nodes[from].key, 32);
}

static void join_pair(struct net *net)
{
	join(net, 0);
	join(net, 1);
	run(net, NS_PER_S);
	assert_int_equal(net->nodes[0].registered, 1);
	assert_int_equal(net->nodes[1].registered, 1);
}

static void bind_to(struct net *net, int from, int to)
{
	assert_int_equal(relay_client_bind(net->nodes[from].client, net->nodes[to].key,
					   net->now_ns),
			 0);
	drain(net, from);
}

/* ---- credentials ---- */

static void test_credential_vector(void **state)
{
	uint8_t key[32];
	uint8_t parsed[32];
	char username[TURN_USERNAME_SIZE];
	char password[TURN_PASSWORD_SIZE];
	uint64_t expiry_s;

	(void)state;
	for (size_t i = 0; i < 32; i++)
		key[i] = (uint8_t)i;
	turn_credential_make(username, password, secret, SECRET_LEN, key, 1700000000);
	/* Computed with Python's hmac and base64. */
	assert_string_equal(username, "1700000000:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
	assert_string_equal(password, "R5hWhQL7qMXq76nhn+klgay7+sw=");
	assert_true(turn_credential_check(username, password, secret, SECRET_LEN));
	password[0] ^= 1;
	assert_false(turn_credential_check(username, password, secret, SECRET_LEN));
	assert_false(turn_credential_check(username, "", secret, SECRET_LEN));
	assert_int_equal(turn_credential_parse(username, &expiry_s, parsed), 0);
	assert_int_equal(expiry_s, 1700000000);
	assert_memory_equal(parsed, key, 32);
}

static void test_credential_parse_refuses(void **state)
{
	static const char *const bad[] = {
		"",
		":",
		"1700000000",
		"1700000000:",
		"1700000000:AAEC",
		":AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
		"-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
		"17x:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
		"99999999999999999999:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
		"1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8AAAA",
	};
	uint8_t key[32];
	uint64_t expiry_s;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(turn_credential_parse(bad[i], &expiry_s, key), -EINVAL);
}

static void test_secret_trim(void **state)
{
	const uint8_t *out;
	size_t len;

	(void)state;
	assert_int_equal(turn_secret_trim(&out, &len, (const uint8_t *)" 0123456789abcdef\r\n", 19),
			 0);
	assert_int_equal(len, 16);
	assert_memory_equal(out, "0123456789abcdef", 16);
	assert_int_equal(turn_secret_trim(&out, &len, (const uint8_t *)"short\n", 6), -EINVAL);
	assert_int_equal(turn_secret_trim(&out, &len, (const uint8_t *)" \n", 2), -EINVAL);
}

/* ---- client and server ---- */

static void test_registers_in_two_round_trips(void **state)
{
	struct net *net = *state;
	struct endpoint mapped;

	join(net, 0);
	run(net, 4 * DELAY_NS);
	assert_int_equal(net->nodes[0].registered, 1);
	assert_int_equal(net->to_relay, 2);
	assert_true(relay_client_registered(net->nodes[0].client));
	assert_int_equal(relay_client_rtt_ns(net->nodes[0].client), 2 * DELAY_NS);
	mapped = relay_client_mapped(net->nodes[0].client);
	assert_true(endpoint_equal(&mapped, &net->nodes[0].address.remote));
	assert_int_equal(relay_server_stats(net->server).sessions, 1);
}

static void test_data_before_and_after_binding(void **state)
{
	struct net *net = *state;

	join_pair(net);
	send_text(net, 0, 1, "first");
	run(net, 100 * NS_PER_MS);
	expect_text(net, 1, 0, "first");
	assert_false(net->nodes[1].by_channel);

	bind_to(net, 0, 1);
	assert_int_equal(relay_client_channel(net->nodes[0].client, net->nodes[1].key), 0);
	run(net, 100 * NS_PER_MS);
	assert_int_equal(net->nodes[0].channels, 1);
	assert_int_equal(net->nodes[0].channel, RELAY_CHANNEL_MIN);

	/* The sender's channel is the sender's: node 1 has none for node 0 yet. */
	send_text(net, 0, 1, "second");
	run(net, 100 * NS_PER_MS);
	expect_text(net, 1, 0, "second");
	assert_false(net->nodes[1].by_channel);

	bind_to(net, 1, 0);
	run(net, 100 * NS_PER_MS);
	send_text(net, 0, 1, "third");
	run(net, 100 * NS_PER_MS);
	expect_text(net, 1, 0, "third");
	assert_true(net->nodes[1].by_channel);
	send_text(net, 1, 0, "");
	run(net, 100 * NS_PER_MS);
	expect_text(net, 0, 1, "");
	assert_int_equal(relay_server_stats(net->server).forwarded_packets, 4);
}

static void test_absent_peer_is_told_and_found(void **state)
{
	struct net *net = *state;

	join(net, 0);
	run(net, NS_PER_S);
	bind_to(net, 0, 1);
	run(net, 3 * NS_PER_S);
	assert_int_equal(net->nodes[0].absent, 1);
	assert_int_equal(net->nodes[0].channels, 0);
	send_text(net, 0, 2, "nobody");
	run(net, NS_PER_S);
	assert_int_equal(relay_server_stats(net->server).dropped_absent, 1);

	join(net, 1);
	run(net, 16 * NS_PER_S);
	assert_int_equal(net->nodes[0].channels, 1);
}

static void test_cold_pair_binds_quickly(void **state)
{
	struct net *net = *state;

	/* Both start at once, and node 0 asks for node 1 before that is here. */
	join(net, 0);
	bind_to(net, 0, 1);
	run(net, 3 * DELAY_NS);
	join(net, 1);
	run(net, 400 * NS_PER_MS);
	assert_int_equal(net->nodes[0].channels, 1);
}

static void test_peer_that_left_is_told(void **state)
{
	struct net *net = *state;

	join_pair(net);
	bind_to(net, 0, 1);
	run(net, NS_PER_S);
	relay_client_leave(net->nodes[1].client, net->now_ns);
	run(net, NS_PER_S);
	assert_int_equal(relay_server_stats(net->server).sessions, 1);
	send_text(net, 0, 1, "gone");
	run(net, NS_PER_S);
	assert_int_equal(net->nodes[0].absent, 1);
	assert_int_equal(relay_client_channel(net->nodes[0].client, net->nodes[1].key), 0);
	relay_client_moved(net->nodes[1].client, RELAY_UDP, net->now_ns);
	run(net, 16 * NS_PER_S);
	assert_int_equal(net->nodes[0].channels, 2);
}

static void test_works_with_loss(void **state)
{
	struct net *net = *state;

	net->loss_percent = 30;
	join(net, 0);
	join(net, 1);
	run(net, 60 * NS_PER_S);
	assert_true(relay_client_registered(net->nodes[0].client));
	assert_true(relay_client_registered(net->nodes[1].client));
	bind_to(net, 0, 1);
	run(net, 20 * NS_PER_S);
	assert_true(net->nodes[0].channels >= 1);
	/* And it stays, for hours. */
	run(net, 7200 * NS_PER_S);
	net->loss_percent = 0;
	run(net, 60 * NS_PER_S);
	assert_int_not_equal(relay_client_channel(net->nodes[0].client, net->nodes[1].key), 0);
	assert_int_equal(relay_server_stats(net->server).sessions, 2);
}

static void test_stays_registered_and_bound(void **state)
{
	struct net *net = *state;
	unsigned int before;

	join_pair(net);
	bind_to(net, 0, 1);
	bind_to(net, 1, 0);
	run(net, 2 * 3600 * NS_PER_S);
	assert_int_equal(net->nodes[0].lost, 0);
	assert_int_equal(net->nodes[0].registered, 1);
	assert_int_equal(net->nodes[0].channels, 1);
	send_text(net, 0, 1, "still");
	run(net, NS_PER_S);
	expect_text(net, 1, 0, "still");
	assert_true(net->nodes[1].by_channel);
	/* An idle client asks every 15 s or less often. */
	before = net->to_relay;
	run(net, 60 * NS_PER_S);
	assert_in_range(net->to_relay - before, 6, 12);
}

static void test_address_change_keeps_session(void **state)
{
	struct net *net = *state;

	join_pair(net);
	bind_to(net, 0, 1);
	bind_to(net, 1, 0);
	run(net, NS_PER_S);
	set_address(&net->nodes[0].address, "198.51.100.9:555");
	relay_client_moved(net->nodes[0].client, RELAY_UDP, net->now_ns);
	run(net, 4 * DELAY_NS);
	assert_int_equal(net->nodes[0].registered, 2);
	assert_int_equal(net->nodes[0].channels, 1);
	send_text(net, 1, 0, "moved");
	send_text(net, 0, 1, "indeed");
	run(net, 100 * NS_PER_MS);
	expect_text(net, 0, 1, "moved");
	assert_true(net->nodes[0].by_channel);
	expect_text(net, 1, 0, "indeed");
	assert_int_equal(relay_server_stats(net->server).sessions, 2);
}

static void test_nat_rebinding_is_noticed(void **state)
{
	struct net *net = *state;

	join_pair(net);
	bind_to(net, 0, 1);
	bind_to(net, 1, 0);
	run(net, NS_PER_S);
	/* The NAT gives another port; nobody tells the client. */
	set_address(&net->nodes[0].address, "192.0.2.1:4001");
	send_text(net, 0, 1, "dropped");
	run(net, 500 * NS_PER_MS);
	assert_int_equal(net->nodes[1].data_count, 0);
	relay_client_unanswered(net->nodes[0].client, net->now_ns);
	run(net, 100 * NS_PER_MS);
	send_text(net, 0, 1, "back");
	run(net, 100 * NS_PER_MS);
	expect_text(net, 1, 0, "back");
	assert_int_equal(net->nodes[0].lost, 0);
}

static void test_stream_takes_over_and_breaks(void **state)
{
	struct net *net = *state;

	join_pair(net);
	bind_to(net, 0, 1);
	bind_to(net, 1, 0);
	run(net, NS_PER_S);
	set_address(&net->nodes[0].address, "192.0.2.1:50000");
	net->nodes[0].address.stream = 5;
	relay_client_moved(net->nodes[0].client, RELAY_STREAM, net->now_ns);
	run(net, NS_PER_S);
	send_text(net, 1, 0, "by stream");
	run(net, NS_PER_S);
	expect_text(net, 0, 1, "by stream");

	relay_server_stream_closed(net->server, &net->nodes[0].address);
	relay_client_disconnected(net->nodes[0].client, net->now_ns);
	run(net, NS_PER_S);
	assert_int_equal(net->nodes[0].lost, 1);
	send_text(net, 1, 0, "nowhere");
	run(net, NS_PER_S);
	assert_int_equal(net->nodes[1].absent, 1);

	net->nodes[0].address.stream = 6;
	relay_client_moved(net->nodes[0].client, RELAY_STREAM, net->now_ns);
	run(net, 16 * NS_PER_S);
	assert_int_equal(net->nodes[0].registered, 3);
	assert_int_equal(net->nodes[0].channels, 2);
	assert_int_equal(net->nodes[1].channels, 2);
}

static void test_relay_death_under_traffic_within_a_second(void **state)
{
	struct net *net = *state;
	uint64_t died_ns;

	join_pair(net);
	run(net, 5 * NS_PER_S);
	net->relay_dead = true;
	died_ns = net->now_ns;
	/* The data plane asks again and again while packets go unanswered. */
	for (int i = 0; i < 15; i++) {
		relay_client_unanswered(net->nodes[0].client, net->now_ns);
		run(net, 100 * NS_PER_MS);
	}
	assert_int_equal(net->nodes[0].lost, 1);
	assert_true(net->nodes[0].lost_at_ns - died_ns <= NS_PER_S);
	assert_int_equal(relay_client_send(net->nodes[0].client, net->nodes[1].key,
					   (const uint8_t *)"x", 1, net->now_ns),
			 -ENOTCONN);
	net->relay_dead = false;
	run(net, 16 * NS_PER_S);
	assert_int_equal(net->nodes[0].registered, 2);
}

static void test_idle_relay_death_is_noticed(void **state)
{
	struct net *net = *state;

	join_pair(net);
	net->relay_dead = true;
	run(net, 60 * NS_PER_S);
	assert_int_equal(net->nodes[0].lost, 1);
}

static void test_unanswered_does_not_flood_a_living_relay(void **state)
{
	struct net *net = *state;
	unsigned int before;

	join_pair(net);
	before = net->to_relay;
	for (int i = 0; i < 100; i++) {
		relay_client_unanswered(net->nodes[0].client, net->now_ns);
		run(net, 10 * NS_PER_MS);
	}
	assert_int_equal(net->nodes[0].lost, 0);
	assert_in_range(net->to_relay - before, 1, 5);
}

static void test_relay_restart(void **state)
{
	struct net *net = *state;

	join_pair(net);
	bind_to(net, 0, 1);
	bind_to(net, 1, 0);
	run(net, NS_PER_S);
	relay_server_free(net->server);
	start_relay(net);
	/* The next refresh finds no registration. */
	run(net, 320 * NS_PER_S);
	assert_int_equal(net->nodes[0].registered, 2);
	assert_int_equal(net->nodes[0].channels, 2);
	send_text(net, 0, 1, "again");
	run(net, NS_PER_S);
	expect_text(net, 1, 0, "again");
}

static void test_registration_expires_without_refresh(void **state)
{
	struct net *net = *state;

	join_pair(net);
	relay_client_free(net->nodes[1].client);
	net->nodes[1].client = NULL;
	run(net, 599 * NS_PER_S);
	assert_int_equal(relay_server_stats(net->server).sessions, 2);
	run(net, 2 * NS_PER_S);
	assert_int_equal(relay_server_stats(net->server).sessions, 1);
}

static void test_wrong_password_is_refused(void **state)
{
	struct net *net = *state;
	char username[TURN_USERNAME_SIZE];
	char password[TURN_PASSWORD_SIZE];

	join(net, 0);
	turn_credential_make(username, password, (const uint8_t *)"another secret..", 16,
			     net->nodes[0].key, WALL_S * 2u);
	assert_int_equal(relay_client_set_credentials(net->nodes[0].client, username, password), 0);
	run(net, 2 * NS_PER_S);
	assert_int_equal(net->nodes[0].registered, 0);
	assert_int_equal(net->nodes[0].refused, 1);
	assert_int_equal(net->nodes[0].error, STUN_ERR_UNAUTHENTICATED);
	assert_int_equal(relay_server_stats(net->server).sessions, 0);

	/* Right ones are tried at once. */
	turn_credential_make(username, password, secret, SECRET_LEN, net->nodes[0].key,
			     WALL_S * 2u);
	assert_int_equal(relay_client_set_credentials(net->nodes[0].client, username, password), 0);
	run(net, NS_PER_S);
	assert_int_equal(net->nodes[0].registered, 1);
}

static void test_expired_credential_is_refused(void **state)
{
	struct net *net = *state;

	join_until(net, 0, WALL_S - 1);
	run(net, NS_PER_S);
	assert_int_equal(net->nodes[0].refused, 1);
	assert_int_equal(net->nodes[0].error, STUN_ERR_WRONG_CREDENTIALS);
}

static void test_another_nodes_key_is_forbidden(void **state)
{
	struct net *net = *state;
	char username[TURN_USERNAME_SIZE];
	char password[TURN_PASSWORD_SIZE];

	join(net, 0);
	turn_credential_make(username, password, secret, SECRET_LEN, net->nodes[1].key,
			     WALL_S * 2u);
	assert_int_equal(relay_client_set_credentials(net->nodes[0].client, username, password), 0);
	run(net, NS_PER_S);
	assert_int_equal(net->nodes[0].refused, 1);
	assert_int_equal(net->nodes[0].error, STUN_ERR_FORBIDDEN);
	assert_int_equal(relay_server_stats(net->server).sessions, 0);
}

/* ---- the server alone ---- */

static unsigned int error_of(const struct relay_output *out)
{
	struct stun_message msg;
	unsigned int code;

	assert_int_equal(stun_parse(&msg, out->data, out->len), 0);
	return stun_get_error(&msg, &code) == 0 ? code : 0;
}

static void test_replay_from_elsewhere_moves_nothing(void **state)
{
	struct net *net = *state;
	struct relay_address thief;
	uint8_t copy[2048];
	size_t len;

	join_pair(net);
	relay_client_moved(net->nodes[0].client, RELAY_UDP, net->now_ns);
	run(net, NS_PER_S);
	len = net->last_len;
	memcpy(copy, net->last, len);
	set_address(&thief, "203.0.113.66:1");
	assert_true(relay_server_input(net->server, copy, len, &thief, net->now_ns, &net->out));
	assert_int_equal(error_of(&net->out), STUN_ERR_STALE_NONCE);
	send_text(net, 1, 0, "mine");
	run(net, NS_PER_S);
	expect_text(net, 0, 1, "mine");
}

static void test_nonce_grows_stale(void **state)
{
	struct net *net = *state;
	uint8_t copy[2048];
	size_t len;

	join(net, 0);
	run(net, 100 * NS_PER_MS);
	len = net->last_len;
	memcpy(copy, net->last, len);
	assert_true(relay_server_input(net->server, net->last, len, &net->nodes[0].address,
				       net->now_ns, &net->out));
	assert_int_equal(error_of(&net->out), 0);
	assert_true(relay_server_input(net->server, copy, len, &net->nodes[0].address,
				       net->now_ns + (RELAY_NONCE_LIFETIME_S + 1) * NS_PER_S,
				       &net->out));
	assert_int_equal(error_of(&net->out), STUN_ERR_STALE_NONCE);
}

static size_t binding(uint8_t *buf, size_t cap, uint16_t extra, const uint32_t *value,
		      bool fingerprint)
{
	static const uint8_t transaction[STUN_TRANSACTION_SIZE] = "transaction";
	struct stun_builder b;
	size_t len;

	stun_begin(&b, buf, cap, STUN_REQUEST, STUN_BINDING, transaction);
	if (extra && value)
		stun_add_u32(&b, extra, *value);
	else if (extra)
		stun_add(&b, extra, NULL, 0);
	if (fingerprint)
		stun_add_fingerprint(&b);
	assert_int_equal(stun_end(&b, &len), 0);
	return len;
}

static void test_plain_binding(void **state)
{
	struct net *net = *state;
	struct relay_address from;
	struct stun_message msg;
	struct endpoint mapped;
	uint8_t buf[256];
	size_t len;

	set_address(&from, "[2001:db8::9]:77");
	len = binding(buf, sizeof(buf), 0, NULL, false);
	assert_true(relay_server_input(net->server, buf, len, &from, net->now_ns, &net->out));
	assert_int_equal(stun_parse(&msg, net->out.data, net->out.len), 0);
	assert_int_equal(msg.class, STUN_SUCCESS);
	assert_memory_equal(msg.transaction, "transaction", STUN_TRANSACTION_SIZE);
	assert_false(msg.has_fingerprint);
	assert_int_equal(stun_get_mapped(&msg, &mapped), 0);
	assert_true(endpoint_equal(&mapped, &from.remote));

	len = binding(buf, sizeof(buf), 0, NULL, true);
	assert_true(relay_server_input(net->server, buf, len, &from, net->now_ns, &net->out));
	assert_int_equal(stun_parse(&msg, net->out.data, net->out.len), 0);
	assert_true(msg.has_fingerprint);
}

static void test_unknown_required_attribute(void **state)
{
	struct net *net = *state;
	const uint32_t change = STUN_CHANGE_PORT;
	const uint32_t port = 80u << 16;
	uint8_t buf[256];
	size_t len;

	len = binding(buf, sizeof(buf), 0x7abc, NULL, false);
	assert_true(relay_server_input(net->server, buf, len, &net->nodes[0].address, net->now_ns,
				       &net->out));
	assert_int_equal(error_of(&net->out), STUN_ERR_UNKNOWN_ATTRIBUTE);
	/* Without a second address there is neither CHANGE-REQUEST nor RESPONSE-PORT. */
	len = binding(buf, sizeof(buf), STUN_ATTR_CHANGE_REQUEST, &change, false);
	assert_true(relay_server_input(net->server, buf, len, &net->nodes[0].address, net->now_ns,
				       &net->out));
	assert_int_equal(error_of(&net->out), STUN_ERR_UNKNOWN_ATTRIBUTE);
	len = binding(buf, sizeof(buf), STUN_ATTR_RESPONSE_PORT, &port, false);
	assert_true(relay_server_input(net->server, buf, len, &net->nodes[0].address, net->now_ns,
				       &net->out));
	assert_int_equal(error_of(&net->out), STUN_ERR_UNKNOWN_ATTRIBUTE);
}

static void test_behaviour_discovery(void **state)
{
	struct net *net = *state;
	static const char *const own[RELAY_SOCKETS_MAX] = { "203.0.113.1:3478", "203.0.113.1:3479",
							    "203.0.113.2:3478",
							    "203.0.113.2:3479" };
	static const struct {
		uint32_t change;
		uint8_t via;
	} cases[] = { { 0, 0 },
		      { STUN_CHANGE_PORT, 1 },
		      { STUN_CHANGE_IP, 2 },
		      { STUN_CHANGE_IP | STUN_CHANGE_PORT, 3 } };
	struct relay_server_config config = { .secret_count = 1 };
	uint8_t buf[256];

	config.secrets[0].bytes = secret;
	config.secrets[0].len = SECRET_LEN;
	for (size_t i = 0; i < RELAY_SOCKETS_MAX; i++)
		assert_int_equal(endpoint_parse(&config.sockets[i], own[i]), 0);
	relay_server_free(net->server);
	assert_int_equal(relay_server_new(&net->server, &config, &net->rng, net->now_ns, WALL_S),
			 0);
	for (size_t i = 0; i < 4; i++) {
		struct relay_address from = net->nodes[0].address;
		struct stun_message msg;
		struct endpoint origin;
		struct endpoint other;
		size_t len = binding(buf, sizeof(buf), STUN_ATTR_CHANGE_REQUEST, &cases[i].change,
				     false);

		from.socket = 0;
		assert_true(
			relay_server_input(net->server, buf, len, &from, net->now_ns, &net->out));
		assert_int_equal(net->out.to.socket, cases[i].via);
		assert_int_equal(stun_parse(&msg, net->out.data, net->out.len), 0);
		assert_int_equal(stun_get_endpoint(&msg, STUN_ATTR_RESPONSE_ORIGIN, &origin), 0);
		assert_true(endpoint_equal(&origin, &config.sockets[cases[i].via]));
		assert_int_equal(stun_get_endpoint(&msg, STUN_ATTR_OTHER_ADDRESS, &other), 0);
		assert_true(endpoint_equal(&other, &config.sockets[3]));
	}
}

static void test_strangers_are_limited_and_get_little(void **state)
{
	struct net *net = *state;
	struct relay_address from;
	uint8_t transaction[STUN_TRANSACTION_SIZE] = { 1 };
	unsigned int answered = 0;
	uint8_t buf[256];
	struct stun_builder b;
	size_t len;

	set_address(&from, "203.0.113.7:9");
	for (int i = 0; i < 1000; i++) {
		stun_begin(&b, buf, sizeof(buf), STUN_REQUEST, STUN_ALLOCATE, transaction);
		stun_add(&b, STUN_ATTR_NODE_KEY, net->nodes[0].key, 32);
		stun_add_u32(&b, STUN_ATTR_LIFETIME, 600);
		assert_int_equal(stun_end(&b, &len), 0);
		if (!relay_server_input(net->server, buf, len, &from, net->now_ns, &net->out))
			continue;
		answered++;
		assert_int_equal(error_of(&net->out), STUN_ERR_UNAUTHENTICATED);
		assert_true(net->out.len <= len + 20);
	}
	assert_int_equal(answered, RELAY_UNAUTHENTICATED_PPS);
	assert_int_equal(relay_server_stats(net->server).dropped_rate,
			 1000 - RELAY_UNAUTHENTICATED_PPS);
	/* Another address is not affected. */
	set_address(&from, "203.0.114.7:9");
	len = binding(buf, sizeof(buf), 0, NULL, false);
	assert_true(relay_server_input(net->server, buf, len, &from, net->now_ns, &net->out));
}

static void test_sender_rate(void **state)
{
	struct net *net = *state;
	struct relay_server_config config = { .secret_count = 1, .rate_bytes_per_s = 100000 };
	unsigned int passed = 0;
	uint8_t frame[1004];

	config.secrets[0].bytes = secret;
	config.secrets[0].len = SECRET_LEN;
	relay_server_free(net->server);
	assert_int_equal(relay_server_new(&net->server, &config, &net->rng, net->now_ns, WALL_S),
			 0);
	join_pair(net);
	bind_to(net, 0, 1);
	run(net, NS_PER_S);
	for (uint64_t i = 0; i < 1000; i++) {
		memset(frame, 0, sizeof(frame));
		store_be16(frame, net->nodes[0].channel);
		store_be16(frame + 2, 1000);
		passed += relay_server_input(net->server, frame, sizeof(frame),
					     &net->nodes[0].address,
					     net->now_ns + i * NS_PER_MS, &net->out);
	}
	/* 100 kB in the second, and the burst of a tenth more. */
	assert_in_range(passed, 100, 111);
}

static void test_garbage_is_met_by_silence(void **state)
{
	struct net *net = *state;
	uint8_t buf[300];
	uint8_t copy[300];

	for (int i = 0; i < 20000; i++) {
		size_t len = rng_below(&net->rng, sizeof(buf));

		rng_fill(&net->rng, buf, len);
		assert_false(relay_server_input(net->server, buf, len, &net->nodes[0].address,
						net->now_ns, &net->out));
	}
	/* Every truncation of a message. */
	join(net, 0);
	run(net, NS_PER_S);
	for (size_t len = 0; len < net->last_len; len++) {
		memcpy(copy, net->last, len);
		assert_false(relay_server_input(net->server, copy, len, &net->nodes[0].address,
						net->now_ns, &net->out));
	}
	assert_false(relay_server_input(net->server, memset(buf, 0x40, sizeof(buf)), sizeof(buf),
					&net->nodes[2].address, net->now_ns, &net->out));
}

static void test_channel_data_of_a_stranger_goes_nowhere(void **state)
{
	struct net *net = *state;
	uint8_t frame[] = { 0x40, 0x00, 0x00, 0x04, 1, 2, 3, 4 };
	struct relay_address stranger;

	join_pair(net);
	bind_to(net, 0, 1);
	run(net, NS_PER_S);
	set_address(&stranger, "192.0.2.1:4001");
	assert_false(relay_server_input(net->server, frame, sizeof(frame), &stranger, net->now_ns,
					&net->out));
	assert_int_equal(relay_server_stats(net->server).dropped_stranger, 1);
	/* Padding is cut off, a wrong length is refused. */
	assert_true(relay_server_input(net->server, frame, sizeof(frame), &net->nodes[0].address,
				       net->now_ns, &net->out));
	frame[3] = 5;
	assert_false(relay_server_input(net->server, frame, sizeof(frame), &net->nodes[0].address,
					net->now_ns, &net->out));
}

static void test_two_secrets_during_replacement(void **state)
{
	struct net *net = *state;
	struct relay_server_config config = { .secret_count = 2 };

	config.secrets[0].bytes = (const uint8_t *)"the newer secret";
	config.secrets[0].len = 16;
	config.secrets[1].bytes = secret;
	config.secrets[1].len = SECRET_LEN;
	relay_server_free(net->server);
	assert_int_equal(relay_server_new(&net->server, &config, &net->rng, net->now_ns, WALL_S),
			 0);
	join(net, 0);
	run(net, NS_PER_S);
	assert_int_equal(net->nodes[0].registered, 1);
	config.secrets[1].len = 3;
	assert_int_equal(relay_server_new(&net->server, &config, &net->rng, net->now_ns, WALL_S),
			 -EINVAL);
}

static void test_client_ignores_forged_answers(void **state)
{
	struct net *net = *state;
	uint8_t buf[2048];
	uint8_t answer[512];
	struct stun_message request;
	struct stun_builder b;
	size_t len;

	join(net, 0);
	len = relay_client_poll_output(net->nodes[0].client, buf, sizeof(buf));
	assert_int_equal(stun_parse(&request, buf, len), 0);
	/* A success without integrity, although the transaction is right. */
	stun_begin_response(&b, answer, sizeof(answer), STUN_SUCCESS, &request);
	stun_add_u32(&b, STUN_ATTR_LIFETIME, 600);
	assert_int_equal(stun_end(&b, &len), 0);
	assert_int_equal(relay_client_input(net->nodes[0].client, answer, len, net->now_ns),
			 -EBADMSG);
	assert_false(relay_client_registered(net->nodes[0].client));
	/* Data on a channel that was never asked for. */
	memcpy(answer, "\x40\x05\x00\x01z", 5);
	assert_int_equal(relay_client_input(net->nodes[0].client, answer, 5, net->now_ns), -ENOENT);
}

static void test_channel_numbers_rest(void **state)
{
	struct net *net = *state;

	join_pair(net);
	join(net, 2);
	run(net, NS_PER_S);
	bind_to(net, 0, 1);
	run(net, NS_PER_S);
	assert_int_equal(net->nodes[0].channel, RELAY_CHANNEL_MIN);
	relay_client_unbind(net->nodes[0].client, net->nodes[1].key);
	bind_to(net, 0, 2);
	run(net, NS_PER_S);
	assert_int_equal(net->nodes[0].channels, 2);
	assert_int_equal(net->nodes[0].channel, RELAY_CHANNEL_MIN + 1);
	run(net, 1000 * NS_PER_S);
	bind_to(net, 0, 1);
	run(net, NS_PER_S);
	assert_int_equal(net->nodes[0].channels, 3);
	assert_int_equal(net->nodes[0].channel, RELAY_CHANNEL_MIN);
}

#define NET_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_credential_vector),
		cmocka_unit_test(test_credential_parse_refuses),
		cmocka_unit_test(test_secret_trim),
		NET_TEST(test_registers_in_two_round_trips),
		NET_TEST(test_data_before_and_after_binding),
		NET_TEST(test_absent_peer_is_told_and_found),
		NET_TEST(test_cold_pair_binds_quickly),
		NET_TEST(test_peer_that_left_is_told),
		NET_TEST(test_works_with_loss),
		NET_TEST(test_stays_registered_and_bound),
		NET_TEST(test_address_change_keeps_session),
		NET_TEST(test_nat_rebinding_is_noticed),
		NET_TEST(test_stream_takes_over_and_breaks),
		NET_TEST(test_relay_death_under_traffic_within_a_second),
		NET_TEST(test_idle_relay_death_is_noticed),
		NET_TEST(test_unanswered_does_not_flood_a_living_relay),
		NET_TEST(test_relay_restart),
		NET_TEST(test_registration_expires_without_refresh),
		NET_TEST(test_wrong_password_is_refused),
		NET_TEST(test_expired_credential_is_refused),
		NET_TEST(test_another_nodes_key_is_forbidden),
		NET_TEST(test_replay_from_elsewhere_moves_nothing),
		NET_TEST(test_nonce_grows_stale),
		NET_TEST(test_plain_binding),
		NET_TEST(test_unknown_required_attribute),
		NET_TEST(test_behaviour_discovery),
		NET_TEST(test_strangers_are_limited_and_get_little),
		NET_TEST(test_sender_rate),
		NET_TEST(test_garbage_is_met_by_silence),
		NET_TEST(test_channel_data_of_a_stranger_goes_nowhere),
		NET_TEST(test_two_secrets_during_replacement),
		NET_TEST(test_client_ignores_forged_answers),
		NET_TEST(test_channel_numbers_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
