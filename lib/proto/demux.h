#ifndef WARREN_PROTO_DEMUX_H
#define WARREN_PROTO_DEMUX_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * What a datagram on the shared UDP port is, by its first bytes. A WireGuard type is followed by
 * three zero bytes, so that a Binding success (0x0101) is no initiation; STUN has its cookie at
 * offset 4 (RFC 8489 section 5); ChannelData begins with a channel number (RFC 8656 section 12).
 */
enum demux_kind {
	DEMUX_UNKNOWN,
	DEMUX_WIREGUARD,
	DEMUX_STUN,
	DEMUX_CHANNEL,
	DEMUX_MASKED, /* STUN, see mask.h */
};

#define DEMUX_CHANNEL_MIN        0x4000
#define DEMUX_CHANNEL_MAX        0x4fff
#define DEMUX_CHANNEL_HEADER     4 /* channel number, length */
#define DEMUX_STUN_HEADER        20
#define DEMUX_STUN_COOKIE        0x2112a442u
#define DEMUX_MASKED_MIN         24
#define DEMUX_WIREGUARD_SIZE_MIN 32 /* an empty transport message */

static inline enum demux_kind demux_datagram(const uint8_t *data, size_t len)
{
	if (len >= DEMUX_WIREGUARD_SIZE_MIN && data[0] >= 1 && data[0] <= 4 &&
	    !(data[1] | data[2] | data[3]))
		return DEMUX_WIREGUARD;
	if (len >= DEMUX_STUN_HEADER && (data[0] & 0xc0) == 0 &&
	    load_be32(data + 4) == DEMUX_STUN_COOKIE)
		return DEMUX_STUN;
	if (len >= DEMUX_CHANNEL_HEADER && (data[0] & 0xf0) == 0x40)
		return DEMUX_CHANNEL;
	if (len >= DEMUX_MASKED_MIN && data[0] & 0x80)
		return DEMUX_MASKED;
	return DEMUX_UNKNOWN;
}

#endif
