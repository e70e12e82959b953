#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "proto/relay_client.h"
#include "tests/support/turn_server.h"

#define PASSWORD "right"
#define START_NS (1000 * NS_PER_S)

static const uint8_t bob[32] = { 'b' };
static const uint8_t carol[32] = { 'c' };

static struct turn_server server;
static struct relay_client *client;
static struct rng_seeded seeded;
static struct rng rng;
static uint64_t now_ns;

/* The latest of each kind of event, and how many there were. */
static struct relay_event seen[RELAY_EVENT_PEER_ABSENT + 1];
static unsigned int seen_count[RELAY_EVENT_PEER_ABSENT + 1];
static char data[64];

static void take_events(void)
{
	struct relay_event event;

	while (relay_client_poll_event(client, &event)) {
		seen[event.type] = event;
		seen_count[event.type]++;
		if (event.type == RELAY_EVENT_DATA) {
			memcpy(data, event.data, event.len);
			data[event.len] = 0;
		}
	}
}

static void input(const uint8_t *bytes, size_t len)
{
	relay_client_input(client, bytes, len, now_ns);
	take_events();
}

/* Lets client and server talk until both are silent. */
static void drain(void)
{
	uint8_t out[RELAY_MESSAGE_MAX];
	uint8_t in[512];
	size_t len;

	take_events();
	while ((len = relay_client_poll_output(client, out, sizeof(out)))) {
		len = turn_server_input(&server, out, len, in, sizeof(in), now_ns);
		if (len)
			input(in, len);
	}
}

static void run_until(uint64_t until_ns)
{
	uint64_t next_ns;

	while ((next_ns = relay_client_next_timeout(client)) <= until_ns) {
		if (next_ns > now_ns)
			now_ns = next_ns;
		relay_client_expire(client, now_ns);
		drain();
	}
	now_ns = until_ns;
}

static struct endpoint at(const char *text)
{
	struct endpoint ep;

	assert_int_equal(endpoint_parse(&ep, text), 0);
	return ep;
}

static int setup(void **state)
{
	const struct relay_client_config config = { .username = "1:alice",
						    .password = PASSWORD,
						    .turn = true };

	(void)state;
	memset(seen, 0, sizeof(seen));
	memset(seen_count, 0, sizeof(seen_count));
	memset(data, 0, sizeof(data));
	now_ns = START_NS;
	rng_seeded_init(&seeded, 7);
	rng = rng_from_seeded(&seeded);
	turn_server_init(&server, PASSWORD);
	client = relay_client_new(&config, &rng, now_ns);
	return client ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	relay_client_free(client);
	return 0;
}

static int setup_registered(void **state)
{
	if (setup(state) < 0)
		return -1;
	drain();
	return relay_client_registered(client) ? 0 : -1;
}

static void test_allocates(void **state)
{
	struct endpoint relayed;

	(void)state;
	drain();
	assert_int_equal(seen_count[RELAY_EVENT_REGISTERED], 1);
	assert_int_equal(turn_server_count(&server, STUN_ALLOCATE), 2);
	assert_false(server.log[0].is_signed);
	assert_true(server.log[1].is_signed);
	assert_int_equal(server.log[1].transport, 17u << 24);
	assert_int_equal(server.log[1].family, 0);
	relayed = relay_client_relayed(client);
	assert_true(endpoint_equal(&relayed, &server.relayed));
	/* Whoever has an allocation at the same server may send to us. */
	assert_true(addr_equal(&turn_server_last(&server, STUN_CREATE_PERMISSION)->peer.addr,
			       &server.relayed.addr));
}

static void test_refreshes_at_half_the_lifetime(void **state)
{
	(void)state;
	server.lifetime = 24; /* so that it comes before any sign of life is due */
	drain();
	run_until(START_NS + 12 * NS_PER_S - 1);
	assert_int_equal(turn_server_count(&server, STUN_REFRESH), 0);
	run_until(START_NS + 12 * NS_PER_S);
	assert_int_equal(turn_server_count(&server, STUN_REFRESH), 1);
	assert_int_equal(turn_server_last(&server, STUN_REFRESH)->lifetime, 600);
}

static void test_a_lifetime_of_nothing_is_no_busy_loop(void **state)
{
	(void)state;
	server.lifetime = 0;
	drain();
	run_until(START_NS + 60 * NS_PER_S);
	assert_true(server.count < 30);
}

static void test_permissions_and_channels_outlive_their_lifetimes(void **state)
{
	const struct endpoint there = at("198.51.100.20:50001");
	size_t permissions, binds;

	(void)state;
	relay_client_set_peer_address(client, bob, &there, now_ns);
	drain();
	assert_int_equal(seen_count[RELAY_EVENT_CHANNEL], 1);
	assert_int_equal(seen[RELAY_EVENT_CHANNEL].channel, 0x4000);
	permissions = turn_server_count(&server, STUN_CREATE_PERMISSION);
	binds = turn_server_count(&server, STUN_CHANNEL_BIND);
	assert_int_equal(permissions, 2);
	assert_int_equal(binds, 1);
	run_until(START_NS + 240 * NS_PER_S - 1);
	assert_int_equal(turn_server_count(&server, STUN_CREATE_PERMISSION), permissions);
	assert_int_equal(turn_server_count(&server, STUN_CHANNEL_BIND), binds);
	run_until(START_NS + 240 * NS_PER_S);
	assert_int_equal(turn_server_count(&server, STUN_CREATE_PERMISSION), permissions + 2);
	assert_int_equal(turn_server_count(&server, STUN_CHANNEL_BIND), binds + 1);
	assert_int_equal(seen_count[RELAY_EVENT_CHANNEL], 1);
	assert_int_equal(seen_count[RELAY_EVENT_LOST], 0);
}

static void test_every_request_copes_with_a_new_nonce(void **state)
{
	const struct endpoint there = at("198.51.100.20:50001");

	(void)state;
	server.fickle = true;
	relay_client_set_peer_address(client, bob, &there, now_ns);
	drain();
	run_until(START_NS + 1000 * NS_PER_S);
	assert_true(relay_client_registered(client));
	assert_int_equal(seen_count[RELAY_EVENT_LOST], 0);
	assert_int_equal(seen_count[RELAY_EVENT_CHANNEL], 1);
	assert_int_not_equal(relay_client_channel(client, bob), 0);
}

static void test_a_peer_needs_an_address(void **state)
{
	const struct endpoint there = at("198.51.100.20:50001");

	(void)state;
	assert_false(relay_client_reaches(client, bob));
	assert_int_equal(relay_client_bind(client, bob, now_ns), 0);
	drain();
	assert_int_equal(turn_server_count(&server, STUN_CHANNEL_BIND), 0);
	assert_int_equal(relay_client_send(client, bob, (const uint8_t *)"x", 1, now_ns),
			 -ENOTCONN);
	relay_client_set_peer_address(client, bob, &there, now_ns);
	assert_true(relay_client_reaches(client, bob));
	drain();
	assert_true(endpoint_equal(&turn_server_last(&server, STUN_CHANNEL_BIND)->peer, &there));
	assert_int_equal(relay_client_channel(client, bob), 0x4000);
}

static void test_another_address_gets_another_number(void **state)
{
	const struct endpoint there = at("198.51.100.20:50001");
	const struct endpoint elsewhere = at("198.51.100.20:50002");
	uint8_t key[32];

	(void)state;
	relay_client_set_peer_address(client, bob, &there, now_ns);
	drain();
	relay_client_set_peer_address(client, bob, &elsewhere, now_ns);
	take_events();
	assert_int_equal(seen_count[RELAY_EVENT_CHANNEL_LOST], 1);
	assert_int_equal(relay_client_channel(client, bob), 0);
	drain();
	assert_int_equal(relay_client_channel(client, bob), 0x4001);
	/* What still comes by the old one is bob's; nobody else gets it for a long while. */
	assert_true(relay_client_channel_peer(client, 0x4000, key));
	assert_memory_equal(key, bob, 32);
	run_until(now_ns + 899 * NS_PER_S);
	relay_client_set_peer_address(client, carol, &there, now_ns);
	drain();
	assert_int_equal(relay_client_channel(client, carol), 0x4002);
	run_until(START_NS + 920 * NS_PER_S);
	assert_false(relay_client_channel_peer(client, 0x4000, key));
	assert_int_equal(relay_client_channel(client, bob), 0x4001);
}

/* A peer that names another address again and again takes no numbers from the others. */
static void test_addresses_without_end(void **state)
{
	struct endpoint there = at("198.51.100.20:50001");
	int err = 0;

	(void)state;
	for (unsigned int i = 0; i < 2 * RELAY_CLIENT_PEERS_MAX; i++) {
		there.port = (uint16_t)(10000 + i);
		err = relay_client_set_peer_address(client, bob, &there, now_ns);
		drain();
	}
	assert_int_equal(err, -EAGAIN);
	assert_true(turn_server_count(&server, STUN_CHANNEL_BIND) < 100);
	assert_int_not_equal(relay_client_channel(client, bob), 0);
	there = at("198.51.100.20:60000");
	assert_int_equal(relay_client_set_peer_address(client, carol, &there, now_ns), 0);
	drain();
	assert_int_not_equal(relay_client_channel(client, carol), 0);
	/* In time it may move again. */
	run_until(now_ns + 1000 * NS_PER_S);
	there.port = 60001;
	assert_int_equal(relay_client_set_peer_address(client, bob, &there, now_ns), 0);
}

static void test_an_idle_peer_costs_nothing_and_is_not_forgotten(void **state)
{
	const struct endpoint there = at("198.51.100.20:50001");
	size_t binds;

	(void)state;
	relay_client_set_peer_address(client, bob, &there, now_ns);
	drain();
	relay_client_unbind(client, bob);
	assert_true(relay_client_reaches(client, bob));
	assert_int_equal(relay_client_channel(client, bob), 0);
	binds = turn_server_count(&server, STUN_CHANNEL_BIND);
	run_until(START_NS + 2000 * NS_PER_S);
	assert_int_equal(turn_server_count(&server, STUN_CHANNEL_BIND), binds);
	assert_true(relay_client_reaches(client, bob));
	relay_client_bind(client, bob, now_ns);
	drain();
	assert_int_equal(relay_client_channel(client, bob), 0x4000);
	assert_int_equal(seen_count[RELAY_EVENT_CHANNEL], 2);
}

static void test_data(void **state)
{
	const struct endpoint there = at("198.51.100.20:50001");
	const struct endpoint stranger = at("198.51.100.20:50002");
	uint8_t bytes[256];
	struct stun_message msg;
	struct endpoint to;
	size_t len;

	(void)state;
	server.silent = true; /* no channel yet */
	relay_client_set_peer_address(client, bob, &there, now_ns);
	assert_int_equal(relay_client_send(client, bob, (const uint8_t *)"hello", 5, now_ns), 0);
	drain();
	assert_int_equal(server.indications, 1);
	assert_int_equal(stun_parse(&msg, server.sent, server.sent_len), 0);
	assert_int_equal(msg.method, STUN_SEND);
	assert_int_equal(stun_get_endpoint(&msg, STUN_ATTR_XOR_PEER_ADDRESS, &to), 0);
	assert_true(endpoint_equal(&to, &there));

	len = turn_server_data(bytes, sizeof(bytes), &there, "answer");
	input(bytes, len);
	assert_string_equal(data, "answer");
	assert_memory_equal(seen[RELAY_EVENT_DATA].peer, bob, 32);
	len = turn_server_data(bytes, sizeof(bytes), &stranger, "noise");
	assert_int_equal(relay_client_input(client, bytes, len, now_ns), -ENOENT);
	take_events();
	assert_int_equal(seen_count[RELAY_EVENT_DATA], 1);

	server.silent = false;
	run_until(now_ns + NS_PER_S);
	assert_int_equal(relay_client_channel(client, bob), 0x4000);
	relay_client_send(client, bob, (const uint8_t *)"again", 5, now_ns);
	drain();
	assert_memory_equal(server.sent,
			    "\x40\x00\x00\x05"
			    "again",
			    9);
	input((const uint8_t *)"\x40\x00\x00\x03"
			       "yes",
	      7);
	assert_string_equal(data, "yes");
}

static void test_what_is_left_of_an_allocation_is_cleared(void **state)
{
	(void)state;
	server.allocated = true; /* by a daemon that was killed, from the same address */
	drain();
	assert_int_equal(turn_server_last(&server, STUN_REFRESH)->lifetime, 0);
	assert_int_equal(seen_count[RELAY_EVENT_REGISTERED], 1);
	assert_int_equal(seen_count[RELAY_EVENT_REFUSED], 0);
}

static void test_437_without_end_is_a_refusal(void **state)
{
	(void)state;
	server.fail_method = STUN_ALLOCATE;
	server.fail_code = STUN_ERR_ALLOCATION_MISMATCH;
	server.fail_times = 1000;
	drain();
	assert_int_equal(seen_count[RELAY_EVENT_REFUSED], 1);
	assert_int_equal(seen[RELAY_EVENT_REFUSED].error, STUN_ERR_ALLOCATION_MISMATCH);
	assert_true(server.count < 12);
	assert_int_equal(relay_client_next_timeout(client), START_NS + 5 * NS_PER_S);
}

static void test_without_v4_it_takes_v6(void **state)
{
	(void)state;
	server.fail_method = STUN_ALLOCATE;
	server.fail_code = STUN_ERR_UNSUPPORTED_FAMILY;
	server.fail_times = 1;
	server.relayed = at("[2001:db8::9]:50000");
	drain();
	assert_int_equal(turn_server_last(&server, STUN_ALLOCATE)->family, 2u << 24);
	assert_int_equal(seen_count[RELAY_EVENT_REGISTERED], 1);
	assert_int_equal(relay_client_relayed(client).addr.family, AF_INET6);
}

static void test_refusals_are_told_and_tried_again_later(void **state)
{
	static const unsigned int codes[] = { STUN_ERR_FORBIDDEN, STUN_ERR_UNSUPPORTED_TRANSPORT,
					      STUN_ERR_ALLOCATION_QUOTA,
					      STUN_ERR_INSUFFICIENT_CAPACITY };
	uint64_t wait_ns = 5 * NS_PER_S;
	uint64_t due_ns = START_NS;

	(void)state;
	server.fail_method = STUN_ALLOCATE;
	drain();
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		server.allocated = false;
		server.fail_code = codes[i];
		server.fail_times = 1;
		if (i == 0)
			relay_client_moved(client, RELAY_STREAM, now_ns);
		else
			relay_client_expire(client, now_ns);
		drain();
		assert_int_equal(seen_count[RELAY_EVENT_REFUSED], i + 1);
		assert_int_equal(seen[RELAY_EVENT_REFUSED].error, codes[i]);
		due_ns += wait_ns;
		wait_ns *= 2;
		assert_int_equal(relay_client_next_timeout(client), due_ns);
		now_ns = due_ns;
	}
	server.allocated = false;
	relay_client_expire(client, now_ns);
	drain();
	assert_int_equal(seen_count[RELAY_EVENT_REGISTERED], 2);
}

static void test_a_wrong_secret(void **state)
{
	(void)state;
	server.password = "another";
	drain();
	assert_int_equal(seen_count[RELAY_EVENT_REFUSED], 1);
	assert_int_equal(seen[RELAY_EVENT_REFUSED].error, STUN_ERR_UNAUTHENTICATED);
	assert_int_equal(turn_server_count(&server, STUN_ALLOCATE), 2);
	relay_client_set_credentials(client, "2:alice", "another");
	run_until(now_ns);
	assert_int_equal(seen_count[RELAY_EVENT_REGISTERED], 1);
}

static void test_forged_answers_count_for_nothing(void **state)
{
	const struct endpoint there = at("198.51.100.20:50001");

	(void)state;
	server.forge = true;
	drain();
	assert_false(relay_client_registered(client));
	server.forge = false;
	server.allocated = false;
	run_until(now_ns + NS_PER_S);
	assert_true(relay_client_registered(client));
	server.forge = true;
	relay_client_set_peer_address(client, bob, &there, now_ns);
	drain();
	assert_int_equal(relay_client_channel(client, bob), 0);
}

static void test_an_alternate_server(void **state)
{
	(void)state;
	server.fail_method = STUN_ALLOCATE;
	server.fail_code = STUN_ERR_TRY_ALTERNATE;
	server.fail_times = 1000;
	server.alternate = at("198.51.100.77:3478");
	for (unsigned int i = 1; i <= 3; i++) {
		drain();
		assert_int_equal(seen_count[RELAY_EVENT_ALTERNATE], i);
		assert_true(endpoint_equal(&seen[RELAY_EVENT_ALTERNATE].mapped, &server.alternate));
		relay_client_moved(client, RELAY_UDP, now_ns);
	}
	drain();
	/* Round and round: no more. */
	assert_int_equal(seen_count[RELAY_EVENT_ALTERNATE], 3);
	assert_int_equal(seen[RELAY_EVENT_REFUSED].error, STUN_ERR_TRY_ALTERNATE);
}

static void test_an_alternate_that_must_not_be(void **state)
{
	(void)state;
	server.fail_method = STUN_ALLOCATE;
	server.fail_code = STUN_ERR_TRY_ALTERNATE;
	server.fail_times = 1;
	server.alternate = at("127.0.0.1:3478");
	drain();
	assert_int_equal(seen_count[RELAY_EVENT_ALTERNATE], 0);
	assert_int_equal(seen_count[RELAY_EVENT_REFUSED], 1);
}

static void test_a_server_that_began_anew(void **state)
{
	const struct endpoint there = at("198.51.100.20:50001");

	(void)state;
	relay_client_set_peer_address(client, bob, &there, now_ns);
	drain();
	server.allocated = false;
	strcpy(server.nonce, "other");
	server.relayed = at("198.51.100.9:50007");
	now_ns += NS_PER_S;
	relay_client_unanswered(client, now_ns);
	drain();
	assert_int_equal(seen_count[RELAY_EVENT_LOST], 1);
	assert_int_equal(seen_count[RELAY_EVENT_REGISTERED], 2);
	assert_int_equal(relay_client_relayed(client).port, 50007);
	/* The peer's address is not known to be another one, so it is bound again. */
	assert_int_equal(seen_count[RELAY_EVENT_CHANNEL], 2);
}

/* coturn answers 400 to ChannelBind without an allocation. */
static void test_a_bad_bind_asks_after_the_allocation(void **state)
{
	const struct endpoint there = at("198.51.100.20:50001");

	(void)state;
	server.fail_method = STUN_CHANNEL_BIND;
	server.fail_code = STUN_ERR_BAD_REQUEST;
	server.fail_times = 1;
	relay_client_set_peer_address(client, bob, &there, now_ns);
	server.allocated = false;
	drain();
	assert_int_equal(seen_count[RELAY_EVENT_LOST], 1);
	assert_int_equal(seen_count[RELAY_EVENT_REGISTERED], 2);
}

static void test_a_forbidden_peer_is_absent(void **state)
{
	const struct endpoint there = at("10.0.0.1:50001");

	(void)state;
	server.fail_method = STUN_CHANNEL_BIND;
	server.fail_code = STUN_ERR_FORBIDDEN;
	server.fail_times = 1;
	relay_client_set_peer_address(client, bob, &there, now_ns);
	drain();
	assert_int_equal(seen_count[RELAY_EVENT_PEER_ABSENT], 1);
	assert_false(relay_client_reaches(client, bob));
	assert_true(relay_client_registered(client));
}

static void test_newer_credentials_wait_for_another_allocation(void **state)
{
	const uint64_t keep_ns = 6 * 3600 * NS_PER_S;

	(void)state;
	assert_int_equal(relay_client_set_credentials(client, "2:alice", PASSWORD), 0);
	run_until(START_NS + keep_ns - 1);
	assert_string_equal(turn_server_last(&server, STUN_REFRESH)->username, "1:alice");
	assert_int_equal(seen_count[RELAY_EVENT_LOST], 0);
	run_until(START_NS + keep_ns + 300 * NS_PER_S);
	assert_string_equal(turn_server_last(&server, STUN_ALLOCATE)->username, "2:alice");
	assert_int_equal(seen_count[RELAY_EVENT_LOST], 1);
	assert_int_equal(seen_count[RELAY_EVENT_REGISTERED], 2);
	assert_true(relay_client_registered(client));
}

static void test_credentials_that_ran_out(void **state)
{
	(void)state;
	assert_int_equal(relay_client_set_credentials(client, "2:alice", "new secret"), 0);
	server.password = "new secret";
	server.allocated = false;
	run_until(now_ns + 30 * NS_PER_S);
	assert_true(relay_client_registered(client));
	assert_string_equal(turn_server_last(&server, STUN_ALLOCATE)->username, "2:alice");
}

static void test_another_stream_is_another_allocation(void **state)
{
	(void)state;
	server.allocated = false; /* as the server sees the new stream */
	server.relayed = at("198.51.100.9:50001");
	relay_client_moved(client, RELAY_STREAM, now_ns);
	drain();
	assert_int_equal(seen_count[RELAY_EVENT_REGISTERED], 2);
	assert_int_equal(turn_server_count(&server, STUN_REFRESH), 0);
	assert_int_equal(relay_client_relayed(client).port, 50001);
}

static void test_leaving_ends_the_allocation(void **state)
{
	(void)state;
	relay_client_leave(client, now_ns);
	drain();
	assert_false(server.allocated);
	assert_int_equal(relay_client_next_timeout(client), CLOCK_NEVER);
}

#define FRESH(name)      cmocka_unit_test_setup_teardown(name, setup, teardown)
#define REGISTERED(name) cmocka_unit_test_setup_teardown(name, setup_registered, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRESH(test_allocates),
		FRESH(test_refreshes_at_half_the_lifetime),
		FRESH(test_a_lifetime_of_nothing_is_no_busy_loop),
		REGISTERED(test_permissions_and_channels_outlive_their_lifetimes),
		REGISTERED(test_every_request_copes_with_a_new_nonce),
		REGISTERED(test_a_peer_needs_an_address),
		REGISTERED(test_another_address_gets_another_number),
		REGISTERED(test_addresses_without_end),
		REGISTERED(test_an_idle_peer_costs_nothing_and_is_not_forgotten),
		REGISTERED(test_data),
		FRESH(test_what_is_left_of_an_allocation_is_cleared),
		FRESH(test_437_without_end_is_a_refusal),
		FRESH(test_without_v4_it_takes_v6),
		FRESH(test_refusals_are_told_and_tried_again_later),
		FRESH(test_a_wrong_secret),
		FRESH(test_forged_answers_count_for_nothing),
		FRESH(test_an_alternate_server),
		FRESH(test_an_alternate_that_must_not_be),
		REGISTERED(test_a_server_that_began_anew),
		REGISTERED(test_a_bad_bind_asks_after_the_allocation),
		REGISTERED(test_a_forbidden_peer_is_absent),
		REGISTERED(test_newer_credentials_wait_for_another_allocation),
		REGISTERED(test_credentials_that_ran_out),
		REGISTERED(test_another_stream_is_another_allocation),
		REGISTERED(test_leaving_ends_the_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
