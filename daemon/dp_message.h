#ifndef WARREN_DAEMON_DP_MESSAGE_H
#define WARREN_DAEMON_DP_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

struct dp_engine;
struct dp_event;
struct dp_path;
struct dp_peer;
struct peer_message;

/*
 * Messages between our own nodes inside their sessions (proto/peer_message.h). Engines take them
 * out of what they opened, the control thread answers and sends.
 */

/* Two probes of one size may go as one datagram that the kernel cuts. */
#define DP_MESSAGES_MAX 2

/* On any engine: an authentic plaintext that peer_message_is. At a bounded rate for each peer. */
void dp_message_take(struct dp_engine *engine, struct dp_peer *peer, const struct dp_path *from,
		     const uint8_t *data, size_t len);
/* Control thread: what an engine took. */
void dp_message_dispatch(struct dp_peer *peer, const struct dp_event *event);
/*
 * Control thread: seals messages of equal length and sends them as one datagram over the peer's
 * path, exactly as long as they are and never in fragments. 0, -ENOKEY, -EDESTADDRREQ, -EMSGSIZE
 * when the first link is too narrow, or -errno of send.
 */
int dp_message_send(struct dp_peer *peer, const struct peer_message *messages, size_t count);

#endif
