#ifndef WARREN_PROTO_TURN_STREAM_H
#define WARREN_PROTO_TURN_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "proto/relay_frame.h"

/*
 * Messages out of a stream of bytes from a TURN server (RFC 8656 section 12.5): STUN messages and
 * ChannelData tell their own lengths, and the latter are padded to four bytes. Embedded;
 * turn_stream_init before each stream.
 */
struct turn_stream {
	size_t len;
	uint8_t bytes[RELAY_MESSAGE_MAX];
};

void turn_stream_init(struct turn_stream *stream);
/*
 * Takes from *data, and moves it on, until a message is whole: 1 and the message, padding and all,
 * valid until the next call. 0 when there are no bytes left; -EBADMSG when this is no TURN server's
 * stream, or a message is larger than RELAY_MESSAGE_MAX: there is no way back into step.
 */
int turn_stream_next(struct turn_stream *stream, const uint8_t **data, size_t *len,
		     const uint8_t **message, size_t *message_len);
/* How many bytes (at most three, to be zero) follow a message of that length on a stream. */
size_t turn_stream_padding(size_t len);

#endif
