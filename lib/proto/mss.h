#ifndef WARREN_PROTO_MSS_H
#define WARREN_PROTO_MSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * TCP segments that fit a path from the start: the maximum segment size that a SYN announces is
 * lowered to what a path carries (RFC 9293, 3.7.1), in either direction.
 */

/* May packet, an IP packet of len bytes, be a TCP SYN? Cheap; mss_clamp looks closely. */
static inline bool mss_concerns(const uint8_t *packet, size_t len)
{
	if (len < 40)
		return false;
	if (packet[0] >> 4 == 4)
		return packet[9] == 6 && len > (size_t)(packet[0] & 15) * 4 + 13 &&
		       packet[(packet[0] & 15) * 4 + 13] & 2;
	return packet[6] == 6 && len >= 60 && packet[53] & 2;
}

/*
 * Lowers what a SYN announces so that its segments fit mtu bytes with their headers; the checksum,
 * which is complete, is kept right or wrong as it was (RFC 1624). One that announces nothing means
 * 536 or 1220 bytes and stays. True when something was changed.
 */
bool mss_clamp(uint8_t *packet, size_t len, size_t mtu);

#endif
