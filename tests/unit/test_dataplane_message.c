#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/dp_core.h"
#include "daemon/dp_message.h"
#include "proto/peer_message.h"
#include "tests/support/engine.h"

static uint8_t wire[70000];
static uint8_t plain[70000];

static size_t probe(uint8_t *out, uint16_t len, uint32_t token)
{
	const struct peer_message message = {
		.kind = PEER_MESSAGE_PROBE, .lanes = 1, .probed = len, .token = token
	};

	peer_message_encode(&message, out);
	return len;
}

/* The next message at the far end; false when there is none. */
static bool next_message(struct engine *e, struct peer_message *message)
{
	size_t len = engine_far_receive(e, wire, sizeof(wire), NULL);
	uint64_t counter;
	int opened = len ? engine_open(e, plain, wire, len, &counter) : -1;

	return opened > 0 && peer_message_parse(message, plain, (size_t)opened) == 0;
}

static void test_a_probe_is_answered_and_is_no_data(void **state)
{
	struct engine *e = *state;
	struct peer_message answer;
	uint8_t data[1420];

	engine_open_session(e);
	engine_far_packet(e, data, probe(data, sizeof(data), 77), 0);
	for (int i = 0; i < 20 && !engine_activity(e).last_tx_ns; i++)
		engine_idle(e);
	assert_true(next_message(e, &answer));
	assert_int_equal(answer.kind, PEER_MESSAGE_ANSWER);
	assert_int_equal(answer.token, 77);
	assert_int_equal(answer.probed, 1420);
	assert_int_equal(answer.lanes, dataplane_lanes(e->dp));
	assert_int_equal(engine_inner_receive(e, plain, sizeof(plain), NULL), 0);
	/* Else connections would never be idle. */
	assert_int_equal(engine_activity(e).last_rx_data_ns, 0);
	assert_int_equal(engine_activity(e).last_tx_data_ns, 0);
	assert_int_not_equal(engine_activity(e).last_rx_ns, 0);
}

static size_t echo(uint8_t *out, uint32_t token)
{
	const struct peer_message message = {
		.kind = PEER_MESSAGE_ECHO, .lanes = 1, .probed = PEER_MESSAGE_SIZE, .token = token
	};

	peer_message_encode(&message, out);
	return PEER_MESSAGE_SIZE;
}

/* Two of six are missing when the echo comes: its answer says so. */
static void test_an_echo_tells_what_arrived(void **state)
{
	static const uint64_t counters[] = { 0, 1, 3 };
	struct engine *e = *state;
	struct peer_message answer;
	uint8_t data[64];

	engine_open_session(e);
	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++)
		engine_far_packet(e, data, 0, counters[i]);
	engine_far_packet(e, data, echo(data, 99), 5);
	for (int i = 0; i < 20 && !engine_activity(e).last_tx_ns; i++)
		engine_idle(e);
	assert_true(next_message(e, &answer));
	assert_int_equal(answer.kind, PEER_MESSAGE_ECHO_ANSWER);
	assert_int_equal(answer.token, 99);
	assert_int_equal(answer.expected, 6);
	assert_int_equal(answer.arrived, 4);
	/* Paths are asked all over: where an echo came from says nothing of where data goes. */
	assert_int_equal(e->paths, 0);
}

static void test_many_are_not_answered(void **state)
{
	struct engine *e = *state;
	struct peer_message answer;
	uint8_t data[64];
	unsigned int answers = 0;

	engine_open_session(e);
	for (uint32_t i = 0; i < 200; i++)
		engine_far_packet(e, data, probe(data, sizeof(data), i), i);
	engine_idle(e);
	while (next_message(e, &answer))
		answers++;
	assert_in_range(answers, 1, 130);
}

static void test_a_plain_device_drops_them(void **state)
{
	struct engine *e = *state;
	struct peer_message answer;
	uint8_t data[64];

	engine_open_session(e);
	engine_far_packet(e, data, probe(data, sizeof(data), 1), 0);
	engine_idle(e);
	assert_false(next_message(e, &answer));
}

/* Exactly as long as asked: no padding; and two may go as one datagram. */
static void test_messages_are_sent_as_they_are(void **state)
{
	struct engine *e = *state;
	struct peer_message messages[2] = {
		{ .kind = PEER_MESSAGE_PROBE, .lanes = 1, .probed = 1337, .token = 1 },
		{ .kind = PEER_MESSAGE_PROBE, .lanes = 1, .probed = 1337, .token = 2 },
	};
	struct peer_message seen;

	assert_int_equal(dp_message_send(e->peer, messages, 1), -ENOKEY);
	engine_open_session(e);
	assert_int_equal(dp_message_send(e->peer, messages, 2), 0);
	for (int i = 0; i < 2; i++) {
		assert_true(next_message(e, &seen));
		assert_memory_equal(&seen, &messages[i], sizeof(seen));
	}
}

/* The far end of a path that takes this much answers probes for a while. */
static void answer_probes(struct engine *e, size_t fits)
{
	static uint64_t counter;
	struct peer_message probe;
	uint8_t data[PEER_MESSAGE_SIZE];

	for (int i = 0; i < 30; i++) {
		engine_idle(e);
		while (next_message(e, &probe)) {
			if (probe.kind != PEER_MESSAGE_PROBE || probe.probed > fits)
				continue;
			probe.kind = PEER_MESSAGE_ANSWER;
			peer_message_encode(&probe, data);
			engine_far_packet(e, data, sizeof(data), counter++);
		}
		if (dataplane_peer_mtu(e->peer) == fits)
			break;
	}
	engine_idle(e);
}

static void test_the_path_decides_what_may_be_sent(void **state)
{
	struct engine *e = *state;
	const int never = IP_PMTUDISC_INTERFACE; /* as one who knows nothing of the path */
	uint8_t data[1420] = { 0 };
	uint64_t counter;
	size_t len;

	assert_int_equal(dataplane_peer_mtu(e->peer), 0);
	engine_open_session(e);
	answer_probes(e, 1340);
	assert_int_equal(dataplane_peer_mtu(e->peer), 1340);
	/* Not padded beyond it either. */
	engine_inner_send(e, data, 1339 - 28);
	while ((len = engine_far_receive(e, wire, sizeof(wire), NULL)) && len != 1340 + 32)
		;
	assert_int_equal(len, 1340 + 32);
	/* The host is told what fits. */
	engine_inner_send(e, data, 1400 - 28);
	assert_int_equal(engine_inner_error(e), EMSGSIZE);
	/* Who allows fragments gets there all the same, in those of the outer packet. */
	assert_int_equal(setsockopt(e->inner_fd, IPPROTO_IP, IP_MTU_DISCOVER, &never,
				    sizeof(never)),
			 0);
	engine_inner_send(e, data, 1400 - 28);
	while ((len = engine_far_receive(e, wire, sizeof(wire), NULL)) && len != 1400 + 32)
		;
	assert_int_equal(engine_open(e, plain, wire, len, &counter), 1400);
	assert_int_equal(plain[0], 0x45);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_probe_is_answered_and_is_no_data,
						engine_setup_lanes, engine_teardown),
		cmocka_unit_test_setup_teardown(test_an_echo_tells_what_arrived, engine_setup_lanes,
						engine_teardown),
		cmocka_unit_test_setup_teardown(test_many_are_not_answered, engine_setup_lanes,
						engine_teardown),
		cmocka_unit_test_setup_teardown(test_a_plain_device_drops_them, engine_setup,
						engine_teardown),
		cmocka_unit_test_setup_teardown(test_messages_are_sent_as_they_are,
						engine_setup_lanes, engine_teardown),
		cmocka_unit_test_setup_teardown(test_the_path_decides_what_may_be_sent,
						engine_setup_path_mtu, engine_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
