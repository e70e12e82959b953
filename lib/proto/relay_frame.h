#ifndef WARREN_PROTO_RELAY_FRAME_H
#define WARREN_PROTO_RELAY_FRAME_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "proto/stun.h"

/*
 * What relay and node say to each other: STUN messages (RFC 8489) with TURN's methods and
 * ChannelData (RFC 8656 section 12.4), where peers are named by node key instead of address.
 *
 *   Allocate      NODE-KEY (mine), LIFETIME: registers me at this relay
 *   Refresh       NODE-KEY (mine), LIFETIME: from wherever I am now; 0 ends it
 *   ChannelBind   NODE-KEY (the peer), CHANNEL-NUMBER; RELAY_ERR_PEER_ABSENT when it is not here
 *   Send          NODE-KEY (the peer), DATA
 *   Data          NODE-KEY (the sender), DATA; or NODE-KEY (a peer), ERROR-CODE: what was sent
 *                 there was dropped
 *   Binding       as in any STUN server
 *   Probe         NODE-KEY (mine), XOR-PEER-ADDRESS: asks a relay where I am registered to send one
 *                 Probe indication from its second port to that endpoint, which must have the
 *                 address that the request came from. The indication has the transaction of the
 *                 request, MESSAGE-INTEGRITY with the same key, and nothing else
 *
 * The answers to Allocate and Refresh have SECOND-PORT where the relay has one: another UDP port of
 * the same address, which answers Binding requests and which probes come from.
 *
 * The same bytes are one UDP datagram; or in a binary WebSocket message one behind the other, each
 * but the last padded to four bytes as on any stream (RFC 8656 section 12.5).
 */
#define RELAY_WS_PROTOCOL "warren.relay.1"
#define RELAY_WS_PATH     "/relay"

#define RELAY_CHANNEL_MIN    0x4000 /* RFC 8656 section 12 */
#define RELAY_CHANNEL_MAX    0x4fff
#define RELAY_CHANNEL_HEADER 4
#define RELAY_LIFETIME_S     600   /* RFC 8656 section 3.2; of registration and channel alike */
#define RELAY_MESSAGE_MAX    9216  /* a jumbo frame; larger ones are dropped */
#define RELAY_JOINED_MAX     16320 /* a WebSocket message: with its header one TLS record */
#define RELAY_LATE_NS        20000000ULL /* a packet that waits this long on a stream is too old */
#define RELAY_DATA_OVERHEAD  72 /* of a Send or Data indication around its payload, at most */

/* Smaller than any request for it, so that nobody is flooded by way of a relay. */
#define RELAY_PROBE_SIZE 44

/* ERROR-CODE values that RFC 8656 has no word for. */
#define RELAY_ERR_PEER_ABSENT 404

static inline int relay_channel_parse(const uint8_t *data, size_t len, uint16_t *channel,
				      const uint8_t **payload, size_t *payload_len)
{
	uint16_t inner;

	if (len < RELAY_CHANNEL_HEADER || (data[0] & 0xf0) != 0x40)
		return -EBADMSG;
	inner = load_be16(data + 2);
	/* A stream pads to four bytes (RFC 8656 section 12.5); a datagram may. */
	if (inner > len - RELAY_CHANNEL_HEADER || len - RELAY_CHANNEL_HEADER - inner > 3)
		return -EBADMSG;
	*channel = load_be16(data);
	*payload = data + RELAY_CHANNEL_HEADER;
	*payload_len = inner;
	return 0;
}

/*
 * Is it data for a node, lost as on any wire? Requests and answers on a stream are not repeated.
 */
static inline bool relay_is_data(const uint8_t *data, size_t len)
{
	if (len < RELAY_CHANNEL_HEADER)
		return false;
	/* ChannelData, or an indication (RFC 8489 section 5). */
	return (data[0] & 0xf0) == 0x40 || (load_be16(data) & 0xc110) == 0x0010;
}

/*
 * Takes the first message off what a stream brought, with its padding; what makes no sense comes as
 * a whole, for the reader to refuse. Returns its length, 0 at the end.
 */
static inline size_t relay_stream_next(const uint8_t **data, size_t *len, const uint8_t **message)
{
	size_t first = *len;
	size_t step;

	if (*len >= RELAY_CHANNEL_HEADER && ((*data)[0] & 0xf0) == 0x40)
		first = RELAY_CHANNEL_HEADER + (size_t)load_be16(*data + 2);
	else if (*len >= STUN_HEADER_SIZE && ((*data)[0] & 0xc0) == 0)
		first = STUN_HEADER_SIZE + (size_t)load_be16(*data + 2);
	if (first > *len)
		first = *len;
	step = (first + 3) & ~(size_t)3;
	if (step > *len)
		step = *len;
	*message = *data;
	*data += step;
	*len -= step;
	return first;
}

#endif
