#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "daemon/dp_core.h"
#include "daemon/dp_keypair.h"
#include "daemon/dp_peer.h"
#include "proto/peer_message.h"
#include "tests/support/engine.h"
#include "tests/support/packet.h"

static uint8_t packet[2048];
static uint8_t message[2048];
static uint8_t got[2048];

static void far_packet(struct engine *e, uint8_t lane, uint64_t counter)
{
	size_t len = engine_inner(packet, 0, 10);

	e->lane = lane;
	engine_far_packet(e, packet, len, counter);
}

static bool delivered(struct engine *e)
{
	return engine_inner_receive(e, got, sizeof(got), NULL) == 10;
}

static void test_every_lane_is_received(void **state)
{
	static const uint8_t lanes[] = { 0, 1, 2, 17, DP_LANES_MAX - 1 };
	struct engine *e = *state;

	engine_open_session(e);
	assert_int_equal(e->index & 0xFF, 0);
	for (size_t i = 0; i < sizeof(lanes); i++) {
		far_packet(e, lanes[i], 5);
		assert_true(delivered(e));
		far_packet(e, lanes[i], 5); /* each has a window of its own */
		assert_false(delivered(e));
		assert_non_null(dp_keypair_find_lane(e->keypair, lanes[i]));
	}
	far_packet(e, DP_LANES_MAX, 6);
	far_packet(e, 255, 6);
	assert_false(delivered(e));
}

static void test_a_plain_peer_has_one(void **state)
{
	struct engine *e = *state;

	engine_open_session(e);
	far_packet(e, 1, 0);
	far_packet(e, 255, 1);
	assert_false(delivered(e));
	dataplane_peer_set_lanes(e->peer, 4);
	assert_int_equal(dataplane_peer_lanes(e->peer), 1);
	assert_int_equal(dataplane_lanes(e->dp), 1);
	assert_null(atomic_load(&e->keypair->lanes));
	far_packet(e, 0, 0);
	assert_true(delivered(e));
}

static void test_a_forgery_makes_no_lane(void **state)
{
	struct engine *e = *state;
	size_t len = engine_inner(packet, 0, 10);

	engine_open_session(e);
	/* One lane's key is not another's. */
	e->lane = 1;
	len = engine_seal(e, message, packet, len, 0);
	for (uint8_t lane = 0; lane < 8; lane++) {
		message[4] = lane;
		if (lane != 1)
			engine_far_send(e, message, len, 0);
	}
	engine_idle(e);
	assert_false(delivered(e));
	assert_null(atomic_load(&e->keypair->lanes));
	assert_int_equal(engine_activity(e).rx_bytes, 0);
	message[4] = 1;
	engine_far_send(e, message, len, 0);
	assert_true(delivered(e));
	assert_non_null(dp_keypair_find_lane(e->keypair, 1));
	assert_null(dp_keypair_find_lane(e->keypair, 2));
}

static void test_any_lane_confirms(void **state)
{
	struct engine *e = *state;

	engine_add_keypair(e, false, 0);
	far_packet(e, 3, 0);
	assert_true(engine_wait(e, &e->confirmed, 1));
}

static uint8_t next_lane(struct engine *e, uint64_t *counter)
{
	size_t len = engine_far_receive(e, message, sizeof(message), NULL);

	assert_int_equal(engine_open(e, got, message, len, counter), 32);
	return e->lane;
}

/* Sends from a port of its own, so as a flow of its own; returns the lane it took. */
static uint8_t flow_lane(struct engine *e, uint16_t port, uint64_t *counter)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(0x0A050002) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	in.sin_addr.s_addr = htonl(0x0A050001);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	close(fd);
	return next_lane(e, counter);
}

static void test_flows_spread_when_the_peer_says_so(void **state)
{
	struct engine *e = *state;
	uint64_t next[4] = { 0 };
	uint64_t counter;

	engine_open_session(e);
	for (uint16_t port = 1; port < 20; port++)
		assert_int_equal(flow_lane(e, port, &counter), 0);
	assert_int_equal(dataplane_lanes(e->dp), 2); /* as many as workers */
	next[0] = 19;
	dataplane_peer_set_lanes(e->peer, 4);
	assert_int_equal(dataplane_peer_lanes(e->peer), 4);
	for (uint16_t port = 1; port < 60; port++) {
		uint8_t lane = flow_lane(e, port, &counter);

		assert_true(lane < 4);
		assert_int_equal(counter, next[lane]++); /* each counts for itself */
	}
	for (size_t i = 0; i < 4; i++)
		assert_true(next[i] > 2);
	/* Our own workers have work, too. */
	dataplane_peer_set_lanes(e->peer, 1);
	assert_int_equal(dataplane_peer_lanes(e->peer), 2);
	dataplane_peer_set_lanes(e->peer, 1000);
	assert_int_equal(dataplane_peer_lanes(e->peer), DP_LANES_MAX);
}

static void test_the_peer_is_told_and_asked(void **state)
{
	struct engine *e = *state;
	struct peer_message said;
	uint64_t counter;
	size_t len;

	engine_open_session(e);
	dataplane_peer_greet(e->peer);
	len = engine_far_receive(e, message, sizeof(message), NULL);
	assert_int_equal(engine_open(e, got, message, len, &counter), PEER_MESSAGE_SIZE);
	assert_int_equal(e->lane, 0);
	assert_int_equal(peer_message_parse(&said, got, PEER_MESSAGE_SIZE), 0);
	assert_int_equal(said.kind, PEER_MESSAGE_PROBE);
	assert_int_equal(said.lanes, 2);
	said.lanes = 5;
	said.kind = PEER_MESSAGE_ANSWER;
	peer_message_encode(&said, packet);
	engine_far_packet(e, packet, PEER_MESSAGE_SIZE, 0);
	engine_idle(e);
	assert_int_equal(dataplane_peer_lanes(e->peer), 5);
}

static void test_a_plain_peer_is_told_nothing(void **state)
{
	struct engine *e = *state;

	engine_open_session(e);
	dataplane_peer_greet(e->peer);
	assert_int_equal(engine_far_receive(e, message, sizeof(message), NULL), 0);
}

static void test_keepalives_and_relays_have_lane_0(void **state)
{
	struct engine *e = *state;
	struct dp_path relay = e->path;
	uint64_t counter;
	size_t len;

	engine_open_session(e);
	dataplane_peer_set_lanes(e->peer, 64);
	assert_int_equal(dataplane_peer_send_keepalive(e->peer), 0);
	len = engine_far_receive(e, message, sizeof(message), NULL);
	assert_int_equal(engine_open(e, got, message, len, &counter), 0);
	assert_int_equal(e->lane, 0);
	relay.channel = 0x4001;
	dataplane_peer_set_path(e->peer, &relay);
	for (int i = 0; i < 5; i++) {
		engine_inner_send(e, "x", 1);
		len = engine_far_receive(e, message, sizeof(message), NULL);
		assert_true(len > 4);
		assert_int_equal(engine_open(e, got, message + 4, len - 4, &counter), 32);
		assert_int_equal(e->lane, 0);
	}
}

/* What waited for the session takes the lane that its flow goes on in. */
static void test_what_waited_keeps_its_lane(void **state)
{
	struct engine *e = *state;
	uint64_t counter;
	size_t len;

	dataplane_peer_set_lanes(e->peer, 64);
	engine_inner_send(e, "a", 1);
	assert_true(engine_wait(e, &e->need_session, 1));
	engine_open_session(e);
	dataplane_peer_flush(e->peer);
	engine_inner_send(e, "b", 1);
	len = engine_far_receive(e, message, sizeof(message), NULL);
	assert_int_equal(engine_open(e, got, message, len, &counter), 32);
	assert_int_equal(counter, 0);
	assert_int_not_equal(e->lane, 0);
	len = engine_far_receive(e, message, sizeof(message), NULL);
	assert_int_equal(message[4] - (ENGINE_FAR_INDEX & 0xFF), e->lane);
	assert_int_equal(engine_open(e, got, message, len, &counter), 32);
	assert_int_equal(counter, 1);
}

static void test_a_lane_that_is_used_up(void **state)
{
	struct engine *e = *state;
	uint64_t counter;
	uint8_t lane;

	engine_open_session(e);
	dataplane_peer_set_lanes(e->peer, 64);
	engine_inner_send(e, "x", 1);
	lane = next_lane(e, &counter);
	assert_int_not_equal(lane, 0);
	atomic_store(&dp_keypair_lane(e->keypair, lane)->send_counter, REKEY_AFTER_MESSAGES);
	dataplane_peer_notify(e->peer, DP_NOTICE_REKEY);
	engine_inner_send(e, "x", 1);
	assert_int_equal(next_lane(e, &counter), lane);
	assert_true(engine_wait(e, &e->notices, DP_NOTICE_REKEY));
	assert_int_equal(counter, REKEY_AFTER_MESSAGES);
}

/* So that nothing on the way glues packets of two lanes together. */
static void test_every_lane_has_a_ttl(void **state)
{
	struct engine *e = *state;
	uint8_t ttl[2] = { 0 };
	uint8_t control[64];
	uint64_t counter;
	int on = 1;

	engine_open_session(e);
	assert_int_equal(setsockopt(e->far_fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on)), 0);
	for (int i = 0; i < 2; i++) {
		struct iovec iov = { message, sizeof(message) };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = control,
				      .msg_controllen = sizeof(control) };
		ssize_t len;

		engine_inner_send(e, "x", 1);
		len = recvmsg(e->far_fd, &msg, 0);
		assert_int_equal(engine_open(e, got, message, (size_t)len, &counter), 32);
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
			if (c->cmsg_type == IP_TTL)
				ttl[i] = *CMSG_DATA(c);
		assert_int_equal(ttl[i], i ? 128 - e->lane : 64);
		dataplane_peer_set_lanes(e->peer, 64);
	}
}

#define BURST  40
#define ROUNDS 150

static void send_sequence(struct engine *e, uint32_t from, uint8_t lane)
{
	for (uint32_t i = from; i < from + BURST; i++) {
		size_t len = engine_inner(packet, 0, 10);

		store_be32(packet + 28, i);
		packet_seal(packet, len);
		e->lane = lane;
		engine_far_packet(e, packet, len, i);
	}
}

/* A flow moves from lane 0 to one that another worker opens, with no pause in between. */
static void test_a_flow_keeps_its_order_when_lanes_begin(void **state)
{
	struct engine *e = *state;

	for (int round = 0; round < ROUNDS; round++) {
		uint32_t expected = 0;

		engine_open_session(e);
		send_sequence(e, 0, 0);
		send_sequence(e, BURST, 1);
		while (expected < 2 * BURST && delivered(e)) {
			assert_int_equal(load_be32(got), expected);
			expected++;
		}
		assert_int_equal(expected, 2 * BURST);
		dataplane_keypair_free(e->keypair);
	}
}

/* The new session's lanes are opened by whom the old one's were. */
static void test_a_flow_keeps_its_order_over_sessions(void **state)
{
	struct engine *e = *state;
	struct dp_keypair *old;
	uint32_t next = 0;

	engine_open_session(e);
	for (int round = 0; round < ROUNDS; round++) {
		send_sequence(e, next, 1);
		next += BURST;
		old = e->keypair;
		engine_open_session(e);
		send_sequence(e, next, 1);
		next += BURST;
		for (uint32_t i = next - 2 * BURST; i < next; i++) {
			assert_true(delivered(e));
			assert_int_equal(load_be32(got), i);
		}
		dataplane_keypair_free(old);
	}
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, engine_setup_lanes, engine_teardown)
#define PLAIN(name) cmocka_unit_test_setup_teardown(name, engine_setup, engine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_lane_is_received),
		PLAIN(test_a_plain_peer_has_one),
		TEST(test_a_forgery_makes_no_lane),
		TEST(test_any_lane_confirms),
		TEST(test_flows_spread_when_the_peer_says_so),
		TEST(test_the_peer_is_told_and_asked),
		PLAIN(test_a_plain_peer_is_told_nothing),
		TEST(test_keepalives_and_relays_have_lane_0),
		TEST(test_what_waited_keeps_its_lane),
		TEST(test_a_lane_that_is_used_up),
		TEST(test_every_lane_has_a_ttl),
		TEST(test_a_flow_keeps_its_order_when_lanes_begin),
		TEST(test_a_flow_keeps_its_order_over_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
