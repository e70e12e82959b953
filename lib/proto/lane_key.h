#ifndef WARREN_PROTO_LANE_KEY_H
#define WARREN_PROTO_LANE_KEY_H

#include <stdint.h>

#define LANE_KEY_SIZE 32

/*
 * Keys of the lanes that one WireGuard session is spread over. Lane 0 is the session itself; the
 * key of lane 1 to 255 is HMAC-BLAKE2s(transport key of the same direction, label || lane). The
 * transport keys come out of the handshake independent of each other, so a session's two ends and
 * directions never share one. HMAC is a one-way function of its key: who learns a lane's key knows
 * nothing about the session's or another lane's, while the session's own leads to all of them, as
 * the handshake meant it.
 */

/* lane 0 gives the transport key. key may be transport. The caller wipes key. */
void lane_key_derive(uint8_t key[static LANE_KEY_SIZE],
		     const uint8_t transport[static LANE_KEY_SIZE], uint8_t lane);

#endif
