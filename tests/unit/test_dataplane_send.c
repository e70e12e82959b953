#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/buf.h"
#include "daemon/dp_core.h"
#include "daemon/dp_keypair.h"
#include "daemon/dp_peer.h"
#include "tests/support/engine.h"
#include "tests/support/netns.h"
#include "tests/support/packet.h"

static uint8_t message[70000];
static uint8_t plain[70000];

/* The next message at the far end, opened; its plaintext length. */
static int next_plain(struct engine *e, uint64_t *counter)
{
	size_t len = engine_far_receive(e, message, sizeof(message), NULL);

	return len ? engine_open(e, plain, message, len, counter) : -1;
}

static void test_packets_wait_for_a_session_in_order(void **state)
{
	struct engine *e = *state;
	uint64_t counter;

	for (uint8_t i = 0; i < 3; i++)
		assert_int_equal(engine_inner_send(e, &i, 1), 1);
	assert_true(engine_wait(e, &e->need_session, 1));
	engine_idle(e);
	assert_int_equal(e->need_session, 1); /* asked once */
	engine_open_session(e);
	dataplane_peer_flush(e->peer);
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(next_plain(e, &counter), 32); /* 29 bytes, padded */
		assert_int_equal(counter, i);
		assert_int_equal(plain[28], i);
		assert_int_equal(plain[29] | plain[30] | plain[31], 0);
		assert_true(packet_valid(plain, 29));
	}
	engine_inner_send(e, "x", 1);
	assert_int_equal(next_plain(e, &counter), 32);
	assert_int_equal(counter, 3);
}

static void test_the_oldest_is_dropped_beyond_128(void **state)
{
	struct engine *e = *state;
	uint64_t counter;

	for (uint8_t i = 0; i < 200; i++)
		engine_inner_send(e, &i, 1);
	assert_true(engine_wait(e, &e->need_session, 1));
	engine_idle(e);
	assert_int_equal(engine_activity(e).tx_dropped, 200 - DP_STAGED_MAX);
	engine_open_session(e);
	dataplane_peer_flush(e->peer);
	for (uint8_t i = 200 - DP_STAGED_MAX; i < 200; i++) {
		assert_int_equal(next_plain(e, &counter), 32);
		assert_int_equal(plain[28], i);
	}
	assert_int_equal(next_plain(e, &counter), -1);
}

static void test_dropping_what_waits_says_unreachable(void **state)
{
	struct engine *e = *state;

	engine_inner_send(e, "x", 1);
	assert_true(engine_wait(e, &e->need_session, 1));
	dataplane_peer_drop_staged(e->peer, true);
	assert_int_equal(engine_inner_error(e), EHOSTUNREACH);
	engine_inner_send(e, "x", 1);
	assert_true(engine_wait(e, &e->need_session, 2)); /* asked again */
	dataplane_peer_drop_staged(e->peer, false);
	assert_int_equal(engine_inner_error(e), 0);
}

static void test_no_peer_is_unreachable_at_once(void **state)
{
	struct engine *e = *state;

	dataplane_allowed_ips_clear(e->peer);
	assert_int_equal(dataplane_allowed_ips_commit(e->dp), 0);
	engine_inner_send(e, "x", 1);
	assert_int_equal(engine_inner_error(e), EHOSTUNREACH);
	assert_int_equal(e->need_session, 0);
}

/* Publishing copies the table: ten thousand peers that go at once must not copy it as often. */
static void test_peers_that_go_are_published_once(void **state)
{
	struct engine *e = *state;
	struct dp_peer *peers[20];
	const struct dp_routes *routes;
	struct prefix prefix;

	for (uint8_t i = 0; i < 20; i++) {
		peers[i] = dataplane_peer_new(e->dp, NULL);
		assert_non_null(peers[i]);
		assert_int_equal(prefix_parse(&prefix, "10.5.0.2/32"), 0);
		prefix.addr.bytes[3] = (uint8_t)(2 + i);
		assert_int_equal(dataplane_allowed_ip_set(peers[i], &prefix), 0);
	}
	assert_int_equal(dataplane_allowed_ips_commit(e->dp), 0);
	routes = e->dp->routes;
	for (int i = 0; i < 20; i++)
		dataplane_peer_free(peers[i]);
	assert_ptr_equal(e->dp->routes, routes);
	engine_idle(e);
	assert_ptr_not_equal(e->dp->routes, routes);
	assert_null(e->dp->leaving);
	/* The last one was this one's before. */
	dataplane_allowed_ips_clear(e->peer);
	assert_int_equal(dataplane_allowed_ips_commit(e->dp), 0);
	engine_inner_send(e, "x", 1);
	assert_int_equal(engine_inner_error(e), EHOSTUNREACH);
}

/* Freed and committed, or freed with everything else: nothing is left behind, nothing twice. */
static void test_peers_that_go_with_a_commit(void **state)
{
	struct engine *e = *state;
	struct dp_peer *one = dataplane_peer_new(e->dp, NULL);
	struct dp_peer *two = dataplane_peer_new(e->dp, NULL);

	dataplane_peer_free(one);
	assert_ptr_equal(e->dp->leaving, one);
	assert_int_equal(dataplane_allowed_ips_commit(e->dp), 0);
	assert_null(e->dp->leaving);
	dataplane_peer_free(two);
}

static void test_padding_ends_at_the_mtu(void **state)
{
	struct engine *e = *state;
	uint8_t data[1420] = { 0 };
	uint64_t counter;

	engine_open_session(e);
	for (size_t inner = 1380; inner <= 1420; inner += 5) {
		int padded = (int)((inner + 15) & ~(size_t)15);

		engine_inner_send(e, data, inner - 28);
		assert_int_equal(next_plain(e, &counter), padded < 1420 ? padded : 1420);
	}
	assert_int_equal(dataplane_set_mtu(e->dp, 1390), 0);
	engine_inner_send(e, data, 1389 - 28);
	assert_int_equal(next_plain(e, &counter), 1390);
}

/* The device's MTU is changed by others, as with ip link; so are the routes over it. */
static void test_padding_follows_the_device_and_its_routes(void **state)
{
	struct engine *e = *state;
	uint8_t data[1420] = { 0 };
	uint64_t counter;

	engine_open_session(e);
	netns_run("ip link set wdp0 mtu 1300");
	engine_idle(e);
	engine_inner_send(e, data, 1297 - 28);
	assert_int_equal(next_plain(e, &counter), 1300);
	netns_run("ip route add 10.5.0.2/32 dev wdp0 mtu lock 1287");
	netns_run("ip route add 10.5.0.64/26 dev wdp0 mtu 1100 table 77");
	netns_run("ip route add 10.5.0.128/26 dev wdp0");
	engine_idle(e);
	engine_inner_send(e, data, 1283 - 28);
	assert_int_equal(next_plain(e, &counter), 1287);
	engine_inner_send(e, data, 1098 - 28);
	assert_int_equal(next_plain(e, &counter), 1100);
	engine_inner_send(e, data, 1101 - 28); /* no packet of that route */
	assert_int_equal(next_plain(e, &counter), 1104);
	netns_run("ip route del 10.5.0.2/32 dev wdp0");
	netns_run("ip route del 10.5.0.64/26 table 77");
	engine_idle(e);
	engine_inner_send(e, data, 1283 - 28);
	assert_int_equal(next_plain(e, &counter), 1296);
	engine_inner_send(e, data, 1098 - 28);
	assert_int_equal(next_plain(e, &counter), 1104);
}

static void test_ecn_goes_out_and_dscp_does_not(void **state)
{
	struct engine *e = *state;

	engine_open_session(e);
	for (int ecn = 0; ecn < 4; ecn++) {
		int tos = 0xB8 | ecn;
		uint8_t outer = 0xFF;

		setsockopt(e->inner_fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
		engine_inner_send(e, "x", 1);
		assert_true(engine_far_receive(e, message, sizeof(message), &outer) > 0);
		/* Linux sets CE on no socket's behalf, only ECT. */
		assert_int_equal(outer & 0xFC, 0);
		if (ecn != 3)
			assert_int_equal(outer, ecn);
	}
}

static void route_everything(struct engine *e)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(&prefix, "::/0"), 0);
	assert_int_equal(dataplane_allowed_ip_set(e->peer, &prefix), 0);
	assert_int_equal(prefix_parse(&prefix, "0.0.0.0/0"), 0);
	assert_int_equal(dataplane_allowed_ip_set(e->peer, &prefix), 0);
	assert_int_equal(dataplane_allowed_ips_commit(e->dp), 0);
}

/* Both families and all four code points, as a router would see them. */
static void test_every_kind_of_ecn_goes_out(void **state)
{
	struct engine *e = *state;
	struct dp_engine *engine = dp_control_engine(e->dp);
	struct vnet_hdr hdr = { 0 };

	route_everything(e);
	engine_open_session(e);
	for (uint8_t i = 0; i < 8; i++) {
		struct packet_spec spec = packet_spec_default();
		uint8_t outer = 0xFF;

		spec.v6 = i >= 4;
		spec.tos = (uint8_t)(0xB8 | (i & 3));
		dp_engine_begin(engine);
		dp_engine_send(engine, &hdr, plain, packet_build(plain, &spec), false);
		dp_engine_end(engine);
		assert_true(engine_far_receive(e, message, sizeof(message), &outer) > 0);
		assert_int_equal(outer, i & 3);
	}
}

/* Told of a queue that stands: a mark inside and outside, or a loss without ECN. */
static void test_congestion_is_told(void **state)
{
	struct engine *e = *state;
	struct dp_engine *engine = dp_control_engine(e->dp);
	struct vnet_hdr hdr = { 0 };

	route_everything(e);
	engine_open_session(e);
	for (uint8_t i = 0; i < 8; i++) {
		struct packet_spec spec = packet_spec_default();
		uint8_t outer = 0xFF;
		uint64_t counter;
		size_t inner;
		size_t len;

		spec.v6 = i >= 4;
		spec.tos = (uint8_t)(0xB8 | (i & 3));
		inner = packet_build(plain, &spec);
		dp_engine_begin(engine);
		dp_engine_send(engine, &hdr, plain, inner, true);
		dp_engine_end(engine);
		if (!(i & 3)) {
			assert_int_equal(next_plain(e, &counter), -1);
			continue;
		}
		len = engine_far_receive(e, message, sizeof(message), &outer);
		assert_int_equal(outer, 3);
		assert_true(engine_open(e, plain, message, len, &counter) > 0);
		assert_int_equal(spec.v6 ? (plain[0] & 15) << 4 | plain[1] >> 4 : plain[1], 0xBB);
		assert_int_equal(counter, i - 1 - (i > 4));
		assert_true(packet_valid(plain, inner));
	}
	assert_int_equal(engine_activity(e).congestion_marked, 6);
	assert_int_equal(engine_activity(e).congestion_dropped, 2);
}

/* Only one packet of what the kernel has joined is lost. */
static void test_congestion_costs_one_segment(void **state)
{
	struct engine *e = *state;
	struct dp_engine *engine = dp_control_engine(e->dp);
	struct packet_spec spec = packet_spec_default();
	struct vnet_hdr hdr = { .flags = VNET_NEEDS_CSUM,
				.gso_type = VNET_GSO_TCPV4,
				.hdr_len = 40,
				.gso_size = 1000,
				.csum_start = 20,
				.csum_offset = 16 };
	unsigned int came = 0;
	uint64_t counter;

	route_everything(e);
	engine_open_session(e);
	spec.payload = 4000;
	dp_engine_begin(engine);
	dp_engine_send(engine, &hdr, plain, packet_build(plain, &spec), true);
	dp_engine_end(engine);
	while (next_plain(e, &counter) > 0)
		came++;
	assert_int_equal(came, 3);
	assert_int_equal(engine_activity(e).congestion_dropped, 1);
}

/* The responder's keys are there, but the initiator has not shown that it has them too. */
static void test_a_responder_waits_for_the_first_packet(void **state)
{
	struct engine *e = *state;
	uint64_t counter;

	engine_add_keypair(e, false, 0);
	engine_inner_send(e, "x", 1);
	assert_true(engine_wait(e, &e->need_session, 1));
	dataplane_peer_flush(e->peer);
	assert_int_equal(dataplane_peer_send_keepalive(e->peer), -ENOKEY);
	assert_int_equal(next_plain(e, &counter), -1);
	engine_far_packet(e, plain, 0, 0);
	assert_true(engine_wait(e, &e->confirmed, 1));
	dataplane_peer_set_current(e->peer, e->keypair);
	dataplane_peer_flush(e->peer);
	assert_int_equal(next_plain(e, &counter), 32);
	assert_int_equal(counter, 0);
}

static void test_a_channel_is_four_bytes_more(void **state)
{
	struct engine *e = *state;
	uint64_t counter;
	size_t len;

	engine_open_session(e);
	e->path.channel = 0x4ABC;
	dataplane_peer_set_path(e->peer, &e->path);
	engine_inner_send(e, "hello", 5);
	len = engine_far_receive(e, message, sizeof(message), NULL);
	assert_int_equal(len, 4 + 48 + 32);
	assert_int_equal(load_be16(message), 0x4ABC);
	assert_int_equal(load_be16(message + 2), len - 4);
	assert_int_equal(engine_open(e, plain, message + 4, len - 4, &counter), 48);
}

/* A path stays uncut while it leads to the same place, and nobody is told twice. */
static void test_cutting_is_switched_off_for_a_path(void **state)
{
	struct engine *e = *state;
	struct dp_path elsewhere = e->path;

	engine_open_session(e);
	assert_int_equal(dataplane_peer_gso_error(e->peer), 0);
	dataplane_peer_gso_off(e->peer, ETIMEDOUT);
	dataplane_peer_gso_off(e->peer, EIO); /* the first reason stays */
	assert_int_equal(dataplane_peer_gso_error(e->peer), ETIMEDOUT);
	engine_inner_send(e, "x", 1);
	assert_true(engine_wait(e, &e->gso_offs, 1));
	assert_int_equal(e->gso_reason, ETIMEDOUT);
	e->path.local.family = 0;
	dataplane_peer_set_path(e->peer, &e->path);
	assert_int_equal(dataplane_peer_gso_error(e->peer), ETIMEDOUT);
	engine_inner_send(e, "x", 1);
	engine_idle(e);
	assert_int_equal(e->gso_offs, 1);
	elsewhere.remote.port++;
	dataplane_peer_set_path(e->peer, &elsewhere);
	assert_int_equal(dataplane_peer_gso_error(e->peer), 0);
}

static void test_a_stream_gets_what_a_socket_would(void **state)
{
	struct engine *e = *state;
	uint64_t counter;

	engine_open_session(e);
	e->path.kind = DP_PATH_STREAM;
	e->path.stream = 77;
	e->path.channel = 0x4001;
	dataplane_peer_set_path(e->peer, &e->path);
	engine_inner_send(e, "hello", 5);
	assert_true(engine_wait(e, &e->streams, 1));
	assert_int_equal(load_be16(e->last_data), 0x4001);
	assert_int_equal(engine_open(e, plain, e->last_data + 4, e->last_len - 4, &counter), 48);
	assert_int_equal(dataplane_send(e->dp, &e->path, (const uint8_t *)"abc", 3, 0, 0), 0);
	assert_int_equal(e->streams, 2);
	assert_memory_equal(e->last_data,
			    "\x40\x01\x00\x03"
			    "abc",
			    7);
}

static void test_keepalive(void **state)
{
	struct engine *e = *state;
	struct dp_path none = { .kind = DP_PATH_NONE };
	uint64_t counter;

	assert_int_equal(dataplane_peer_send_keepalive(e->peer), -ENOKEY);
	engine_open_session(e);
	assert_int_equal(dataplane_peer_send_keepalive(e->peer), 0);
	assert_int_equal(next_plain(e, &counter), 0);
	assert_true(engine_activity(e).last_tx_ns > 0);
	assert_int_equal(engine_activity(e).last_tx_data_ns, 0);
	assert_int_equal(engine_activity(e).unanswered_since_ns, 0);
	assert_int_equal(engine_activity(e).tx_bytes, 32);
	dataplane_peer_set_path(e->peer, &none);
	assert_int_equal(dataplane_peer_send_keepalive(e->peer), -EDESTADDRREQ);
}

static void test_an_old_key_is_not_sent_with(void **state)
{
	struct engine *e = *state;
	uint64_t counter;

	engine_add_keypair(e, true, REJECT_AFTER_TIME_S + 1);
	dataplane_peer_set_current(e->peer, e->keypair);
	engine_inner_send(e, "x", 1);
	assert_true(engine_wait(e, &e->need_session, 1));
	assert_int_equal(next_plain(e, &counter), -1);
	assert_int_equal(dataplane_peer_send_keepalive(e->peer), -ENOKEY);
	engine_open_session(e);
	dataplane_peer_flush(e->peer);
	assert_int_equal(next_plain(e, &counter), 32);
}

static void test_the_last_counter(void **state)
{
	struct engine *e = *state;
	uint64_t counter;
	uint64_t first;

	engine_open_session(e);
	atomic_store(&e->keypair->first.send_counter, REPLAY_COUNTER_LIMIT - 2);
	assert_false(dp_lane_reserve(&e->keypair->first, 3, &first));
	engine_inner_send(e, "a", 1);
	assert_int_equal(next_plain(e, &counter), 32);
	assert_int_equal(counter, REPLAY_COUNTER_LIMIT - 2); /* all 64 bits */
	engine_inner_send(e, "b", 1);
	assert_int_equal(next_plain(e, &counter), 32);
	engine_inner_send(e, "c", 1);
	assert_int_equal(next_plain(e, &counter), -1);
	assert_true(engine_wait(e, &e->need_session, 1));
	assert_int_equal(atomic_load(&e->keypair->first.send_counter), REPLAY_COUNTER_LIMIT);
}

static void test_notices_of_sending(void **state)
{
	struct engine *e = *state;

	engine_add_keypair(e, true, REKEY_AFTER_TIME_S + 1);
	dataplane_peer_set_current(e->peer, e->keypair);
	engine_inner_send(e, "x", 1);
	engine_idle(e);
	assert_int_equal(e->notices, 0); /* nobody asked */
	assert_true(engine_activity(e).unanswered_since_ns > 0);
	dataplane_peer_notify(e->peer, DP_NOTICE_UNANSWERED); /* holds already */
	assert_true(engine_wait(e, &e->notices, DP_NOTICE_UNANSWERED));
	dataplane_peer_notify(e->peer, DP_NOTICE_REKEY);
	engine_inner_send(e, "x", 1);
	assert_true(engine_wait(e, &e->notices, DP_NOTICE_UNANSWERED | DP_NOTICE_REKEY));
	engine_inner_send(e, "x", 1);
	engine_idle(e); /* the callback fails the test when told twice */
}

static void test_a_responder_never_asks_for_a_rekey_by_age(void **state)
{
	struct engine *e = *state;

	engine_add_keypair(e, false, REKEY_AFTER_TIME_S + 1);
	dataplane_peer_set_current(e->peer, e->keypair);
	dataplane_peer_notify(e->peer, DP_NOTICE_REKEY);
	engine_inner_send(e, "x", 1);
	engine_idle(e);
	assert_int_equal(e->notices, 0);
	atomic_store(&e->keypair->first.send_counter, REKEY_AFTER_MESSAGES);
	engine_inner_send(e, "x", 1);
	assert_true(engine_wait(e, &e->notices, DP_NOTICE_REKEY));
}

static void test_handshakes_leave_from_the_shared_port(void **state)
{
	struct engine *e = *state;
	struct dp_path none = { .kind = DP_PATH_UDP };
	uint8_t tos = 0;

	assert_int_equal(dataplane_send(e->dp, &e->path, (const uint8_t *)"abc", 3, 0x88, 0), 0);
	assert_int_equal(engine_far_receive(e, message, sizeof(message), &tos), 3);
	assert_int_equal(tos, 0x88);
	assert_int_equal(dataplane_send(e->dp, &none, message, 3, 0, 0), -EDESTADDRREQ);
	assert_int_equal(dataplane_send(e->dp, &e->path, message, 3000, 0, 0), -EMSGSIZE);
}

static void test_the_port_moves(void **state)
{
	struct engine *e = *state;
	uint16_t old = dataplane_port(e->dp);
	struct sockaddr_in to = { .sin_family = AF_INET };

	/* The far end's port is taken, so nothing changes. */
	assert_int_equal(dataplane_set_port(e->dp, e->far_port), -EADDRINUSE);
	assert_int_equal(dataplane_port(e->dp), old);
	assert_int_equal(dataplane_set_port(e->dp, 0), 0);
	assert_int_not_equal(dataplane_port(e->dp), old);
	to.sin_port = htons(dataplane_port(e->dp));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(e->far_fd, (struct sockaddr *)&to, sizeof(to)), 0);
	engine_open_session(e);
	engine_inner_send(e, "x", 1);
	assert_int_equal(engine_far_receive(e, message, sizeof(message), NULL), 64);
}

static void test_what_queued_up_behind_a_flush_is_sent(void **state)
{
	struct engine *e = *state;
	struct vnet_hdr hdr = { 0 };
	uint64_t counter;
	size_t len = engine_inner(message, 0, 1);

	/* As if a worker had staged one while the control thread was flushing. */
	store_be32(message + 12, 0x0A050001);
	store_be32(message + 16, 0x0A050002);
	engine_open_session(e);
	assert_true(dp_peer_stage(e->peer, &hdr, message, len, 1));
	engine_inner_send(e, "second", 6);
	engine_idle(e);
	assert_int_equal(e->need_session, 0); /* there is one */
	assert_int_equal(next_plain(e, &counter), 32);
	assert_int_equal(counter, 0);
	assert_int_equal(next_plain(e, &counter), 48);
	assert_memory_equal(plain + 28, "second", 6);
}

/* The way to the peer's endpoint leads into the tunnel: what was sealed is not sealed once more. */
static void test_a_routing_loop_ends_after_one_round(void **state)
{
	struct engine *e = *state;
	struct dp_path path = { .kind = DP_PATH_UDP };
	uint8_t other[64] = { 4, 0, 0, 0 };

	path.remote.addr = addr_from_v4(0x0A050002);
	path.remote.port = 7000;
	engine_open_session(e);
	for (int channel = 0; channel < 2; channel++) {
		uint64_t dropped = engine_activity(e).tx_dropped;
		uint64_t sent = engine_activity(e).tx_bytes;

		path.channel = channel ? 0x4001 : 0;
		assert_int_equal(dataplane_peer_set_path(e->peer, &path), 0);
		engine_inner_send(e, "x", 1);
		engine_idle(e);
		assert_int_equal(engine_activity(e).tx_bytes, sent + 64);
		assert_int_equal(engine_activity(e).tx_dropped, dropped + 1);
		/* Another tunnel to the same place, through this one, is none of it. */
		store_le32(other + 4, ENGINE_FAR_INDEX + 1);
		engine_inner_send(e, other, sizeof(other));
		engine_idle(e);
		assert_int_equal(engine_activity(e).tx_bytes, sent + 64 + 96 + 32);
		assert_int_equal(engine_activity(e).tx_dropped, dropped + 2);
	}
}

/* Longer than the tunnel's MTU it comes back in pieces, of which only the first one can be told. */
static void test_a_routing_loop_of_fragments_ends_too(void **state)
{
	struct engine *e = *state;
	struct dp_path path = { .kind = DP_PATH_UDP };
	uint8_t data[1390] = { 0 };

	path.remote.addr = addr_from_v4(0x0A050002);
	path.remote.port = 7000;
	engine_open_session(e);
	assert_int_equal(dataplane_peer_set_path(e->peer, &path), 0);
	engine_inner_send(e, data, sizeof(data));
	engine_idle(e);
	assert_int_equal(engine_activity(e).tx_dropped, 2);
	assert_in_range(engine_activity(e).tx_bytes, 1450, 1452 + 150);
}

static void test_a_deleted_device_costs_nothing(void **state)
{
	struct engine *e = *state;
	struct timespec before;
	struct timespec after;

	netns_run("ip link del wdp0");
	engine_idle(e);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	for (int i = 0; i < 4; i++)
		engine_idle(e);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	/* A worker that spins would take most of a quarter of a second. */
	assert_in_range((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec -
				before.tv_nsec,
			0, 60000000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, engine_setup, engine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_packets_wait_for_a_session_in_order),
		TEST(test_the_oldest_is_dropped_beyond_128),
		TEST(test_dropping_what_waits_says_unreachable),
		TEST(test_no_peer_is_unreachable_at_once),
		TEST(test_peers_that_go_are_published_once),
		TEST(test_peers_that_go_with_a_commit),
		TEST(test_padding_ends_at_the_mtu),
		TEST(test_padding_follows_the_device_and_its_routes),
		TEST(test_ecn_goes_out_and_dscp_does_not),
		TEST(test_every_kind_of_ecn_goes_out),
		TEST(test_congestion_is_told),
		TEST(test_congestion_costs_one_segment),
		TEST(test_a_responder_waits_for_the_first_packet),
		TEST(test_a_channel_is_four_bytes_more),
		TEST(test_cutting_is_switched_off_for_a_path),
		TEST(test_a_stream_gets_what_a_socket_would),
		TEST(test_keepalive),
		TEST(test_an_old_key_is_not_sent_with),
		TEST(test_the_last_counter),
		TEST(test_notices_of_sending),
		TEST(test_a_responder_never_asks_for_a_rekey_by_age),
		TEST(test_handshakes_leave_from_the_shared_port),
		TEST(test_the_port_moves),
		TEST(test_what_queued_up_behind_a_flush_is_sent),
		TEST(test_a_routing_loop_ends_after_one_round),
		TEST(test_a_routing_loop_of_fragments_ends_too),
		TEST(test_a_deleted_device_costs_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
