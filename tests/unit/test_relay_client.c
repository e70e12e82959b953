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

static void test_registers_in_two_round_trips(void **state)
{
	struct relay_net *net = *state;
	struct endpoint mapped;

	relay_net_join(net, 0);
	relay_net_run(net, 4 * RELAY_NET_DELAY_NS);
	assert_int_equal(net->nodes[0].registered, 1);
	assert_int_equal(net->to_relay, 2);
	assert_true(relay_client_registered(net->nodes[0].client));
	assert_int_equal(relay_client_rtt_ns(net->nodes[0].client), 2 * RELAY_NET_DELAY_NS);
	mapped = relay_client_mapped(net->nodes[0].client);
	assert_true(endpoint_equal(&mapped, &net->nodes[0].address.remote));
	assert_int_equal(relay_server_stats(net->server).sessions, 1);
}

static void test_data_before_and_after_binding(void **state)
{
	struct relay_net *net = *state;

	relay_net_join_pair(net);
	relay_net_send(net, 0, 1, "first");
	relay_net_run(net, 100 * NS_PER_MS);
	relay_net_expect(net, 1, 0, "first");
	assert_false(net->nodes[1].by_channel);

	relay_net_bind(net, 0, 1);
	assert_int_equal(relay_client_channel(net->nodes[0].client, net->nodes[1].key), 0);
	relay_net_run(net, 100 * NS_PER_MS);
	assert_int_equal(net->nodes[0].channels, 1);
	assert_int_equal(net->nodes[0].channel, RELAY_CHANNEL_MIN);

	/* The sender's channel is the sender's: node 1 has none for node 0 yet. */
	relay_net_send(net, 0, 1, "second");
	relay_net_run(net, 100 * NS_PER_MS);
	relay_net_expect(net, 1, 0, "second");
	assert_false(net->nodes[1].by_channel);

	relay_net_bind(net, 1, 0);
	relay_net_run(net, 100 * NS_PER_MS);
	relay_net_send(net, 0, 1, "third");
	relay_net_run(net, 100 * NS_PER_MS);
	relay_net_expect(net, 1, 0, "third");
	assert_true(net->nodes[1].by_channel);
	relay_net_send(net, 1, 0, "");
	relay_net_run(net, 100 * NS_PER_MS);
	relay_net_expect(net, 0, 1, "");
	assert_int_equal(relay_server_stats(net->server).forwarded_packets, 4);
}

static void test_absent_peer_is_told_and_found(void **state)
{
	struct relay_net *net = *state;

	relay_net_join(net, 0);
	relay_net_run(net, NS_PER_S);
	relay_net_bind(net, 0, 1);
	relay_net_run(net, 3 * NS_PER_S);
	assert_int_equal(net->nodes[0].absent, 1);
	assert_int_equal(net->nodes[0].channels, 0);
	relay_net_send(net, 0, 2, "nobody");
	relay_net_run(net, NS_PER_S);
	assert_int_equal(relay_server_stats(net->server).dropped_absent, 1);

	relay_net_join(net, 1);
	relay_net_run(net, 16 * NS_PER_S);
	assert_int_equal(net->nodes[0].channels, 1);
}

static void test_cold_pair_binds_quickly(void **state)
{
	struct relay_net *net = *state;

	/* Both start at once, and node 0 asks for node 1 before that is here. */
	relay_net_join(net, 0);
	relay_net_bind(net, 0, 1);
	relay_net_run(net, 3 * RELAY_NET_DELAY_NS);
	relay_net_join(net, 1);
	relay_net_run(net, 400 * NS_PER_MS);
	assert_int_equal(net->nodes[0].channels, 1);
}

static void test_peer_that_left_is_told(void **state)
{
	struct relay_net *net = *state;

	relay_net_join_pair(net);
	relay_net_bind(net, 0, 1);
	relay_net_run(net, NS_PER_S);
	relay_client_leave(net->nodes[1].client, net->now_ns);
	relay_net_run(net, NS_PER_S);
	assert_int_equal(relay_server_stats(net->server).sessions, 1);
	relay_net_send(net, 0, 1, "gone");
	relay_net_run(net, NS_PER_S);
	assert_int_equal(net->nodes[0].absent, 1);
	assert_int_equal(relay_client_channel(net->nodes[0].client, net->nodes[1].key), 0);
	relay_client_moved(net->nodes[1].client, RELAY_UDP, net->now_ns);
	relay_net_run(net, 16 * NS_PER_S);
	assert_int_equal(net->nodes[0].channels, 2);
}

static void test_works_with_loss(void **state)
{
	struct relay_net *net = *state;

	net->loss_percent = 30;
	relay_net_join(net, 0);
	relay_net_join(net, 1);
	relay_net_run(net, 60 * NS_PER_S);
	assert_true(relay_client_registered(net->nodes[0].client));
	assert_true(relay_client_registered(net->nodes[1].client));
	relay_net_bind(net, 0, 1);
	relay_net_run(net, 20 * NS_PER_S);
	assert_true(net->nodes[0].channels >= 1);
	/* And it stays, for hours. */
	relay_net_run(net, 7200 * NS_PER_S);
	net->loss_percent = 0;
	relay_net_run(net, 60 * NS_PER_S);
	assert_int_not_equal(relay_client_channel(net->nodes[0].client, net->nodes[1].key), 0);
	assert_int_equal(relay_server_stats(net->server).sessions, 2);
}

static void test_stays_registered_and_bound(void **state)
{
	struct relay_net *net = *state;
	unsigned int before;

	relay_net_join_pair(net);
	relay_net_bind(net, 0, 1);
	relay_net_bind(net, 1, 0);
	relay_net_run(net, 2 * 3600 * NS_PER_S);
	assert_int_equal(net->nodes[0].lost, 0);
	assert_int_equal(net->nodes[0].registered, 1);
	assert_int_equal(net->nodes[0].channels, 1);
	relay_net_send(net, 0, 1, "still");
	relay_net_run(net, NS_PER_S);
	relay_net_expect(net, 1, 0, "still");
	assert_true(net->nodes[1].by_channel);
	/* An idle client asks every 15 s or less often. */
	before = net->to_relay;
	relay_net_run(net, 60 * NS_PER_S);
	assert_in_range(net->to_relay - before, 6, 12);
}

static void test_address_change_keeps_session(void **state)
{
	struct relay_net *net = *state;

	relay_net_join_pair(net);
	relay_net_bind(net, 0, 1);
	relay_net_bind(net, 1, 0);
	relay_net_run(net, NS_PER_S);
	relay_net_address(&net->nodes[0].address, "198.51.100.9:555");
	relay_client_moved(net->nodes[0].client, RELAY_UDP, net->now_ns);
	relay_net_run(net, 4 * RELAY_NET_DELAY_NS);
	assert_int_equal(net->nodes[0].registered, 2);
	assert_int_equal(net->nodes[0].channels, 1);
	relay_net_send(net, 1, 0, "moved");
	relay_net_send(net, 0, 1, "indeed");
	relay_net_run(net, 100 * NS_PER_MS);
	relay_net_expect(net, 0, 1, "moved");
	assert_true(net->nodes[0].by_channel);
	relay_net_expect(net, 1, 0, "indeed");
	assert_int_equal(relay_server_stats(net->server).sessions, 2);
}

static void test_a_move_takes_one_trip(void **state)
{
	struct relay_net *net = *state;
	const char *const addresses[] = { "198.51.100.9:555", "198.51.100.10:556",
					  "198.51.100.11:557" };

	relay_net_join_pair(net);
	relay_net_run(net, NS_PER_S);
	for (size_t i = 0; i < 3; i++) {
		unsigned int registered = net->nodes[0].registered;

		relay_net_address(&net->nodes[0].address, addresses[i]);
		relay_client_moved(net->nodes[0].client, RELAY_UDP, net->now_ns);
		/* Behind it in the same moment: the relay knows us by then. */
		relay_net_send(net, 0, 1, "from there");
		relay_net_run(net, 2 * RELAY_NET_DELAY_NS);
		assert_int_equal(net->nodes[0].registered, registered + 1);
		relay_net_expect(net, 1, 0, "from there");
		net->nodes[1].data_count = 0;
	}
}

static void test_keepalives_learn_how_long_a_mapping_lives(void **state)
{
	struct relay_net *net = *state;
	unsigned int before;

	relay_net_join_pair(net);
	relay_net_run(net, NS_PER_S);
	/* Each silence of more than ten seconds costs the mapping. */
	for (unsigned int i = 0; i < 60; i++) {
		char address[32];

		before = net->to_relay;
		for (unsigned int s = 0; s < 10 && net->to_relay == before; s++)
			relay_net_run(net, NS_PER_S);
		if (net->to_relay != before)
			continue;
		snprintf(address, sizeof(address), "192.0.2.1:%u", 5000 + i);
		relay_net_address(&net->nodes[0].address, address);
		relay_net_run(net, 10 * NS_PER_S);
	}
	assert_int_equal(net->nodes[0].lost, 0);
	before = net->to_relay;
	relay_net_run(net, 60 * NS_PER_S);
	/* Two nodes of which one knows better: every eight seconds at most, and every twenty. */
	assert_in_range(net->to_relay - before, 9, 16);
}

static void test_nat_rebinding_is_noticed(void **state)
{
	struct relay_net *net = *state;

	relay_net_join_pair(net);
	relay_net_bind(net, 0, 1);
	relay_net_bind(net, 1, 0);
	relay_net_run(net, NS_PER_S);
	/* The NAT gives another port; nobody tells the client. */
	relay_net_address(&net->nodes[0].address, "192.0.2.1:4001");
	relay_net_send(net, 0, 1, "dropped");
	relay_net_run(net, 500 * NS_PER_MS);
	assert_int_equal(net->nodes[1].data_count, 0);
	relay_client_unanswered(net->nodes[0].client, net->now_ns);
	relay_net_run(net, 100 * NS_PER_MS);
	relay_net_send(net, 0, 1, "back");
	relay_net_run(net, 100 * NS_PER_MS);
	relay_net_expect(net, 1, 0, "back");
	assert_int_equal(net->nodes[0].lost, 0);
}

static void test_stream_takes_over_and_breaks(void **state)
{
	struct relay_net *net = *state;

	relay_net_join_pair(net);
	relay_net_bind(net, 0, 1);
	relay_net_bind(net, 1, 0);
	relay_net_run(net, NS_PER_S);
	relay_net_address(&net->nodes[0].address, "192.0.2.1:50000");
	net->nodes[0].address.stream = 5;
	relay_client_moved(net->nodes[0].client, RELAY_STREAM, net->now_ns);
	relay_net_run(net, NS_PER_S);
	relay_net_send(net, 1, 0, "by stream");
	relay_net_run(net, NS_PER_S);
	relay_net_expect(net, 0, 1, "by stream");

	relay_server_stream_closed(net->server, &net->nodes[0].address);
	relay_client_disconnected(net->nodes[0].client, net->now_ns);
	relay_net_run(net, NS_PER_S);
	assert_int_equal(net->nodes[0].lost, 1);
	relay_net_send(net, 1, 0, "nowhere");
	relay_net_run(net, NS_PER_S);
	assert_int_equal(net->nodes[1].absent, 1);

	net->nodes[0].address.stream = 6;
	relay_client_moved(net->nodes[0].client, RELAY_STREAM, net->now_ns);
	relay_net_run(net, 16 * NS_PER_S);
	assert_int_equal(net->nodes[0].registered, 3);
	assert_int_equal(net->nodes[0].channels, 2);
	assert_int_equal(net->nodes[1].channels, 2);
}

static void test_relay_death_under_traffic_within_a_second(void **state)
{
	struct relay_net *net = *state;
	uint64_t died_ns;

	relay_net_join_pair(net);
	relay_net_run(net, 5 * NS_PER_S);
	net->relay_dead = true;
	died_ns = net->now_ns;
	/* The data plane asks again and again while packets go unanswered. */
	for (int i = 0; i < 15; i++) {
		relay_client_unanswered(net->nodes[0].client, net->now_ns);
		relay_net_run(net, 100 * NS_PER_MS);
	}
	assert_int_equal(net->nodes[0].lost, 1);
	assert_true(net->nodes[0].lost_at_ns - died_ns <= NS_PER_S);
	assert_int_equal(relay_client_send(net->nodes[0].client, net->nodes[1].key,
					   (const uint8_t *)"x", 1, net->now_ns),
			 -ENOTCONN);
	net->relay_dead = false;
	relay_net_run(net, 16 * NS_PER_S);
	assert_int_equal(net->nodes[0].registered, 2);
}

static void test_idle_relay_death_is_noticed(void **state)
{
	struct relay_net *net = *state;

	relay_net_join_pair(net);
	net->relay_dead = true;
	relay_net_run(net, 60 * NS_PER_S);
	assert_int_equal(net->nodes[0].lost, 1);
}

static void test_unanswered_does_not_flood_a_living_relay(void **state)
{
	struct relay_net *net = *state;
	unsigned int before;

	relay_net_join_pair(net);
	before = net->to_relay;
	for (int i = 0; i < 100; i++) {
		relay_client_unanswered(net->nodes[0].client, net->now_ns);
		relay_net_run(net, 10 * NS_PER_MS);
	}
	assert_int_equal(net->nodes[0].lost, 0);
	assert_in_range(net->to_relay - before, 1, 5);
}

static void test_relay_restart(void **state)
{
	struct relay_net *net = *state;

	relay_net_join_pair(net);
	relay_net_bind(net, 0, 1);
	relay_net_bind(net, 1, 0);
	relay_net_run(net, NS_PER_S);
	relay_server_free(net->server);
	relay_net_start_relay(net);
	/* The next keepalive, at the latest, finds no registration. */
	relay_net_run(net, 21 * NS_PER_S);
	assert_int_equal(net->nodes[0].registered, 2);
	assert_int_equal(net->nodes[0].channels, 2);
	relay_net_send(net, 0, 1, "again");
	relay_net_run(net, NS_PER_S);
	relay_net_expect(net, 1, 0, "again");
}

static void test_relay_restart_under_traffic(void **state)
{
	struct relay_net *net = *state;

	relay_net_join_pair(net);
	relay_net_bind(net, 0, 1);
	relay_net_run(net, NS_PER_S);
	relay_server_free(net->server);
	relay_net_start_relay(net);
	relay_client_unanswered(net->nodes[0].client, net->now_ns);
	relay_net_run(net, 500 * NS_PER_MS);
	assert_int_equal(net->nodes[0].lost, 1);
	assert_int_equal(net->nodes[0].registered, 2);
}

static void test_registration_expires_without_refresh(void **state)
{
	struct relay_net *net = *state;

	relay_net_join_pair(net);
	relay_client_free(net->nodes[1].client);
	net->nodes[1].client = NULL;
	relay_net_run(net, 599 * NS_PER_S);
	assert_int_equal(relay_server_stats(net->server).sessions, 2);
	relay_net_run(net, 2 * NS_PER_S);
	assert_int_equal(relay_server_stats(net->server).sessions, 1);
}

static void test_wrong_password_is_refused(void **state)
{
	struct relay_net *net = *state;
	char username[TURN_USERNAME_SIZE];
	char password[TURN_PASSWORD_SIZE];

	relay_net_join(net, 0);
	turn_credential_make(username, password, (const uint8_t *)"another secret..", 16,
			     net->nodes[0].key, RELAY_NET_WALL_S * 2u);
	assert_int_equal(relay_client_set_credentials(net->nodes[0].client, username, password), 0);
	relay_net_run(net, 2 * NS_PER_S);
	assert_int_equal(net->nodes[0].registered, 0);
	assert_int_equal(net->nodes[0].refused, 1);
	assert_int_equal(net->nodes[0].error, STUN_ERR_UNAUTHENTICATED);
	assert_int_equal(relay_server_stats(net->server).sessions, 0);

	/* Right ones are tried at once. */
	turn_credential_make(username, password, relay_net_secret, RELAY_NET_SECRET_LEN,
			     net->nodes[0].key, RELAY_NET_WALL_S * 2u);
	assert_int_equal(relay_client_set_credentials(net->nodes[0].client, username, password), 0);
	relay_net_run(net, NS_PER_S);
	assert_int_equal(net->nodes[0].registered, 1);
}

static void test_expired_credential_is_refused(void **state)
{
	struct relay_net *net = *state;

	relay_net_join_until(net, 0, RELAY_NET_WALL_S - 1);
	relay_net_run(net, NS_PER_S);
	assert_int_equal(net->nodes[0].refused, 1);
	assert_int_equal(net->nodes[0].error, STUN_ERR_WRONG_CREDENTIALS);
}

static void test_another_nodes_key_is_forbidden(void **state)
{
	struct relay_net *net = *state;
	char username[TURN_USERNAME_SIZE];
	char password[TURN_PASSWORD_SIZE];

	relay_net_join(net, 0);
	turn_credential_make(username, password, relay_net_secret, RELAY_NET_SECRET_LEN,
			     net->nodes[1].key, RELAY_NET_WALL_S * 2u);
	assert_int_equal(relay_client_set_credentials(net->nodes[0].client, username, password), 0);
	relay_net_run(net, NS_PER_S);
	assert_int_equal(net->nodes[0].refused, 1);
	assert_int_equal(net->nodes[0].error, STUN_ERR_FORBIDDEN);
	assert_int_equal(relay_server_stats(net->server).sessions, 0);
}

#define NET_TEST(name) cmocka_unit_test_setup_teardown(name, relay_net_setup, relay_net_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(test_registers_in_two_round_trips),
		NET_TEST(test_data_before_and_after_binding),
		NET_TEST(test_absent_peer_is_told_and_found),
		NET_TEST(test_cold_pair_binds_quickly),
		NET_TEST(test_peer_that_left_is_told),
		NET_TEST(test_works_with_loss),
		NET_TEST(test_stays_registered_and_bound),
		NET_TEST(test_address_change_keeps_session),
		NET_TEST(test_a_move_takes_one_trip),
		NET_TEST(test_keepalives_learn_how_long_a_mapping_lives),
		NET_TEST(test_nat_rebinding_is_noticed),
		NET_TEST(test_stream_takes_over_and_breaks),
		NET_TEST(test_relay_death_under_traffic_within_a_second),
		NET_TEST(test_idle_relay_death_is_noticed),
		NET_TEST(test_unanswered_does_not_flood_a_living_relay),
		NET_TEST(test_relay_restart),
		NET_TEST(test_relay_restart_under_traffic),
		NET_TEST(test_registration_expires_without_refresh),
		NET_TEST(test_wrong_password_is_refused),
		NET_TEST(test_expired_credential_is_refused),
		NET_TEST(test_another_nodes_key_is_forbidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
