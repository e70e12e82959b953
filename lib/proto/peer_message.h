#ifndef WARREN_PROTO_PEER_MESSAGE_H
#define WARREN_PROTO_PEER_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

/*
 * What two of our own nodes say to each other inside a WireGuard session: a transport packet whose
 * plaintext is no IP packet, since the high nibble of its first byte, the version, is 0. A stock
 * peer drops it silently.
 *
 *   0       1       2               4                               8
 *   | kind  | lanes | probed        | token                         | zeros up to the size …
 *
 *   8                               12                              16
 *   | expected                      | arrived                       |
 *
 * A probe is as long as what it probes; its answer says so and is as short as can be, and goes by
 * whatever path its sender uses. An echo asks about the way it takes itself: its answer goes back
 * by the same one, and says how many of the asker's packets ought to have come and how many did,
 * over all sessions since the answering node knows the asker, modulo 2^32.
 *
 * In a network in strict mode nodes tell each other which documents (proto/document.h) they hold:
 * from byte 16 on for each kind a version (u64, 0: none) and the first bytes of its hash. It is
 * answered by nothing.
 *
 * A router says which of its certificate's routes lead nowhere now, since its own way into that
 * network is gone: the token is one bit for each, in the certificate's order, and expected the low
 * half of the certificate's serial, by which its order is known. Answered by nothing.
 */
enum peer_message_kind {
	PEER_MESSAGE_PROBE = 1,
	PEER_MESSAGE_ANSWER = 2,
	PEER_MESSAGE_ECHO = 3,
	PEER_MESSAGE_ECHO_ANSWER = 4,
	PEER_MESSAGE_DOCUMENTS = 5,
	PEER_MESSAGE_ROUTES = 6,
};

#define PEER_MESSAGE_SIZE      16 /* of an answer, an echo, and of the smallest probe */
#define PEER_MESSAGE_LANES_MAX 64

#define PEER_MESSAGE_HELD_MIN  4 /* kinds of documents, in the order of their numbers */
#define PEER_MESSAGE_HELD      5 /* the last only where the sender holds one */
#define PEER_MESSAGE_HASH_SIZE 16
#define PEER_MESSAGE_DOCUMENTS_SIZE \
	(PEER_MESSAGE_SIZE + PEER_MESSAGE_HELD * (8 + PEER_MESSAGE_HASH_SIZE))

struct peer_message_held {
	uint64_t version;
	uint8_t hash[PEER_MESSAGE_HASH_SIZE];
};

struct peer_message {
	uint8_t kind;
	uint8_t lanes;     /* that the sender receives on, 1 to PEER_MESSAGE_LANES_MAX */
	uint16_t probed;   /* length of the probe, this one or the one answered */
	uint32_t token;    /* the prober's, repeated by the answer */
	uint32_t expected; /* ECHO_ANSWER and ROUTES only; 0 in others */
	uint32_t arrived;  /* ECHO_ANSWER only */
	struct peer_message_held held[PEER_MESSAGE_HELD]; /* DOCUMENTS only; 0 in others */
};

/* May plaintext be one? It is an IP packet otherwise, or a keepalive. */
static inline int peer_message_is(const uint8_t *data, size_t len)
{
	return len && !(data[0] & 0xF0);
}

/* Does it ask, or tell, about the way it takes? Then it says nothing of where data goes. */
static inline int peer_message_is_echo(const uint8_t *data, size_t len)
{
	return len && (data[0] == PEER_MESSAGE_ECHO || data[0] == PEER_MESSAGE_ECHO_ANSWER);
}

/* What encode will write: the probed length, or what the kind has. */
size_t peer_message_len(const struct peer_message *message);
/* out holds peer_message_len bytes. */
void peer_message_encode(const struct peer_message *message, uint8_t *out);
/*
 * 0; -EBADMSG, also when a probe is not as long as it says (padding of a transport packet may not
 * be told from the message, so there is none); -ENOTSUP for a kind of a newer program.
 */
int peer_message_parse(struct peer_message *message, const uint8_t *data, size_t len);

#endif
