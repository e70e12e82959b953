#ifndef WARREN_PROTO_CONTROL_CHANNEL_H
#define WARREN_PROTO_CONTROL_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The control channel without its socket: Noise_IK_25519_ChaChaPoly_BLAKE2s, one Noise message a
 * frame (a binary WebSocket message). The node speaks first. After the two handshake messages every
 * frame's plaintext is one byte (0: more follows, 1: the end) and a piece of a JSON text, so texts
 * may be longer than a Noise message. Any error ends the channel for good.
 */

#define CONTROL_CHANNEL_FRAME_MAX 65535              /* bytes: a Noise message, Noise section 3 */
#define CONTROL_CHANNEL_QUEUE_MAX (32u << 20)        /* bytes of frames waiting in poll_frame */
#define CONTROL_CHANNEL_PROTOCOL  "warren.control.1" /* subprotocol, and Noise prologue */
#define CONTROL_CHANNEL_PATH      "/control"

struct control_channel;
struct rng;

/*
 * The node's end; its first frame is ready at once.  message_max bounds the JSON texts that come in
 * (CONTROL_COORD_MAX). 0, -EINVAL: bad key, -ENOMEM.
 */
int control_channel_new_node(struct control_channel **channel, const uint8_t box_secret[static 32],
			     const uint8_t coordinator_key[static 32], const struct rng *rng,
			     size_t message_max);
/* The coordinator's end (CONTROL_NODE_MAX). 0 or -ENOMEM. */
int control_channel_new_coordinator(struct control_channel **channel,
				    const uint8_t static_secret[static 32], const struct rng *rng,
				    size_t message_max);
/* Wipes and frees. Accepts NULL. */
void control_channel_free(struct control_channel *channel);

/*
 * One received frame. 0; -EBADMSG: not authentic or malformed, -EMSGSIZE: a text above message_max;
 * -ENOMEM; afterwards every call fails the same way.
 */
int control_channel_input(struct control_channel *channel, const uint8_t *frame, size_t len);
/*
 * The text that the last input completed: true once, and *json (with NUL after *len bytes) is valid
 * until the next input. One frame completes at most one text: poll after every input.
 */
bool control_channel_poll_message(struct control_channel *channel, char **json, size_t *len);

/* Queues a JSON text as frames. 0, -ENOTCONN before the handshake is done, -ENOBUFS, -ENOMEM. */
int control_channel_send(struct control_channel *channel, const char *json, size_t len);
/* The next frame to send; valid until the next call with this channel. False when there is none. */
bool control_channel_poll_frame(struct control_channel *channel, const uint8_t **frame,
				size_t *len);

/* The handshake is done and the other end's key is known. */
bool control_channel_ready(const struct control_channel *channel);
/* Both only when ready: the other end's X25519 static key, and what control_proof_* sign. */
const uint8_t *control_channel_remote_key(const struct control_channel *channel);
const uint8_t *control_channel_handshake_hash(const struct control_channel *channel);

#endif
