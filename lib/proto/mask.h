#ifndef WARREN_PROTO_MASK_H
#define WARREN_PROTO_MASK_H

#include <stddef.h>
#include <stdint.h>

/*
 * STUN for networks that drop it by its magic cookie: a key of four random bytes, the first at
 * least 0x80, which no other message of the shared port begins with, then the message xored with
 * the key again and again, as WebSocket masks its frames (RFC 6455 section 5.3). It hides the
 * pattern and nothing else: STUN has no secrets, and what counts in it is authenticated.
 */
#define MASK_OVERHEAD 4

struct rng;

/* out: len + MASK_OVERHEAD bytes, apart from data. */
void mask_apply(uint8_t *out, const uint8_t *data, size_t len, const struct rng *rng);
/* In place: the message begins at data + MASK_OVERHEAD then. */
void mask_remove(uint8_t *data, size_t len);

#endif
