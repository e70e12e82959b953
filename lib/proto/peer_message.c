#include "proto/peer_message.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"

size_t peer_message_len(const struct peer_message *message)
{
	return message->kind == PEER_MESSAGE_PROBE && message->probed > PEER_MESSAGE_SIZE
		       ? message->probed
		       : PEER_MESSAGE_SIZE;
}

void peer_message_encode(const struct peer_message *message, uint8_t *out)
{
	memset(out, 0, peer_message_len(message));
	out[0] = message->kind;
	out[1] = message->lanes;
	store_be16(out + 2, message->probed);
	store_be32(out + 4, message->token);
	if (message->kind == PEER_MESSAGE_ECHO_ANSWER) {
		store_be32(out + 8, message->expected);
		store_be32(out + 12, message->arrived);
	}
}

int peer_message_parse(struct peer_message *out, const uint8_t *data, size_t len)
{
	struct peer_message message;

	if (len < PEER_MESSAGE_SIZE || !peer_message_is(data, len))
		return -EBADMSG;
	if (data[0] < PEER_MESSAGE_PROBE || data[0] > PEER_MESSAGE_ECHO_ANSWER)
		return -ENOTSUP;
	message = (struct peer_message){
		.kind = data[0],
		.lanes = data[1],
		.probed = load_be16(data + 2),
		.token = load_be32(data + 4),
	};
	if (!message.lanes || message.lanes > PEER_MESSAGE_LANES_MAX ||
	    message.probed < PEER_MESSAGE_SIZE || len != peer_message_len(&message))
		return -EBADMSG;
	if (message.kind == PEER_MESSAGE_ECHO_ANSWER) {
		message.expected = load_be32(data + 8);
		message.arrived = load_be32(data + 12);
	}
	*out = message;
	return 0;
}
