#ifndef WARREN_DAEMON_DP_PATH_MTU_H
#define WARREN_DAEMON_DP_PATH_MTU_H

#include <stdint.h>

struct dp_peer;

/*
 * Finds the MTU of every peer's path and keeps the peer's hop at it (proto/pathmtu.h). Control
 * thread only. Nothing happens without config.path_mtu.
 */

/* The peer's path is another one, or its session: probes begin when there are both. */
void dp_path_mtu_moved(struct dp_peer *peer);
void dp_path_mtu_session(struct dp_peer *peer);
/* Packets of the tunnel may be larger, or no more as large as before. */
void dp_path_mtu_limit_changed(struct dp_peer *peer);
/* A worker sent a large packet; it tells once until asked to again. */
void dp_path_mtu_busy(struct dp_peer *peer);
void dp_path_mtu_answer(struct dp_peer *peer, uint32_t token, uint16_t size);
/* With the peer. */
void dp_path_mtu_end(struct dp_peer *peer);

#endif
