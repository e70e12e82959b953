#ifndef WARREN_PROTO_WG_MESSAGE_H
#define WARREN_PROTO_WG_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

/*
 * WireGuard's messages (whitepaper section 5.4). Every field is bytes, so a struct may lie at any
 * address inside a datagram; numbers are little-endian, read with load_le32 and load_le64. The
 * type is followed by three reserved zero bytes.
 */

enum wg_type {
	WG_INITIATION = 1,
	WG_RESPONSE = 2,
	WG_COOKIE_REPLY = 3,
	WG_DATA = 4,
};

/* Where every handshake message ends. */
struct wg_macs {
	uint8_t mac1[16];
	uint8_t mac2[16];
};

struct wg_initiation {
	uint8_t type[4];
	uint8_t sender[4];
	uint8_t ephemeral[32];
	uint8_t sealed_static[48];
	uint8_t sealed_timestamp[28];
	struct wg_macs macs;
};

struct wg_response {
	uint8_t type[4];
	uint8_t sender[4];
	uint8_t receiver[4];
	uint8_t ephemeral[32];
	uint8_t sealed_nothing[16];
	struct wg_macs macs;
};

struct wg_cookie_reply {
	uint8_t type[4];
	uint8_t receiver[4];
	uint8_t nonce[24];
	uint8_t sealed_cookie[32];
};

#define WG_INITIATION_SIZE   148
#define WG_RESPONSE_SIZE     92
#define WG_COOKIE_REPLY_SIZE 64
#define WG_HANDSHAKE_MAX     WG_INITIATION_SIZE

_Static_assert(sizeof(struct wg_initiation) == WG_INITIATION_SIZE, "initiation layout");
_Static_assert(sizeof(struct wg_response) == WG_RESPONSE_SIZE, "response layout");
_Static_assert(sizeof(struct wg_cookie_reply) == WG_COOKIE_REPLY_SIZE, "cookie reply layout");

/* The type of a handshake message whose length and reserved bytes are right for it, else 0. */
enum wg_type wg_handshake_type(const uint8_t *data, size_t len);

#endif
