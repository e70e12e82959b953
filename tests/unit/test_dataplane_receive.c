#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/buf.h"
#include "daemon/dp_core.h"
#include "daemon/dp_keypair.h"
#include "daemon/dp_peer.h"
#include "proto/filter.h"
#include "tests/support/engine.h"
#include "tests/support/packet.h"

static uint8_t packet[2048];
static uint8_t message[2048];
static uint8_t got[2048];

/* In front of libc's, to be a kernel that refuses merged packets. */
static atomic_bool refuse_merged;
static atomic_uint merged_writes;

ssize_t writev(int fd, const struct iovec *iov, int count)
{
	const struct vnet_hdr *hdr = iov[0].iov_base;

	if (iov[0].iov_len == VNET_HDR_SIZE && hdr->gso_type) {
		merged_writes++;
		if (refuse_merged) {
			errno = EINVAL;
			return -1;
		}
	}
	return syscall(SYS_writev, fd, iov, count);
}

static size_t delivered(struct engine *e)
{
	return engine_inner_receive(e, got, sizeof(got), NULL);
}

static void test_an_authentic_packet_arrives(void **state)
{
	struct engine *e = *state;
	size_t len = engine_inner(packet, 0, 300);

	engine_open_session(e);
	memset(packet + len, 0, 8); /* padding, to be trimmed */
	engine_far_packet(e, packet, len + 8, 0);
	assert_int_equal(delivered(e), 300);
	assert_memory_equal(got, packet + 28, 300);
	assert_int_equal(engine_activity(e).rx_bytes, len + 8 + 32);
	assert_true(engine_activity(e).last_rx_data_ns > 0);
	assert_true(engine_activity(e).unacked_since_ns > 0);
}

static void test_a_packet_counts_once(void **state)
{
	struct engine *e = *state;
	size_t len = engine_inner(packet, 0, 10);

	engine_open_session(e);
	engine_far_packet(e, packet, len, 9000);
	assert_int_equal(delivered(e), 10);
	engine_far_packet(e, packet, len, 9000);
	assert_int_equal(delivered(e), 0);
	engine_far_packet(e, packet, len, 8999); /* late, but new */
	assert_int_equal(delivered(e), 10);
	engine_far_packet(e, packet, len, 9000 - REPLAY_BITS); /* too old to tell */
	assert_int_equal(delivered(e), 0);
	engine_far_packet(e, packet, len, REPLAY_COUNTER_LIMIT);
	assert_int_equal(delivered(e), 0);
	assert_int_equal(engine_activity(e).rx_bytes, 2 * (len + 32));
}

static void test_a_forgery_changes_nothing(void **state)
{
	struct engine *e = *state;
	size_t len = engine_inner(packet, 0, 100);

	engine_open_session(e);
	len = engine_seal(e, message, packet, len, 5);
	for (size_t at = 1; at < len; at += at < 16 ? 1 : 7) {
		message[at] ^= 1;
		engine_far_send(e, message, len, 0);
		message[at] ^= 1;
	}
	for (size_t cut = 0; cut < len; cut += 5)
		engine_far_send(e, message, cut, 0);
	engine_idle(e);
	assert_int_equal(engine_activity(e).rx_bytes, 0);
	assert_int_equal(engine_activity(e).last_rx_ns, 0);
	assert_int_equal(e->paths, 0);
	/* Not even its counter was taken. */
	engine_far_send(e, message, len, 0);
	assert_int_equal(delivered(e), 100);
}

static void test_the_inner_source_must_be_the_peers(void **state)
{
	struct engine *e = *state;
	size_t len = engine_inner(packet, 0, 20);

	engine_open_session(e);
	packet[15] = 3; /* 10.5.0.3 */
	packet_seal(packet, len);
	engine_far_packet(e, packet, len, 0);
	assert_int_equal(delivered(e), 0);
	assert_int_equal(engine_activity(e).rx_dropped_source, 1);
	/* It was authentic all the same. */
	assert_int_equal(engine_activity(e).rx_bytes, len + 32);
}

static void test_a_prefix_that_moved_takes_its_packets_along(void **state)
{
	struct engine *e = *state;
	struct dp_peer *other = dataplane_peer_new(e->dp, NULL);
	size_t len = engine_inner(packet, 0, 20);
	struct prefix prefix;
	size_t cursor = 0;

	engine_open_session(e);
	engine_far_packet(e, packet, len, 0);
	assert_int_equal(delivered(e), 20);
	prefix_parse(&prefix, "10.5.0.2/32");
	assert_int_equal(dataplane_allowed_ip_set(other, &prefix), 0);
	assert_int_equal(dataplane_allowed_ips_commit(e->dp), 0);
	assert_false(dataplane_allowed_ip_next(e->peer, &cursor, &prefix));
	engine_far_packet(e, packet, len, 1);
	assert_int_equal(delivered(e), 0);
	assert_int_equal(engine_activity(e).rx_dropped_source, 1);
	dataplane_peer_free(other);
}

static void test_what_is_no_packet_is_dropped(void **state)
{
	struct engine *e = *state;
	size_t len = engine_inner(packet, 0, 20);
	uint64_t counter = 0;

	engine_open_session(e);
	engine_far_packet(e, packet, len - 1, counter++); /* says more than there is */
	engine_far_packet(e, packet, 1, counter++);
	packet[0] = 0x55;
	engine_far_packet(e, packet, len, counter++);
	packet[0] = 0x41;
	engine_far_packet(e, packet, len, counter++);
	memset(packet, 0, sizeof(packet));
	engine_far_packet(e, packet, 1400, counter++);
	assert_int_equal(delivered(e), 0);
}

static void test_a_keepalive_is_no_data(void **state)
{
	struct engine *e = *state;

	engine_open_session(e);
	engine_inner_send(e, "x", 1);
	assert_int_not_equal(engine_far_receive(e, message, sizeof(message), NULL), 0);
	engine_idle(e);
	assert_true(engine_activity(e).unanswered_since_ns > 0);
	engine_far_packet(e, packet, 0, 0);
	engine_idle(e);
	assert_int_equal(engine_activity(e).rx_bytes, 32);
	assert_int_equal(engine_activity(e).last_rx_data_ns, 0);
	assert_int_equal(engine_activity(e).unacked_since_ns, 0);
	assert_int_equal(engine_activity(e).unanswered_since_ns, 0);
}

static void test_congestion_comes_in(void **state)
{
	struct engine *e = *state;
	uint64_t counter = 0;

	engine_open_session(e);
	for (uint8_t ecn = 0; ecn < 4; ecn++) {
		size_t len = engine_inner(packet, 0x20 | ecn, 20);
		uint8_t tos = 0xFF;

		len = engine_seal(e, message, packet, len, counter++);
		engine_far_send(e, message, len, 3);
		assert_int_equal(engine_inner_receive(e, got, sizeof(got), &tos), ecn ? 20 : 0);
		assert_int_equal(tos, ecn ? 0x23 : 0xFF);
	}
}

static void test_a_responder_is_confirmed_by_the_first_packet(void **state)
{
	struct engine *e = *state;

	engine_add_keypair(e, false, 0);
	engine_far_packet(e, packet, 0, 0);
	assert_true(engine_wait(e, &e->confirmed, 1));
	engine_far_packet(e, packet, 0, 1);
	engine_idle(e);
	assert_int_equal(e->confirmed, 1);
}

static void test_a_key_that_is_too_old_opens_nothing(void **state)
{
	struct engine *e = *state;
	size_t len = engine_inner(packet, 0, 20);

	engine_add_keypair(e, true, REJECT_AFTER_TIME_S + 1);
	engine_far_packet(e, packet, len, 0);
	assert_int_equal(delivered(e), 0);
	assert_int_equal(engine_activity(e).rx_bytes, 0);
	dataplane_keypair_free(e->keypair);
	engine_far_packet(e, packet, len, 0); /* nor one that is gone */
	assert_int_equal(delivered(e), 0);
}

static void test_renewal_is_due_late_on_receiving(void **state)
{
	struct engine *e = *state;

	engine_add_keypair(e, true, REKEY_ON_RECEIVE_S + 1);
	dataplane_peer_notify(e->peer, DP_NOTICE_REKEY | DP_NOTICE_UNACKED);
	engine_far_packet(e, packet, 0, 0);
	engine_idle(e);
	assert_int_equal(e->notices, 0); /* not the current one */
	dataplane_peer_set_current(e->peer, e->keypair);
	engine_far_packet(e, packet, engine_inner(packet, 0, 9), 1);
	assert_true(engine_wait(e, &e->notices, DP_NOTICE_REKEY | DP_NOTICE_UNACKED));
}

static void test_another_place_is_seen(void **state)
{
	struct engine *e = *state;
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	size_t len;

	engine_open_session(e);
	engine_far_packet(e, packet, 0, 0);
	engine_idle(e);
	assert_int_equal(e->paths, 0); /* where the path points already */
	to.sin_port = htons(dataplane_port(e->dp));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	len = engine_seal(e, message, packet, 0, 1);
	sendto(fd, message, len, 0, (struct sockaddr *)&to, sizeof(to));
	assert_true(engine_wait(e, &e->paths, 1));
	assert_int_equal(e->last_path.kind, DP_PATH_UDP);
	assert_int_not_equal(e->last_path.remote.port, e->far_port);
	assert_true(addr_equal(&e->last_path.local, &e->path.local));
	close(fd);
}

static void test_a_path_without_local_address_means_any(void **state)
{
	struct engine *e = *state;

	engine_open_session(e);
	e->path.local = (struct ip_addr){ 0 };
	dataplane_peer_set_path(e->peer, &e->path);
	engine_far_packet(e, packet, 0, 0);
	engine_idle(e);
	assert_int_equal(e->paths, 0);
	assert_int_equal(engine_activity(e).rx_bytes, 32);
}

static void test_channel_data_is_unwrapped(void **state)
{
	struct engine *e = *state;
	size_t len = engine_inner(packet, 0, 20);

	engine_open_session(e);
	len = engine_seal(e, message + 4, packet, len, 0);
	store_be16(message, 0x4123);
	store_be16(message + 2, (uint16_t)len);
	engine_far_send(e, message, len + 4, 0);
	assert_int_equal(delivered(e), 20);
	assert_true(engine_wait(e, &e->paths, 1));
	assert_int_equal(e->last_path.channel, 0x4123);
	/* A length beyond the end. */
	len = engine_seal(e, message + 4, packet, 48, 1);
	store_be16(message + 2, (uint16_t)(len + 1));
	engine_far_send(e, message, len + 4, 0);
	assert_int_equal(delivered(e), 0);
}

static void test_a_stream_brings_the_same(void **state)
{
	struct engine *e = *state;
	struct dp_path from = { .kind = DP_PATH_STREAM, .stream = 3, .channel = 0x4009 };
	size_t len = engine_inner(packet, 0, 20);

	engine_open_session(e);
	len = engine_seal(e, message, packet, len, 0);
	dataplane_input(e->dp, message, len, &from);
	len = engine_seal(e, message, packet, engine_inner(packet, 0, 30), 1);
	dataplane_input(e->dp, message, len, &from);
	assert_true(engine_wait(e, &e->paths, 1));
	assert_int_equal(delivered(e), 20);
	assert_int_equal(delivered(e), 30);
	assert_int_equal(e->last_path.kind, DP_PATH_STREAM);
	assert_int_equal(e->last_path.channel, 0x4009);
}

static void test_messages_find_their_callback(void **state)
{
	struct engine *e = *state;
	static const struct {
		uint8_t type;
		size_t len;
		bool taken;
	} cases[] = {
		{ 1, 148, true },  { 2, 92, true },   { 3, 64, true },
		{ 1, 147, false }, { 1, 149, false }, { 2, 148, false },
		{ 3, 92, false },  { 5, 148, false }, { 0, 148, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned int before = e->handshakes;

		memset(message, 0, sizeof(message));
		message[0] = cases[i].type;
		engine_far_send(e, message, cases[i].len, 0);
		if (cases[i].taken) {
			assert_true(engine_wait(e, &e->handshakes, before + 1));
			assert_int_equal(e->last_len, cases[i].len);
			assert_int_equal(e->last_path.remote.port, e->far_port);
		}
	}
	engine_idle(e);
	assert_int_equal(e->handshakes, 3);
	assert_int_equal(e->others, 0);
	memset(message, 0, 28);
	store_be32(message + 4, 0x2112A442);
	engine_far_send(e, message, 28, 0);
	assert_true(engine_wait(e, &e->others, 1));
	assert_int_equal(e->last_len, 28);
}

static void test_the_filter_lets_answers_in(void **state)
{
	struct engine *e = *state;
	const uint8_t secret[16] = { 1 };
	struct filter_flows *flows = filter_flows_new(secret);
	size_t len = engine_inner(packet, 0, 20);

	engine_open_session(e);
	dataplane_set_flows(e->dp, flows);
	assert_int_equal(dataplane_peer_set_rules(e->peer, NULL, NULL), 0);
	engine_far_packet(e, packet, len, 0);
	assert_int_equal(delivered(e), 0);
	assert_int_equal(engine_activity(e).rx_dropped_filter, 1);
	engine_inner_send(e, "question", 8);
	assert_int_not_equal(engine_far_receive(e, got, sizeof(got), NULL), 0);
	engine_far_packet(e, packet, len, 1);
	assert_int_equal(delivered(e), 20);
	engine_teardown(state);
	filter_flows_free(flows);
}

static void let(struct engine *e, const struct filter_rule *inbound, const struct filter_rule *lan)
{
	struct filter_rules *rules = filter_rules_new(inbound, inbound ? 1 : 0, NULL);
	struct filter_rules *from_us = filter_rules_new(lan, lan ? 1 : 0, NULL);

	assert_int_equal(dataplane_peer_set_rules(e->peer, rules, from_us), 0);
}

static bool goes(struct engine *e)
{
	engine_inner_send(e, "question", 8);
	return engine_far_receive(e, got, sizeof(got), NULL) > 0;
}

/* What the host sends from an address that is not its own comes from a network behind it. */
static void test_networks_behind_us_start_what_they_may(void **state)
{
	struct engine *e = *state;
	static const uint8_t secret[16] = { 2 };
	struct filter_flows *flows = filter_flows_new(secret);
	struct filter_rule all = { .port_high = 65535 };
	struct ip_addr own[2] = { { .family = 0 } };
	size_t len = engine_inner(packet, 0, 20);

	engine_open_session(e);
	dataplane_set_flows(e->dp, flows);
	let(e, NULL, NULL);
	assert_true(goes(e)); /* nobody has said which addresses are ours */
	dataplane_set_flows(e->dp, NULL);
	filter_flows_free(flows);
	flows = filter_flows_new(secret);
	dataplane_set_flows(e->dp, flows);
	addr_parse(&own[0], "10.5.0.9");
	assert_int_equal(dataplane_set_own(e->dp, own), 0);
	assert_false(goes(e));
	assert_int_equal(engine_activity(e).tx_dropped_filter, 1);
	assert_int_not_equal(engine_inner_error(e), 0);
	let(e, NULL, &all);
	assert_true(goes(e));
	let(e, NULL, NULL);
	assert_false(goes(e)); /* not any more */
	engine_inner_error(e);
	let(e, &all, NULL);
	engine_far_packet(e, packet, len, 0);
	for (int i = 0; i < 300 && !engine_activity(e).rx_dropped_filter; i++)
		usleep(10000);
	/* It was for somebody behind us, and nobody checks that. */
	assert_int_equal(engine_activity(e).rx_dropped_filter, 1);
	engine_inner_error(e);
	dataplane_set_carrying(e->dp, true);
	engine_far_packet(e, packet, len, 1);
	assert_int_equal(delivered(e), 20);
	assert_true(goes(e)); /* an answer */
	dataplane_set_carrying(e->dp, false);
	let(e, NULL, NULL);
	addr_parse(&own[0], "10.5.0.1");
	assert_int_equal(dataplane_set_own(e->dp, own), 0);
	assert_true(goes(e));
	engine_teardown(state);
	filter_flows_free(flows);
}

/* Three packets of one flow in one batch of the control thread's engine. */
static void batch(struct engine *e, bool udp, uint64_t counter)
{
	static uint8_t sealed[3][2048];
	struct packet_spec spec = packet_spec_default();
	struct dp_engine *engine = dp_control_engine(e->dp);

	dp_engine_begin(engine);
	for (size_t i = 0; i < 3; i++) {
		size_t len;

		spec.udp = udp;
		spec.payload = 100;
		len = packet_build(packet, &spec);
		store_be32(packet + 12, 0x0A050002);
		store_be32(packet + 16, 0x0A050001);
		store_be16(packet + 20, 7000);
		store_be16(packet + 22, 7000);
		packet_seal(packet, len);
		len = engine_seal(e, sealed[i], packet, len, counter + i);
		dp_engine_input(engine, sealed[i], len, &e->path, 0);
		spec.seq += 100;
		spec.id++;
	}
	dp_engine_end(engine);
}

/*
 * Some kernels refuse merged packets that are right: what was refused is written again in single
 * ones, and nothing is merged any more.
 */
static void test_a_refused_merge_is_the_last(void **state)
{
	struct engine *e = *state;
	struct dp_engine *engine = dp_control_engine(e->dp);

	engine_open_session(e);
	batch(e, true, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(delivered(e), 100);
	assert_true(engine->in.merged.udp && engine->in.merged.tcp);
	assert_int_equal(merged_writes, 1);
	refuse_merged = true;
	batch(e, true, 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(delivered(e), 100);
		assert_memory_equal(got, packet + 28, 100);
	}
	assert_false(engine->in.merged.udp);
	assert_true(engine->in.merged.tcp);
	assert_int_equal(atomic_load(&e->dp->uso_error), EINVAL);
	assert_int_equal(atomic_load(&e->dp->tso_error), 0);
	batch(e, false, 6);
	assert_false(engine->in.merged.tcp);
	assert_int_equal(atomic_load(&e->dp->tso_error), EINVAL);
	assert_int_equal(merged_writes, 3);
	batch(e, true, 9);
	assert_int_equal(merged_writes, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(delivered(e), 100);
	refuse_merged = false;
}

static void from_elsewhere(struct engine *e, int fd, const uint8_t *data, size_t len)
{
	struct sockaddr_in to = { .sin_family = AF_INET };

	to.sin_port = htons(dataplane_port(e->dp));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sendto(fd, data, len, 0, (struct sockaddr *)&to, sizeof(to));
	engine_idle(e);
}

static uint16_t port_of_path(struct engine *e)
{
	struct dp_path path;

	dataplane_peer_path(e->peer, &path);
	return path.remote.port;
}

/* A plain device: what is authentic and new moves the endpoint, whatever it carries; no else. */
static void test_a_plain_device_follows_what_is_authentic_and_new(void **state)
{
	struct engine *e = *state;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	size_t len;

	e->dp->config.follow = true;
	engine_open_session(e);
	engine_far_packet(e, packet, 0, 5);
	engine_idle(e);
	len = engine_seal(e, message, packet, 0, 5);
	from_elsewhere(e, fd, message, len); /* seen already */
	assert_int_equal(port_of_path(e), e->far_port);
	len = engine_seal(e, message, packet, 0, 6);
	message[len - 1] ^= 1;
	from_elsewhere(e, fd, message, len); /* forged */
	assert_int_equal(port_of_path(e), e->far_port);
	message[len - 1] ^= 1;
	from_elsewhere(e, fd, message, len);
	assert_int_not_equal(port_of_path(e), e->far_port);
	/* An inner source that is not the peer's is dropped, and moves it all the same. */
	len = engine_inner(packet, 0, 20);
	packet[15] = 3;
	packet_seal(packet, len);
	engine_far_packet(e, packet, len, 7);
	assert_int_equal(delivered(e), 0);
	assert_int_equal(port_of_path(e), e->far_port);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, engine_setup, engine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_authentic_packet_arrives),
		TEST(test_a_packet_counts_once),
		TEST(test_a_forgery_changes_nothing),
		TEST(test_the_inner_source_must_be_the_peers),
		TEST(test_a_prefix_that_moved_takes_its_packets_along),
		TEST(test_what_is_no_packet_is_dropped),
		TEST(test_a_keepalive_is_no_data),
		TEST(test_congestion_comes_in),
		TEST(test_a_responder_is_confirmed_by_the_first_packet),
		TEST(test_a_key_that_is_too_old_opens_nothing),
		TEST(test_renewal_is_due_late_on_receiving),
		TEST(test_another_place_is_seen),
		TEST(test_a_path_without_local_address_means_any),
		TEST(test_channel_data_is_unwrapped),
		TEST(test_a_stream_brings_the_same),
		TEST(test_a_refused_merge_is_the_last),
		TEST(test_a_plain_device_follows_what_is_authentic_and_new),
		TEST(test_messages_find_their_callback),
		/* Takes itself down, before the flow table. */
		cmocka_unit_test_setup(test_the_filter_lets_answers_in, engine_setup),
		cmocka_unit_test_setup(test_networks_behind_us_start_what_they_may, engine_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
