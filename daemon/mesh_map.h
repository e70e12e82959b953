#ifndef WARREN_DAEMON_MESH_MAP_H
#define WARREN_DAEMON_MESH_MAP_H

#include <stddef.h>
#include <stdint.h>

struct mesh;

/*
 * The network map in force: taken from the coordinator or the disk, checked, and turned into peers,
 * rules and relays.
 */

/* The map of the last run, if there is a good one. */
void mesh_map_load(struct mesh *mesh);
/*
 * A whole map, or a delta, as received. 0; -ESTALE: older than ours, or a delta that does not fit
 * (ask for the whole map); -EPERM, -EBADMSG: not to be believed; -ENOMEM.
 */
int mesh_map_receive(struct mesh *mesh, const uint8_t *data, size_t len);
int mesh_map_receive_delta(struct mesh *mesh, const uint8_t *data, size_t len);
/* Cuts every peer off and forgets the map. */
void mesh_map_clear(struct mesh *mesh);
/* Makes peers of the map that is held (after up). */
void mesh_map_apply(struct mesh *mesh);
/* The same from time to time: goes through the peers only when a certificate's time has come. */
void mesh_map_refresh(struct mesh *mesh);
/* The documents or our own certificate changed: makes the map in force anew. */
void mesh_map_govern(struct mesh *mesh);
/* Lets all peers go, keeps the map (for down). */
void mesh_map_suspend(struct mesh *mesh);

#endif
