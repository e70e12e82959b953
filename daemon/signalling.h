#ifndef WARREN_DAEMON_SIGNALLING_H
#define WARREN_DAEMON_SIGNALLING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/signal.h"

struct mesh;
struct mesh_peer;

/* Which way a sealed signal takes. */
enum signal_route {
	SIGNAL_BY_COORDINATOR, /* or by the peer's relay while the coordinator is away */
	SIGNAL_BY_BOTH,        /* whatever is open, since either may be slow or dead unnoticed */
	SIGNAL_BY_RELAY,       /* the relay of the path that is in use */
};

/* Seals and sends. 0, -ENOTCONN when no way is open, or -errno. */
int signalling_send(struct mesh *mesh, struct mesh_peer *peer, enum signal_kind kind,
		    const void *payload, size_t len, enum signal_route route);

/*
 * A sealed signal that the coordinator or a relay says is from node_key. False: it does not hold,
 * or was seen before, and was dropped in silence.
 */
bool signalling_receive(struct mesh *mesh, const uint8_t node_key[static 32], const uint8_t *data,
			size_t len);

/* The round trip to where a signal is passed on now; 0 while that is unknown. */
uint64_t signalling_rtt_ns(const struct mesh *mesh);

#endif
