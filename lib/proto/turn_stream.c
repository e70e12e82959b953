#include "proto/turn_stream.h"

#include <errno.h>
#include <string.h>

#define HEADER_SIZE 4 /* enough to tell the length of either kind */

void turn_stream_init(struct turn_stream *stream)
{
	stream->len = 0;
}

size_t turn_stream_padding(size_t len)
{
	return -len & 3;
}

/* The length of the message that begins so, with padding; 0 when nothing begins so. */
static size_t message_size(const uint8_t header[static HEADER_SIZE])
{
	size_t len = load_be16(header + 2);

	if ((header[0] & 0xf0) == 0x40)
		return RELAY_CHANNEL_HEADER + len + turn_stream_padding(len);
	if ((header[0] & 0xc0) == 0 && len % 4 == 0)
		return STUN_HEADER_SIZE + len;
	return 0;
}

static void take(struct turn_stream *stream, size_t up_to, const uint8_t **data, size_t *len)
{
	size_t step = up_to - stream->len;

	if (step > *len)
		step = *len;
	memcpy(stream->bytes + stream->len, *data, step);
	stream->len += step;
	*data += step;
	*len -= step;
}

int turn_stream_next(struct turn_stream *stream, const uint8_t **data, size_t *len,
		     const uint8_t **message, size_t *message_len)
{
	size_t size;

	if (stream->len < HEADER_SIZE)
		take(stream, HEADER_SIZE, data, len);
	if (stream->len < HEADER_SIZE)
		return 0;
	size = message_size(stream->bytes);
	if (!size || size > sizeof(stream->bytes))
		return -EBADMSG;
	take(stream, size, data, len);
	if (stream->len < size)
		return 0;
	*message = stream->bytes;
	*message_len = size;
	stream->len = 0;
	return 1;
}
