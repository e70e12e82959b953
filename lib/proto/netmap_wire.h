#ifndef WARREN_PROTO_NETMAP_WIRE_H
#define WARREN_PROTO_NETMAP_WIRE_H

#include <stdint.h>

#include "base/buf.h"
#include "proto/netmap.h"

/*
 * The pieces of which the encodings of maps and deltas are made; for netmap_*.c only. Getters
 * return 0, -EBADMSG or -ENOMEM and accept only what the putters would write.
 */

#define NETMAP_WIRE_VERSION 1
/*
 * The same with each relay's kind; written only when there is a TURN server among them, so that a
 * node that knows no kinds refuses what it would take for a relay of ours.
 */
#define NETMAP_WIRE_VERSION_KINDS 2
/*
 * That, the names document, and of peers what concerns the networks behind nodes; written only
 * where there is some of that.
 */
#define NETMAP_WIRE_VERSION_ROUTES 3
#define NETMAP_DOMAIN              "warren netmap 2" /* over the hash of the encoding */

/* The version that this map is written in. */
uint8_t netmap_wire_version(const struct netmap *map);

void netmap_put_text(struct writer *w, const char *text);
int netmap_get_text(char *out, size_t size, struct reader *r);

void netmap_put_relays(struct writer *w, const struct netmap *map);
int netmap_get_relays(struct netmap *map, uint8_t version, struct reader *r);

bool netmap_wire_known(uint8_t version);

/* The lists alone; *relays is malloc'd. */
void netmap_put_relay_list(struct writer *w, uint8_t version, const struct netmap_relay *relays,
			   size_t count);
int netmap_get_relay_list(struct netmap_relay **relays, size_t *count, uint8_t version,
			  struct reader *r);

void netmap_put_revoked(struct writer *w, const struct netmap *map);
int netmap_get_revoked(struct netmap *map, struct reader *r);

/* Only from NETMAP_WIRE_VERSION_ROUTES on. */
void netmap_put_names(struct writer *w, uint8_t version, const struct netmap *map);
int netmap_get_names(struct netmap *map, uint8_t version, struct reader *r);

void netmap_put_peer(struct writer *w, uint8_t version, const struct netmap_peer *peer);
/* *peer has one reference. No signature is checked. */
int netmap_get_peer(struct netmap_peer **peer, uint8_t version, struct reader *r);
/* 0, -EPERM, -EXDEV: is the peer's certificate properly signed, and of this network? */
int netmap_peer_verify(const struct netmap_peer *peer, const struct netmap_trust *trust);
/* Notes why, if somebody asks; returns err. */
int netmap_refuse(const struct netmap_trust *trust, const char *peer, int err);

/* Upper bounds of the encoded sizes, in bytes. */
size_t netmap_peer_size(const struct netmap_peer *peer);
size_t netmap_head_size(const struct netmap *map);

/* The signed part of a map, malloc'd with room for the signature after it. 0, -EMSGSIZE, -ENOMEM.
 */
int netmap_encode_signed(const struct netmap *map, uint8_t **data, size_t *len);
/* 0, -EPERM: the signature or the recipient is wrong, -EMSGSIZE, -ENOMEM. */
int netmap_check(const struct netmap *map, const struct netmap_trust *trust);

#endif
