#ifndef WARREN_DAEMON_PEER_H
#define WARREN_DAEMON_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/dataplane.h"

/* One WireGuard peer of a device; made and removed through device.h. Control thread only. */
struct peer;
struct device;

const uint8_t *peer_public_key(const struct peer *peer); /* 32 bytes */
struct device *peer_device(const struct peer *peer);
/* For filter rules, allowed-ips and counters. */
struct dp_peer *peer_dp(const struct peer *peer);
/* A pointer of the owner's, NULL at first. */
void peer_set_owner(struct peer *peer, void *owner);
void *peer_owner(const struct peer *peer);

/* All zero: none. Counts from the next handshake on. */
void peer_set_psk(struct peer *peer, const uint8_t psk[static 32]);
void peer_psk(const struct peer *peer, uint8_t psk[static 32]);
/* Seconds between persistent keepalives; 0: off. Sends one at once. */
void peer_set_keepalive(struct peer *peer, uint16_t interval_s);
uint16_t peer_keepalive(const struct peer *peer);

/* Where everything for this peer goes from now on. NULL or DP_PATH_NONE: nowhere. */
void peer_set_path(struct peer *peer, const struct dp_path *path);
/* As it is now; valid until the next call. */
const struct dp_path *peer_path(struct peer *peer);

/* Wants a session: initiates now, or when 5 s have passed since the last initiation. */
void peer_start_handshake(struct peer *peer);
/*
 * After peer_set_path: when a handshake is under way, sends a fresh initiation over the new path at
 * once, without waiting for the 5 s. Nothing when none is under way.
 */
void peer_resend_handshake(struct peer *peer);
/* Sends an empty packet over the session, or begins a handshake without one. */
void peer_send_keepalive(struct peer *peer);

/* There is a session that may be sent with, younger than 180 s. */
bool peer_has_session(const struct peer *peer);
bool peer_handshake_under_way(const struct peer *peer);
/* Of the last completed handshake; 0 for never. */
uint64_t peer_last_handshake_ns(const struct peer *peer);      /* clock_now_ns */
uint64_t peer_last_handshake_wall_ns(const struct peer *peer); /* since 1970 */

#endif
