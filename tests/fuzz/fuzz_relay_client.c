#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "crypto/rng.h"
#include "proto/relay_client.h"

/*
 * A relay that says anything. The input is a list of messages, each a byte of time to wait in
 * tenths of a second, two bytes of length and that many bytes; where a message looks like an
 * answer, it gets the transaction that was asked last, so that it is looked into. Each comes as a
 * datagram, then as what a stream brought.
 */
static uint8_t last[STUN_TRANSACTION_SIZE];

static void drain(struct relay_client *client)
{
	static uint8_t buf[RELAY_MESSAGE_MAX];
	struct relay_event event;
	size_t len;

	while (relay_client_poll_event(client, &event)) {
		if (event.type == RELAY_EVENT_DATA && event.len && !event.data)
			abort();
	}
	while ((len = relay_client_poll_output(client, buf, sizeof(buf)))) {
		if (len >= STUN_HEADER_SIZE)
			memcpy(last, buf + 8, sizeof(last));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct relay_client_config config = { .username = "1:name", .password = "pw" };
	static const uint8_t peer[STUN_KEY_SIZE] = { 1 };
	struct rng_seeded seeded;
	struct rng rng;
	struct relay_client *client;
	uint64_t now_ns = NS_PER_S;

	rng_seeded_init(&seeded, 1);
	rng = rng_from_seeded(&seeded);
	client = relay_client_new(&config, &rng, now_ns);
	relay_client_bind(client, peer, now_ns);
	drain(client);
	while (size >= 3) {
		size_t len = load_be16(data + 1);
		const uint8_t *message;
		size_t message_len;
		const uint8_t *at;
		size_t left;
		uint8_t *copy;

		now_ns += data[0] * 100 * NS_PER_MS;
		data += 3;
		size -= 3;
		if (len > size)
			len = size;
		copy = malloc(len ? len : 1);
		memcpy(copy, data, len);
		if (len >= STUN_HEADER_SIZE && (copy[0] & 0xc1) == 0x01)
			memcpy(copy + 8, last, sizeof(last));
		relay_client_expire(client, now_ns);
		drain(client);
		relay_client_input(client, copy, len, now_ns);
		drain(client);
		at = copy;
		left = len;
		while ((message_len = relay_stream_next(&at, &left, &message))) {
			relay_client_input(client, message, message_len, now_ns);
			drain(client);
		}
		free(copy);
		data += len;
		size -= len;
	}
	relay_client_free(client);
	return 0;
}
