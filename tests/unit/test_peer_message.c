#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "proto/peer_message.h"

static void test_a_probe_is_as_long_as_it_says(void **state)
{
	const uint8_t expected[8] = { 1, 5, 0x05, 0x8C, 0xDE, 0xAD, 0xBE, 0xEF };
	struct peer_message probe = {
		.kind = PEER_MESSAGE_PROBE, .lanes = 5, .probed = 1420, .token = 0xDEADBEEF
	};
	struct peer_message parsed;
	uint8_t data[1421];

	(void)state;
	memset(data, 0xFF, sizeof(data));
	assert_int_equal(peer_message_len(&probe), 1420);
	peer_message_encode(&probe, data);
	assert_memory_equal(data, expected, sizeof(expected));
	for (size_t i = sizeof(expected); i < 1420; i++)
		assert_int_equal(data[i], 0);
	assert_int_equal(data[1420], 0xFF);
	assert_int_equal(peer_message_parse(&parsed, data, 1420), 0);
	assert_memory_equal(&parsed, &probe, sizeof(probe));
	assert_int_equal(peer_message_parse(&parsed, data, 1419), -EBADMSG);
	assert_int_equal(peer_message_parse(&parsed, data, 1421), -EBADMSG);
}

static void test_an_answer_is_short(void **state)
{
	struct peer_message answer = {
		.kind = PEER_MESSAGE_ANSWER, .lanes = 64, .probed = 65000, .token = 1
	};
	struct peer_message parsed;
	uint8_t data[PEER_MESSAGE_SIZE];

	(void)state;
	assert_int_equal(peer_message_len(&answer), PEER_MESSAGE_SIZE);
	peer_message_encode(&answer, data);
	assert_int_equal(peer_message_parse(&parsed, data, sizeof(data)), 0);
	assert_memory_equal(&parsed, &answer, sizeof(answer));
}

static void test_an_echo_brings_counters_back(void **state)
{
	const struct peer_message echo = {
		.kind = PEER_MESSAGE_ECHO, .lanes = 2, .probed = 16, .token = 7
	};
	const struct peer_message answer = {
		.kind = PEER_MESSAGE_ECHO_ANSWER,
		.lanes = 2,
		.probed = 16,
		.token = 7,
		.expected = 0x01020304,
		.arrived = 0xFFFFFFFF,
	};
	const uint8_t counters[8] = { 1, 2, 3, 4, 0xFF, 0xFF, 0xFF, 0xFF };
	struct peer_message parsed;
	uint8_t data[PEER_MESSAGE_SIZE];

	(void)state;
	peer_message_encode(&answer, data);
	assert_memory_equal(data + 8, counters, sizeof(counters));
	assert_int_equal(peer_message_parse(&parsed, data, sizeof(data)), 0);
	assert_memory_equal(&parsed, &answer, sizeof(answer));
	peer_message_encode(&echo, data);
	assert_int_equal(peer_message_parse(&parsed, data, sizeof(data)), 0);
	assert_memory_equal(&parsed, &echo, sizeof(echo));
	assert_true(peer_message_is_echo(data, sizeof(data)));
	data[0] = PEER_MESSAGE_PROBE;
	assert_false(peer_message_is_echo(data, sizeof(data)));
	assert_false(peer_message_is_echo(data, 0));
}

static void refused(const uint8_t *data, size_t len, int err)
{
	const struct peer_message before = { .kind = 7, .token = 9 };
	struct peer_message parsed = before;

	assert_int_equal(peer_message_parse(&parsed, data, len), err);
	assert_memory_equal(&parsed, &before, sizeof(before));
}

static void test_what_is_none_is_refused(void **state)
{
	const struct peer_message answer = {
		.kind = PEER_MESSAGE_ANSWER, .lanes = 1, .probed = 16, .token = 1
	};
	uint8_t data[PEER_MESSAGE_SIZE];

	(void)state;
	peer_message_encode(&answer, data);
	for (size_t len = 0; len < sizeof(data); len++)
		refused(data, len, -EBADMSG);
	data[1] = 0;
	refused(data, sizeof(data), -EBADMSG);
	data[1] = PEER_MESSAGE_LANES_MAX + 1;
	refused(data, sizeof(data), -EBADMSG);
	data[1] = 1;
	data[3] = PEER_MESSAGE_SIZE - 1;
	refused(data, sizeof(data), -EBADMSG);
	data[3] = PEER_MESSAGE_SIZE;
	data[0] = 0x45;
	assert_false(peer_message_is(data, sizeof(data)));
	refused(data, sizeof(data), -EBADMSG);
	data[0] = PEER_MESSAGE_ROUTES + 1;
	refused(data, sizeof(data), -ENOTSUP);
	data[0] = 0;
	refused(data, sizeof(data), -ENOTSUP);
	assert_false(peer_message_is(data, 0));
}

static void test_documents_come_through(void **state)
{
	struct peer_message message = { .kind = PEER_MESSAGE_DOCUMENTS,
					.lanes = 3,
					.probed = PEER_MESSAGE_SIZE };
	uint8_t data[PEER_MESSAGE_DOCUMENTS_SIZE];
	struct peer_message parsed;

	(void)state;
	for (size_t i = 0; i < PEER_MESSAGE_HELD; i++) {
		message.held[i].version = 0x0102030405060708 + i;
		memset(message.held[i].hash, (int)i + 1, PEER_MESSAGE_HASH_SIZE);
	}
	assert_int_equal(peer_message_len(&message), sizeof(data));
	peer_message_encode(&message, data);
	assert_int_equal(peer_message_parse(&parsed, data, sizeof(data)), 0);
	assert_memory_equal(&parsed, &message, sizeof(message));
	assert_int_equal(peer_message_parse(&parsed, data, sizeof(data) - 1), -EBADMSG);
	/* Who holds none of the last kind writes what those take who know four. */
	message.held[PEER_MESSAGE_HELD - 1] = (struct peer_message_held){ .version = 0 };
	assert_int_equal(peer_message_len(&message), 16 + 4 * 24);
	peer_message_encode(&message, data);
	assert_int_equal(peer_message_parse(&parsed, data, 16 + 4 * 24), 0);
	assert_memory_equal(&parsed, &message, sizeof(message));
	memset(data + 16 + 4 * 24, 0, 24);
	assert_int_equal(peer_message_parse(&parsed, data, sizeof(data)), -EBADMSG);
}

static void test_routes_come_through(void **state)
{
	const struct peer_message message = { .kind = PEER_MESSAGE_ROUTES,
					      .lanes = 1,
					      .probed = PEER_MESSAGE_SIZE,
					      .token = 0x80000001,
					      .expected = 0x01020304 };
	const uint8_t expected[PEER_MESSAGE_SIZE] = { 6, 1, 0, 16, 0x80, 0, 0, 1, 1, 2, 3, 4 };
	uint8_t data[PEER_MESSAGE_SIZE];
	struct peer_message parsed;

	(void)state;
	assert_int_equal(peer_message_len(&message), sizeof(data));
	peer_message_encode(&message, data);
	assert_memory_equal(data, expected, sizeof(expected));
	assert_int_equal(peer_message_parse(&parsed, data, sizeof(data)), 0);
	assert_memory_equal(&parsed, &message, sizeof(message));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_probe_is_as_long_as_it_says),
		cmocka_unit_test(test_an_answer_is_short),
		cmocka_unit_test(test_an_echo_brings_counters_back),
		cmocka_unit_test(test_documents_come_through),
		cmocka_unit_test(test_routes_come_through),
		cmocka_unit_test(test_what_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
