#ifndef WARREN_DAEMON_MESH_NETWORK_H
#define WARREN_DAEMON_MESH_NETWORK_H

struct mesh;

/*
 * The machine's own network as the kernel tells of it: addresses, links, routes. What changes there
 * changes candidates, relays, the way to the coordinator, and the device's MTU.
 */

/* Listens. 0 or -errno. */
int mesh_network_open(struct mesh *mesh);
/* The first look, once the data plane stands. */
void mesh_network_begin(struct mesh *mesh);
/* Accepts a mesh that was never opened. */
void mesh_network_close(struct mesh *mesh);

#endif
