#ifndef WARREN_PROTO_NOISE_IK_H
#define WARREN_PROTO_NOISE_IK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/noise.h"

struct rng;

/*
 * Noise_IK_25519_ChaChaPoly_BLAKE2s, the control channel: the initiator knows the responder's
 * static key; two handshake messages, each with a payload, then transport messages both ways.
 * No socket and no clock; messages go in and out of the caller's buffers.
 *
 * Initiator: init_initiator, write_first, read_second. Responder: init_responder, read_first,
 * write_second. Afterwards seal and open, in order. After an error the object only can be cleared.
 */
struct noise_ik {
	struct noise_state noise;
	uint8_t static_priv[DH_KEY_SIZE];
	uint8_t static_pub[DH_KEY_SIZE];
	uint8_t ephemeral_priv[DH_KEY_SIZE];
	uint8_t remote_static[DH_KEY_SIZE]; /* responder: known after read_first */
	uint8_t remote_ephemeral[DH_KEY_SIZE];
	uint8_t handshake_hash[HASH_SIZE]; /* for channel binding, once established */
	struct noise_cipher send;
	struct noise_cipher recv;
	uint8_t stage; /* private */
	bool initiator;
};

#define NOISE_IK_FIRST_OVERHEAD   96 /* ephemeral 32, sealed static 48, tag of the payload 16 */
#define NOISE_IK_SECOND_OVERHEAD  48 /* ephemeral 32, tag of the payload 16 */
#define NOISE_IK_MESSAGE_OVERHEAD CHAPOLY_TAG_SIZE

/* Keys are copied. Both sides must give the same prologue. */
void noise_ik_init_initiator(struct noise_ik *ik, const uint8_t static_priv[static DH_KEY_SIZE],
			     const uint8_t remote_static[static DH_KEY_SIZE], const void *prologue,
			     size_t prologue_len);
void noise_ik_init_responder(struct noise_ik *ik, const uint8_t static_priv[static DH_KEY_SIZE],
			     const void *prologue, size_t prologue_len);
/* Wipes. */
void noise_ik_clear(struct noise_ik *ik);

/*
 * out gets payload + overhead bytes and *out_len says how many. 0, -ENOBUFS when out_max or
 * NOISE_MESSAGE_MAX is too small, -EINVAL for a bad key, -EPROTO out of turn.
 */
int noise_ik_write_first(struct noise_ik *ik, const struct rng *rng, uint8_t *out, size_t out_max,
			 size_t *out_len, const void *payload, size_t payload_len);
int noise_ik_write_second(struct noise_ik *ik, const struct rng *rng, uint8_t *out, size_t out_max,
			  size_t *out_len, const void *payload, size_t payload_len);
/*
 * payload gets len - overhead bytes. 0, -EBADMSG when not authentic or too short, -ENOBUFS, -EINVAL
 * for a key of low order, -EPROTO out of turn.
 */
int noise_ik_read_first(struct noise_ik *ik, const uint8_t *in, size_t len, void *payload,
			size_t payload_max, size_t *payload_len);
int noise_ik_read_second(struct noise_ik *ik, const uint8_t *in, size_t len, void *payload,
			 size_t payload_max, size_t *payload_len);

bool noise_ik_established(const struct noise_ik *ik);

/* Transport: out gets len + NOISE_IK_MESSAGE_OVERHEAD. 0, -ENOBUFS, -EPROTO, -EOVERFLOW. */
int noise_ik_seal(struct noise_ik *ik, uint8_t *out, size_t out_max, size_t *out_len,
		  const void *msg, size_t len);
/* As read: 0, -EBADMSG, -ENOBUFS, -EPROTO, -EOVERFLOW. */
int noise_ik_open(struct noise_ik *ik, void *msg, size_t msg_max, size_t *msg_len,
		  const uint8_t *in, size_t len);

#endif
