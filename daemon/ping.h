#ifndef WARREN_DAEMON_PING_H
#define WARREN_DAEMON_PING_H

#include <stdint.h>

struct local_request;
struct mesh;
struct mesh_peer;

/*
 * `warren ping`: sessions and paths are brought up as traffic would, then the path in force is
 * probed end to end. One object serves all requests that run.
 */
struct pings;

#define PINGS_MAX               64
#define PING_INTERVAL_MS        1000
#define PING_DIRECT_INTERVAL_MS 200  /* while waiting for a direct path */
#define PING_RETRY_MS           20   /* while there is no path or session yet */
#define PING_AGAIN_MS           1000 /* a probe that is not answered */

/* NULL when out of memory. */
struct pings *pings_new(struct mesh *mesh);
/* Ends what runs. Accepts NULL. */
void pings_free(struct pings *pings);

/* The handler of the verb; ends the request in time. */
void ping_start(struct pings *pings, struct local_request *request);

/* An answer to mesh_peer_probe. */
void ping_answered(struct pings *pings, struct mesh_peer *peer, uint64_t rtt_ns);
/* A session with the peer stands: who waited for it can probe at once. */
void ping_session_up(struct pings *pings, struct mesh_peer *peer);
/* The peer goes away. */
void ping_forget(struct pings *pings, struct mesh_peer *peer);

#endif
