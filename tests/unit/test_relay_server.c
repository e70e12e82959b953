#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/turn_credential.h"
#include "tests/support/relay_net.h"

static unsigned int error_of(const struct relay_output *out)
{
	struct stun_message msg;
	unsigned int code;

	assert_int_equal(stun_parse(&msg, out->data, out->len), 0);
	return stun_get_error(&msg, &code) == 0 ? code : 0;
}

static void test_replay_from_elsewhere_moves_nothing(void **state)
{
	struct relay_net *net = *state;
	struct relay_address thief;
	uint8_t copy[2048];
	size_t len;

	relay_net_join_pair(net);
	relay_client_moved(net->nodes[0].client, RELAY_UDP, net->now_ns);
	relay_net_run(net, NS_PER_S);
	len = net->last_len;
	memcpy(copy, net->last, len);
	relay_net_address(&thief, "203.0.113.66:1");
	assert_true(relay_server_input(net->server, copy, len, &thief, net->now_ns, &net->out));
	assert_int_equal(error_of(&net->out), STUN_ERR_STALE_NONCE);
	relay_net_send(net, 1, 0, "mine");
	relay_net_run(net, NS_PER_S);
	relay_net_expect(net, 0, 1, "mine");
}

static void test_nonce_grows_stale(void **state)
{
	struct relay_net *net = *state;
	uint8_t copy[2048];
	size_t len;

	relay_net_join(net, 0);
	relay_net_run(net, 100 * NS_PER_MS);
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
	struct relay_net *net = *state;
	struct relay_address from;
	struct stun_message msg;
	struct endpoint mapped;
	uint8_t buf[256];
	size_t len;

	relay_net_address(&from, "[2001:db8::9]:77");
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
	struct relay_net *net = *state;
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
	struct relay_net *net = *state;
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

	config.secrets[0].bytes = relay_net_secret;
	config.secrets[0].len = RELAY_NET_SECRET_LEN;
	for (size_t i = 0; i < RELAY_SOCKETS_MAX; i++)
		assert_int_equal(endpoint_parse(&config.sockets[i], own[i]), 0);
	relay_server_free(net->server);
	assert_int_equal(relay_server_new(&net->server, &config, &net->rng, net->now_ns,
					  RELAY_NET_WALL_S),
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
	/* RESPONSE-PORT: only the port changes, and never to none. */
	for (uint32_t port = 0; port <= 4321; port += 4321) {
		const uint32_t value = port << 16;
		size_t len = binding(buf, sizeof(buf), STUN_ATTR_RESPONSE_PORT, &value, false);

		assert_true(relay_server_input(net->server, buf, len, &net->nodes[0].address,
					       net->now_ns, &net->out));
		assert_int_equal(error_of(&net->out), port ? 0 : STUN_ERR_BAD_REQUEST);
		assert_true(
			addr_equal(&net->out.to.remote.addr, &net->nodes[0].address.remote.addr));
		assert_int_equal(net->out.to.remote.port,
				 port ? port : net->nodes[0].address.remote.port);
	}
}

static void test_strangers_are_limited_and_get_little(void **state)
{
	struct relay_net *net = *state;
	struct relay_address from;
	uint8_t transaction[STUN_TRANSACTION_SIZE] = { 1 };
	unsigned int answered = 0;
	uint8_t buf[256];
	struct stun_builder b;
	size_t len;

	relay_net_address(&from, "203.0.113.7:9");
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
	relay_net_address(&from, "203.0.114.7:9");
	len = binding(buf, sizeof(buf), 0, NULL, false);
	assert_true(relay_server_input(net->server, buf, len, &from, net->now_ns, &net->out));
}

static void test_sender_rate(void **state)
{
	struct relay_net *net = *state;
	struct relay_server_config config = { .secret_count = 1, .rate_bytes_per_s = 100000 };
	unsigned int passed = 0;
	uint8_t frame[1004];

	config.secrets[0].bytes = relay_net_secret;
	config.secrets[0].len = RELAY_NET_SECRET_LEN;
	relay_server_free(net->server);
	assert_int_equal(relay_server_new(&net->server, &config, &net->rng, net->now_ns,
					  RELAY_NET_WALL_S),
			 0);
	relay_net_join_pair(net);
	relay_net_bind(net, 0, 1);
	relay_net_run(net, NS_PER_S);
	for (uint64_t i = 0; i < 1000; i++) {
		memset(frame, 0, sizeof(frame));
		store_be16(frame, net->nodes[0].channel);
		store_be16(frame + 2, 1000);
		passed += relay_server_input(net->server, frame, sizeof(frame),
					     &net->nodes[0].address, net->now_ns + i * NS_PER_MS,
					     &net->out);
	}
	/* 100 kB in the second, and the burst of a tenth more. */
	assert_in_range(passed, 100, 111);
}

static void test_garbage_is_met_by_silence(void **state)
{
	struct relay_net *net = *state;
	uint8_t buf[300];
	uint8_t copy[300];

	for (int i = 0; i < 20000; i++) {
		size_t len = rng_below(&net->rng, sizeof(buf));

		rng_fill(&net->rng, buf, len);
		assert_false(relay_server_input(net->server, buf, len, &net->nodes[0].address,
						net->now_ns, &net->out));
	}
	/* Every truncation of a message. */
	relay_net_join(net, 0);
	relay_net_run(net, NS_PER_S);
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
	struct relay_net *net = *state;
	uint8_t frame[] = { 0x40, 0x00, 0x00, 0x04, 1, 2, 3, 4 };
	struct relay_address stranger;

	relay_net_join_pair(net);
	relay_net_bind(net, 0, 1);
	relay_net_run(net, NS_PER_S);
	relay_net_address(&stranger, "192.0.2.1:4001");
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
	struct relay_net *net = *state;
	struct relay_server_config config = { .secret_count = 2 };

	config.secrets[0].bytes = (const uint8_t *)"the newer secret";
	config.secrets[0].len = 16;
	config.secrets[1].bytes = relay_net_secret;
	config.secrets[1].len = RELAY_NET_SECRET_LEN;
	relay_server_free(net->server);
	assert_int_equal(relay_server_new(&net->server, &config, &net->rng, net->now_ns,
					  RELAY_NET_WALL_S),
			 0);
	relay_net_join(net, 0);
	relay_net_run(net, NS_PER_S);
	assert_int_equal(net->nodes[0].registered, 1);
	config.secrets[1].len = 3;
	assert_int_equal(relay_server_new(&net->server, &config, &net->rng, net->now_ns,
					  RELAY_NET_WALL_S),
			 -EINVAL);
}

static void test_client_ignores_forged_answers(void **state)
{
	struct relay_net *net = *state;
	uint8_t buf[2048];
	uint8_t answer[512];
	struct stun_message request;
	struct stun_builder b;
	size_t len;

	relay_net_join(net, 0);
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

/* A client at node 2's place with node 0's key, as a copied disk has it. */
static void join_copy(struct relay_net *net, const char *address, uint64_t expiry_s)
{
	struct relay_node *copy = &net->nodes[2];

	relay_client_free(copy->client);
	memcpy(copy->key, net->nodes[0].key, 32);
	relay_net_address(&copy->address, address);
	copy->registered = copy->refused = 0;
	relay_net_join_until(net, 2, expiry_s);
	relay_net_run(net, NS_PER_S);
}

static void test_copy_does_not_take_over(void **state)
{
	const uint64_t expiry_s = RELAY_NET_WALL_S * 2u;
	struct relay_net *net = *state;
	struct relay_node *first = &net->nodes[0];
	struct relay_node *copy = &net->nodes[2];

	relay_net_join_until(net, 0, expiry_s);
	relay_net_run(net, NS_PER_S);
	join_copy(net, "198.51.100.9:4000", expiry_s - 1);
	assert_int_equal(copy->refused, 1);
	assert_int_equal(copy->error, STUN_ERR_FORBIDDEN);
	join_copy(net, "198.51.100.9:4000", expiry_s);
	assert_int_equal(copy->refused, 1);
	/* Older ones not even behind the same NAT. */
	join_copy(net, "192.0.2.1:4001", expiry_s - 1);
	assert_int_equal(copy->refused, 1);
	assert_true(relay_server_registered(net->server, &first->address));
	assert_int_equal(first->lost, 0);
	relay_net_run(net, 100 * NS_PER_S);
	assert_true(relay_server_registered(net->server, &first->address));
	assert_int_equal(copy->registered, 0);

	/* The first one is there no more, and did not say so. */
	relay_client_free(first->client);
	first->client = NULL;
	relay_net_run(net, (RELAY_ALIVE_S + 61) * NS_PER_S);
	assert_int_equal(copy->registered, 1);
}

static void test_restarted_machine_takes_over(void **state)
{
	const uint64_t expiry_s = RELAY_NET_WALL_S * 2u;
	struct relay_net *net = *state;

	relay_net_join_until(net, 0, expiry_s);
	relay_net_run(net, NS_PER_S);
	/* Without having heard from the coordinator, at another port; then after a new login. */
	join_copy(net, "192.0.2.1:4001", expiry_s);
	assert_int_equal(net->nodes[2].registered, 1);
	relay_client_free(net->nodes[0].client);
	net->nodes[0].client = NULL;
	join_copy(net, "198.51.100.9:4000", expiry_s + 1);
	assert_int_equal(net->nodes[2].registered, 1);
}

static void test_channel_numbers_rest(void **state)
{
	struct relay_net *net = *state;

	relay_net_join_pair(net);
	relay_net_join(net, 2);
	relay_net_run(net, NS_PER_S);
	relay_net_bind(net, 0, 1);
	relay_net_run(net, NS_PER_S);
	assert_int_equal(net->nodes[0].channel, RELAY_CHANNEL_MIN);
	relay_client_unbind(net->nodes[0].client, net->nodes[1].key);
	relay_net_bind(net, 0, 2);
	relay_net_run(net, NS_PER_S);
	assert_int_equal(net->nodes[0].channels, 2);
	assert_int_equal(net->nodes[0].channel, RELAY_CHANNEL_MIN + 1);
	relay_net_run(net, 1000 * NS_PER_S);
	relay_net_bind(net, 0, 1);
	relay_net_run(net, NS_PER_S);
	assert_int_equal(net->nodes[0].channels, 3);
	assert_int_equal(net->nodes[0].channel, RELAY_CHANNEL_MIN);
}

#define NET_TEST(name) cmocka_unit_test_setup_teardown(name, relay_net_setup, relay_net_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
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
		NET_TEST(test_copy_does_not_take_over),
		NET_TEST(test_restarted_machine_takes_over),
		NET_TEST(test_channel_numbers_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
