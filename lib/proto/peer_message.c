#include "proto/peer_message.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"

#define HELD_SIZE (8 + PEER_MESSAGE_HASH_SIZE)

static size_t held_count(const struct peer_message *message)
{
	return message->held[PEER_MESSAGE_HELD - 1].version ? PEER_MESSAGE_HELD
							    : PEER_MESSAGE_HELD_MIN;
}

size_t peer_message_len(const struct peer_message *message)
{
	if (message->kind == PEER_MESSAGE_DOCUMENTS)
		return PEER_MESSAGE_SIZE + held_count(message) * HELD_SIZE;
	return message->kind == PEER_MESSAGE_PROBE && message->probed > PEER_MESSAGE_SIZE
		       ? message->probed
		       : PEER_MESSAGE_SIZE;
}

static void put_held(const struct peer_message *message, uint8_t *out)
{
	for (size_t i = 0; i < held_count(message); i++) {
		store_be64(out, message->held[i].version);
		memcpy(out + 8, message->held[i].hash, PEER_MESSAGE_HASH_SIZE);
		out += 8 + PEER_MESSAGE_HASH_SIZE;
	}
}

static void get_held(struct peer_message *message, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < PEER_MESSAGE_HELD && (i + 1) * HELD_SIZE <= len; i++) {
		message->held[i].version = load_be64(data);
		memcpy(message->held[i].hash, data + 8, PEER_MESSAGE_HASH_SIZE);
		data += 8 + PEER_MESSAGE_HASH_SIZE;
	}
}

void peer_message_encode(const struct peer_message *message, uint8_t *out)
{
	memset(out, 0, peer_message_len(message));
	out[0] = message->kind;
	out[1] = message->lanes;
	store_be16(out + 2, message->probed);
	store_be32(out + 4, message->token);
	if (message->kind == PEER_MESSAGE_ECHO_ANSWER || message->kind == PEER_MESSAGE_ROUTES)
		store_be32(out + 8, message->expected);
	if (message->kind == PEER_MESSAGE_ECHO_ANSWER)
		store_be32(out + 12, message->arrived);
	if (message->kind == PEER_MESSAGE_DOCUMENTS)
		put_held(message, out + PEER_MESSAGE_SIZE);
}

int peer_message_parse(struct peer_message *out, const uint8_t *data, size_t len)
{
	struct peer_message message;

	if (len < PEER_MESSAGE_SIZE || !peer_message_is(data, len))
		return -EBADMSG;
	if (data[0] < PEER_MESSAGE_PROBE || data[0] > PEER_MESSAGE_ROUTES)
		return -ENOTSUP;
	message = (struct peer_message){
		.kind = data[0],
		.lanes = data[1],
		.probed = load_be16(data + 2),
		.token = load_be32(data + 4),
	};
	if (message.kind == PEER_MESSAGE_DOCUMENTS)
		get_held(&message, data + PEER_MESSAGE_SIZE, len - PEER_MESSAGE_SIZE);
	if (!message.lanes || message.lanes > PEER_MESSAGE_LANES_MAX ||
	    message.probed < PEER_MESSAGE_SIZE || len != peer_message_len(&message))
		return -EBADMSG;
	if (message.kind == PEER_MESSAGE_ECHO_ANSWER || message.kind == PEER_MESSAGE_ROUTES)
		message.expected = load_be32(data + 8);
	if (message.kind == PEER_MESSAGE_ECHO_ANSWER)
		message.arrived = load_be32(data + 12);
	*out = message;
	return 0;
}
