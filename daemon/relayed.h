#ifndef WARREN_DAEMON_RELAYED_H
#define WARREN_DAEMON_RELAYED_H

#include <stddef.h>
#include <stdint.h>

struct mesh;
struct mesh_peer;

/*
 * TURN servers know nobody by node key, so two nodes that are to meet at one tell each other, in
 * sealed signals, where their allocations are: when there is a reason to, when asked, and when the
 * allocation is another one.
 */

/* The state with one peer; zeroed, embedded in the peer. A bit for each relay's number. */
struct relayed_peer {
	uint64_t asked; /* its address there is wanted, and not told yet */
	uint64_t owed;  /* it asked for ours, which is not known yet */
	uint64_t again_ns;
	unsigned int tries;
	uint64_t heard_ns; /* what its notices of late have used up; see relayed_receive */
};

/* Wants to know where the peer is there; mesh_peer_relay_up comes of it. Again: no-op. */
void relayed_ask(struct mesh *mesh, struct mesh_peer *peer, uint32_t relay);
/* A notice from the peer; what comes too often is dropped. */
void relayed_receive(struct mesh *mesh, struct mesh_peer *peer, const uint8_t *data, size_t len);
/* We have an allocation there, or another one: whom it concerns is told. */
void relayed_tell_all(struct mesh *mesh, uint32_t relay);

/* Asks again what was not answered. */
uint64_t relayed_next_timeout(struct mesh_peer *peer);
void relayed_expire(struct mesh *mesh, struct mesh_peer *peer);

#endif
