#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "crypto/rng.h"
#include "proto/relay_client.h"
#include "proto/relayed_notice.h"
#include "proto/turn_stream.h"

/*
 * A TURN server that says anything, over a stream. The input is a list of chunks, each a byte of
 * time to wait in seconds, two bytes of length and that many bytes of the stream; a STUN message
 * that looks like an answer gets the transaction that was asked last. Peers say anything, too: a
 * chunk is also taken for a notice.
 */
static uint8_t last[STUN_TRANSACTION_SIZE];
static const uint8_t peer[STUN_KEY_SIZE] = { 1 };

static void drain(struct relay_client *client, uint64_t now_ns)
{
	static uint8_t buf[RELAY_MESSAGE_MAX];
	struct relay_event event;
	size_t len, count = 0;

	while (relay_client_poll_event(client, &event)) {
		if (event.type == RELAY_EVENT_DATA && event.len && !event.data)
			abort();
		if (event.type == RELAY_EVENT_ALTERNATE)
			relay_client_moved(client, RELAY_UDP, now_ns);
	}
	while ((len = relay_client_poll_output(client, buf, sizeof(buf)))) {
		if (++count > 64)
			abort(); /* a loop without an answer in between */
		if (len >= STUN_HEADER_SIZE)
			memcpy(last, buf + 8, sizeof(last));
	}
}

static void take_stream(struct relay_client *client, struct turn_stream *stream,
			const uint8_t *data, size_t len, uint64_t now_ns)
{
	const uint8_t *message;
	size_t message_len;
	int result;

	while ((result = turn_stream_next(stream, &data, &len, &message, &message_len)) > 0) {
		uint8_t *copy = malloc(message_len);

		memcpy(copy, message, message_len);
		if (message_len >= STUN_HEADER_SIZE && (copy[0] & 0xc1) == 0x01)
			memcpy(copy + 8, last, sizeof(last));
		relay_client_input(client, copy, message_len, now_ns);
		drain(client, now_ns);
		free(copy);
	}
	if (result < 0)
		turn_stream_init(stream);
}

static void take_notice(struct relay_client *client, const uint8_t *data, size_t len,
			uint64_t now_ns)
{
	struct relayed_notice notice;

	if (relayed_notice_decode(&notice, (const char *)data, len) < 0)
		return;
	if (notice.address.addr.family != AF_UNSPEC)
		relay_client_set_peer_address(client, peer, &notice.address, now_ns);
	drain(client, now_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct relay_client_config config = { .username = "1:name",
							   .password = "pw",
							   .turn = true };
	static struct turn_stream stream;
	struct rng_seeded seeded;
	struct relay_client *client;
	uint64_t now_ns = NS_PER_S;
	struct rng rng;

	rng_seeded_init(&seeded, 1);
	rng = rng_from_seeded(&seeded);
	turn_stream_init(&stream);
	client = relay_client_new(&config, &rng, now_ns);
	drain(client, now_ns);
	while (size >= 3) {
		size_t len = load_be16(data + 1);

		now_ns += data[0] * NS_PER_S;
		data += 3;
		size -= 3;
		if (len > size)
			len = size;
		relay_client_expire(client, now_ns);
		drain(client, now_ns);
		take_notice(client, data, len, now_ns);
		take_stream(client, &stream, data, len, now_ns);
		data += len;
		size -= len;
	}
	relay_client_free(client);
	return 0;
}
