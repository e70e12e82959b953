#ifndef WARREN_DAEMON_ROTATION_H
#define WARREN_DAEMON_ROTATION_H

struct mesh;

/*
 * A new WireGuard key for the same identity. The new key is on disk before anybody hears of it; it
 * counts from when a certificate names it, which the coordinator tells this node and its peers at
 * the same time. Either side then begins a handshake at once: whichever of the two initiations
 * comes second finds the other end ready, so nobody waits for a retry. Until that certificate is
 * there (in strict mode admins have to sign it) all goes on with the old key.
 */

/* 0; -EINPROGRESS: one is under way already, and was asked for again; or -errno of the file. */
int rotation_begin(struct mesh *mesh);
/* The coordinator let us in: asks again for what is still to come. */
void rotation_connected(struct mesh *mesh);
/* This node's certificate is another one. */
void rotation_certified(struct mesh *mesh);

#endif
