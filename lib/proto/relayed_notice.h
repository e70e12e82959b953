#ifndef WARREN_PROTO_RELAYED_NOTICE_H
#define WARREN_PROTO_RELAYED_NOTICE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "proto/netmap.h"

/*
 * What two nodes tell each other, in a sealed signal, about a TURN server that both may use: such a
 * server does not find peers by node key, so each says where its own allocation is. Fields that are
 * not known are ignored.
 */
struct relayed_notice {
	char relay[NETMAP_RELAY_NAME_MAX + 1]; /* its name in the map */
	struct endpoint address;               /* of the sender's allocation; family 0: none yet */
	bool ask;                              /* tell me yours */
};

#define RELAYED_NOTICE_TEXT_MAX 256

/* JSON of *len bytes and a NUL. 0 or -ENOSPC. */
int relayed_notice_encode(const struct relayed_notice *notice, char *out, size_t size, size_t *len);
/* From outside. 0 or -EBADMSG; whether the address may be sent to is for the caller to see. */
int relayed_notice_decode(struct relayed_notice *notice, const char *text, size_t len);

#endif
