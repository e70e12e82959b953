#ifndef WARREN_PROTO_UAPI_H
#define WARREN_PROTO_UAPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/*
 * WireGuard's cross-platform configuration protocol, the requests: lines "key=value", ended by an
 * empty one. Bytes go in, one item at a time comes out; a line is the most that is kept.
 */

#define UAPI_LINE_MAX 256 /* without the newline */

enum uapi_kind {
	UAPI_NONE, /* the input ran out inside a line */
	UAPI_GET,
	UAPI_SET,
	UAPI_END, /* the empty line */
	/* Of the device. */
	UAPI_PRIVATE_KEY, /* key */
	UAPI_LISTEN_PORT, /* number */
	UAPI_FWMARK,      /* number, 0 for none */
	UAPI_REPLACE_PEERS,
	/* Of the peer that the last UAPI_PUBLIC_KEY named. */
	UAPI_PUBLIC_KEY, /* key */
	UAPI_REMOVE,
	UAPI_UPDATE_ONLY,
	UAPI_PRESHARED_KEY, /* key */
	UAPI_ENDPOINT,      /* endpoint */
	UAPI_KEEPALIVE,     /* number, seconds */
	UAPI_REPLACE_ALLOWED_IPS,
	UAPI_ALLOWED_IP,     /* prefix */
	UAPI_NOT_ALLOWED_IP, /* prefix: remove it */
	UAPI_PROTOCOL_VERSION,
};

struct uapi_item {
	enum uapi_kind kind;
	union {
		uint8_t key[32];
		uint32_t number;
		struct endpoint endpoint;
		struct prefix prefix;
	};
};

struct uapi_parser {
	char line[UAPI_LINE_MAX + 1];
	size_t len;
	enum uapi_kind request; /* UAPI_GET, UAPI_SET, or UAPI_NONE between requests */
	bool peer;              /* a public key was given */
};

void uapi_parser_init(struct uapi_parser *parser);
/* Wipes: lines hold keys. */
void uapi_parser_clear(struct uapi_parser *parser);

/*
 * Takes bytes from *data up to the end of one line and moves *data and *len on. 0 with *item;
 * -EINVAL for a malformed or misplaced line, -EPROTO for a key or request that does not exist,
 * -E2BIG for a line that is too long. After an error the parser is of no more use. Keys in *item
 * are the caller's to wipe.
 */
int uapi_parser_next(struct uapi_parser *parser, const char **data, size_t *len,
		     struct uapi_item *item);

#endif
