#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proto/relay_forward.h"
#include "tests/support/relay_net.h"

/* What forwarders do with the table that a relay_server keeps for them. */

#define PAYLOAD 100
#define PACKET  (PAYLOAD + RELAY_CHANNEL_HEADER)

static uint16_t channel_of(struct relay_net *net, int from, int to)
{
	return relay_client_channel(net->nodes[from].client, net->nodes[to].key);
}

static size_t put(uint8_t *at, uint16_t channel, size_t len, uint8_t fill)
{
	store_be16(at, channel);
	store_be16(at + 2, (uint16_t)len);
	memset(at + RELAY_CHANNEL_HEADER, fill, len);
	return len + RELAY_CHANNEL_HEADER;
}

/* A bound pair: nodes 0 and 1. */
static void bind_pair(struct relay_net *net)
{
	relay_net_join_pair(net);
	relay_net_bind(net, 0, 1);
	relay_net_bind(net, 1, 0);
	relay_net_run(net, NS_PER_S);
	assert_true(channel_of(net, 0, 1) && channel_of(net, 1, 0));
}

enum verdict { FORWARDED, ASIDE, DROPPED };

/* One packet from where node `from` is to node `to`'s channel. */
static enum verdict one(struct relay_net *net, int from, uint16_t channel, struct relay_run *run)
{
	static uint8_t packet[PACKET];
	const struct relay_forward *forward = relay_server_forward(net->server);
	struct relay_counts counts = { 0 };
	uint8_t *data = packet;
	size_t len = put(packet, channel, PAYLOAD, 7);

	if (!relay_forward_next(forward,
				relay_forward_find(forward, &net->nodes[from].address.remote),
				&data, &len, len, net->now_ns, run, &counts))
		return DROPPED;
	return run->to ? FORWARDED : ASIDE;
}

static void test_a_pair_is_linked_when_both_have_bound(void **state)
{
	struct relay_net *net = *state;
	struct relay_run run;

	relay_net_join_pair(net);
	relay_net_bind(net, 0, 1);
	relay_net_run(net, NS_PER_S);
	/* The receiver has no channel for it yet: the core makes an indication of it. */
	assert_int_equal(one(net, 0, channel_of(net, 0, 1), &run), ASIDE);
	relay_net_bind(net, 1, 0);
	relay_net_run(net, NS_PER_S);
	assert_int_equal(one(net, 0, channel_of(net, 0, 1), &run), FORWARDED);
	assert_true(endpoint_equal(&run.to->address.remote, &net->nodes[1].address.remote));
	assert_int_equal(load_be16(run.data), channel_of(net, 1, 0));
	assert_int_equal(load_be16(run.data + 2), PAYLOAD);
	assert_int_equal(run.data[RELAY_CHANNEL_HEADER], 7);
	assert_int_equal(one(net, 1, channel_of(net, 1, 0), &run), FORWARDED);
	assert_int_equal(load_be16(run.data), channel_of(net, 0, 1));
	/* Known, but not this channel. */
	assert_int_equal(one(net, 0, RELAY_CHANNEL_MAX, &run), ASIDE);
	/* Not known. */
	assert_int_equal(one(net, 2, channel_of(net, 0, 1), &run), DROPPED);
}

static void test_a_datagram_is_split_where_the_way_changes(void **state)
{
	struct relay_net *net = *state;
	const struct relay_forward *forward = relay_server_forward(net->server);
	uint8_t bytes[8 * PACKET];
	uint8_t *data = bytes;
	size_t len = 0;
	struct relay_counts counts = { 0 };
	const struct relay_place *from;
	struct relay_run run;
	uint16_t channel;

	bind_pair(net);
	channel = channel_of(net, 0, 1);
	for (uint8_t i = 0; i < 3; i++)
		len += put(bytes + len, channel, PAYLOAD, i);
	len += put(bytes + len, RELAY_CHANNEL_MAX, PAYLOAD, 3);
	memset(bytes + len, 0xff, PACKET); /* no ChannelData */
	len += PACKET;
	put(bytes + len, channel, PAYLOAD - 2, 4); /* padded */
	len += PACKET;
	len += put(bytes + len, channel, PAYLOAD, 5);
	len += put(bytes + len, channel, 20, 6); /* the short last one */

	from = relay_forward_find(forward, &net->nodes[0].address.remote);
	assert_true(
		relay_forward_next(forward, from, &data, &len, PACKET, net->now_ns, &run, &counts));
	assert_non_null(run.to);
	assert_ptr_equal(run.data, bytes);
	assert_int_equal(run.len, 3 * PACKET);
	assert_int_equal(run.segment, PACKET);
	for (uint8_t i = 0; i < 3; i++) {
		assert_int_equal(load_be16(run.data + i * PACKET), channel_of(net, 1, 0));
		assert_int_equal(run.data[i * PACKET + PACKET - 1], i);
	}
	assert_true(
		relay_forward_next(forward, from, &data, &len, PACKET, net->now_ns, &run, &counts));
	assert_null(run.to);
	assert_int_equal(run.len, PACKET);
	assert_int_equal(load_be16(run.data), RELAY_CHANNEL_MAX);
	assert_true(
		relay_forward_next(forward, from, &data, &len, PACKET, net->now_ns, &run, &counts));
	assert_non_null(run.to);
	assert_int_equal(run.len, PACKET - 2); /* without its padding */
	assert_true(
		relay_forward_next(forward, from, &data, &len, PACKET, net->now_ns, &run, &counts));
	assert_int_equal(run.len, PACKET);
	assert_true(
		relay_forward_next(forward, from, &data, &len, PACKET, net->now_ns, &run, &counts));
	assert_int_equal(run.len, 24);
	assert_int_equal(run.data[23], 6);
	assert_false(
		relay_forward_next(forward, from, &data, &len, PACKET, net->now_ns, &run, &counts));
	assert_int_equal(counts.packets, 6);
	assert_int_equal(counts.bytes, 5 * PAYLOAD - 2 + 20);
	assert_int_equal(counts.dropped_malformed, 1);
}

static void test_links_end_with_their_channels(void **state)
{
	struct relay_net *net = *state;
	struct relay_run run;
	uint16_t channel;

	bind_pair(net);
	channel = channel_of(net, 0, 1);
	/* The clients refresh, so it lasts. */
	relay_net_run(net, 2 * (uint64_t)RELAY_LIFETIME_S * NS_PER_S);
	assert_int_equal(one(net, 0, channel, &run), FORWARDED);
	/* One of them binds no more: its channel ends, and the link, though the other goes on. */
	relay_client_unbind(net->nodes[1].client, net->nodes[0].key);
	relay_net_run(net, (uint64_t)RELAY_LIFETIME_S * NS_PER_S + NS_PER_S);
	assert_int_equal(one(net, 0, channel, &run), ASIDE);
}

static void test_a_node_that_moves_is_followed(void **state)
{
	struct relay_net *net = *state;
	struct relay_address before;
	struct relay_run run;
	uint16_t channel;

	bind_pair(net);
	channel = channel_of(net, 0, 1);
	before = net->nodes[1].address;
	relay_net_address(&net->nodes[1].address, "198.51.100.77:9");
	relay_client_moved(net->nodes[1].client, RELAY_UDP, net->now_ns);
	relay_net_run(net, NS_PER_S);
	assert_int_equal(one(net, 0, channel, &run), FORWARDED);
	assert_true(endpoint_equal(&run.to->address.remote, &net->nodes[1].address.remote));
	assert_int_equal(one(net, 1, channel_of(net, 1, 0), &run), FORWARDED);
	assert_null(relay_forward_find(relay_server_forward(net->server), &before.remote));
	/* On a stream it is the loop's, and back again. */
	net->nodes[1].address.stream = 5;
	relay_client_moved(net->nodes[1].client, RELAY_STREAM, net->now_ns);
	relay_net_run(net, NS_PER_S);
	assert_int_equal(one(net, 0, channel, &run), ASIDE);
	net->nodes[1].address.stream = 0;
	relay_client_moved(net->nodes[1].client, RELAY_UDP, net->now_ns);
	relay_net_run(net, NS_PER_S);
	assert_int_equal(one(net, 0, channel, &run), FORWARDED);
	/* By another of the relay's sockets, too. */
	net->nodes[1].address.socket = 2;
	relay_client_moved(net->nodes[1].client, RELAY_UDP, net->now_ns);
	relay_net_run(net, NS_PER_S);
	assert_int_equal(one(net, 0, channel, &run), ASIDE);
	/* And when it leaves. */
	relay_client_leave(net->nodes[1].client, net->now_ns);
	relay_net_run(net, NS_PER_S);
	assert_int_equal(one(net, 0, channel, &run), ASIDE);
	assert_null(relay_forward_find(relay_server_forward(net->server),
				       &net->nodes[1].address.remote));
}

static void test_the_limit_is_one_for_all(void **state)
{
	struct relay_net *net = *state;
	struct relay_server_config config = { .secret_count = 1, .rate_packets_per_s = 1000 };
	static uint8_t bytes[64 * PACKET];
	const struct relay_forward *forward;
	struct relay_counts counts = { 0 };
	uint8_t frame[PACKET];
	uint8_t *data = bytes;
	size_t len = 0;
	struct relay_run run;

	config.secrets[0].bytes = relay_net_secret;
	config.secrets[0].len = RELAY_NET_SECRET_LEN;
	relay_server_free(net->server);
	assert_int_equal(relay_server_new(&net->server, &config, &net->rng, net->now_ns,
					  RELAY_NET_WALL_S),
			 0);
	forward = relay_server_forward(net->server);
	bind_pair(net);
	/* A tenth of a second's burst is 100 packets: 60 by the core, so 40 of the next 64. */
	for (int i = 0; i < 60; i++) {
		put(frame, channel_of(net, 0, 1), PAYLOAD, 1);
		assert_true(relay_server_input(net->server, frame, sizeof(frame),
					       &net->nodes[0].address, net->now_ns, &net->out));
	}
	for (int i = 0; i < 64; i++)
		len += put(bytes + len, channel_of(net, 0, 1), PAYLOAD, 2);
	assert_true(relay_forward_next(forward,
				       relay_forward_find(forward, &net->nodes[0].address.remote),
				       &data, &len, PACKET, net->now_ns, &run, &counts));
	assert_int_equal(run.len, 40 * PACKET);
	assert_int_equal(counts.dropped_rate, 24);
	assert_int_equal(counts.packets, 40);
	put(frame, channel_of(net, 0, 1), PAYLOAD, 1);
	assert_false(relay_server_input(net->server, frame, sizeof(frame), &net->nodes[0].address,
					net->now_ns, &net->out));
	assert_int_equal(one(net, 0, channel_of(net, 0, 1), &run), DROPPED);
	net->now_ns += 2 * NS_PER_MS;
	assert_int_equal(one(net, 0, channel_of(net, 0, 1), &run), FORWARDED);
	/* The other direction is another sender. */
	assert_int_equal(one(net, 1, channel_of(net, 1, 0), &run), FORWARDED);
}

/* ---- readers beside the writer ---- */

#define NODES  64
#define ROUNDS 20000

struct crowd {
	struct relay_forward *forward;
	atomic_bool ending;
	atomic_ulong forwarded;
};

static struct relay_address crowd_address(unsigned int i, unsigned int home)
{
	return (struct relay_address){ .remote = { .addr = addr_from_v4(0x0a000000u + i),
						   .port = (uint16_t)(1000 + home) } };
}

static void *read_crowd(void *arg)
{
	struct crowd *crowd = arg;
	struct relay_counts counts = { 0 };
	uint8_t packet[PACKET];
	unsigned int i = 0;

	while (!atomic_load(&crowd->ending)) {
		uint8_t *data = packet;
		size_t len = put(packet, (uint16_t)(RELAY_CHANNEL_MIN + i % NODES), PAYLOAD, 1);
		struct relay_address from = crowd_address(i / NODES % NODES, i % 2);
		struct relay_run run;

		rcu_enter();
		if (relay_forward_next(crowd->forward,
				       relay_forward_find(crowd->forward, &from.remote), &data,
				       &len, PACKET, 1, &run, &counts) &&
		    run.to) {
			/* Whoever it is, it is a node that stands somewhere. */
			if (run.to->address.remote.port < 1000)
				abort();
			atomic_fetch_add_explicit(&crowd->forwarded, 1, memory_order_relaxed);
		}
		rcu_leave();
		i++;
	}
	return NULL;
}

static void test_readers_run_beside_the_writer(void **state)
{
	struct relay_rate rate = { .burst_ns = NS_PER_S };
	struct relay_source *sources[NODES] = { 0 };
	struct rng_seeded seeded;
	struct rng rng;
	struct crowd crowd = { 0 };
	pthread_t threads[2];

	(void)state;
	rng_seeded_init(&seeded, 3);
	rng = rng_from_seeded(&seeded);
	crowd.forward = relay_forward_new(&rate, &rng, true);
	assert_non_null(crowd.forward);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_crowd, &crowd), 0);
	/* Nodes come, move, bind, unbind and go. */
	for (int i = 0; i < ROUNDS || !atomic_load(&crowd.forwarded); i++) {
		unsigned int a = (unsigned int)rng_below(&rng, NODES);
		unsigned int b = (unsigned int)rng_below(&rng, NODES);
		struct relay_address at = crowd_address(a, (unsigned int)rng_below(&rng, 2));

		if (!sources[a])
			sources[a] = relay_source_new();
		switch (rng_below(&rng, 8)) {
		case 0:
			relay_forward_remove(crowd.forward, sources[a]);
			sources[a] = NULL;
			break;
		case 1:
			relay_forward_unlink(crowd.forward, sources[a],
					     (uint16_t)(RELAY_CHANNEL_MIN + b));
			break;
		case 2:
		case 3:
			assert_int_equal(relay_forward_set_place(crowd.forward, sources[a], &at),
					 0);
			break;
		default:
			if (a != b && sources[b])
				assert_int_equal(
					relay_forward_link(crowd.forward, sources[a],
							   (uint16_t)(RELAY_CHANNEL_MIN + b),
							   sources[b],
							   (uint16_t)(RELAY_CHANNEL_MIN + a), 10),
					0);
		}
	}
	atomic_store(&crowd.ending, true);
	for (size_t i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < NODES; i++)
		relay_forward_remove(crowd.forward, sources[i]);
	relay_forward_free(crowd.forward);
}

#define NET_TEST(name) cmocka_unit_test_setup_teardown(name, relay_net_setup, relay_net_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(test_a_pair_is_linked_when_both_have_bound),
		NET_TEST(test_a_datagram_is_split_where_the_way_changes),
		NET_TEST(test_links_end_with_their_channels),
		NET_TEST(test_a_node_that_moves_is_followed),
		NET_TEST(test_the_limit_is_one_for_all),
		cmocka_unit_test(test_readers_run_beside_the_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
