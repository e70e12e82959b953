#ifndef WARREN_PROTO_FORWARDER_H
#define WARREN_PROTO_FORWARDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "crypto/rng.h"

/*
 * DNS questions that were sent on to servers, until one answers: which server is asked when, and
 * which messages answer. The owner has a fresh socket for every sending, on a port that nobody can
 * guess and connected to the server, so that only its messages come in. No recursion: what a server
 * says is the answer.
 */
struct forwarder;

#define FORWARDER_MAX         256 /* questions under way */
#define FORWARDER_SAME_MAX    8   /* of them the same one: servers that ask us back end here */
#define FORWARDER_SERVERS_MAX 8
#define FORWARDER_QUERY_MAX   1232
#define FORWARDER_TRIES       4
#define FORWARDER_TRY_MS      1100 /* then it is sent again, to the next server */
#define FORWARDER_TCP_MS      2500 /* the same for TCP */
#define FORWARDER_AVOID_S     30   /* who did not answer is asked last for so long */
#define FORWARDER_NONE        FORWARDER_MAX

struct forwarder_servers {
	struct endpoint list[FORWARDER_SERVERS_MAX];
	size_t count;
};

/* NULL when out of memory. */
struct forwarder *forwarder_new(const struct rng *rng);
/* Accepts NULL. */
void forwarder_free(struct forwarder *forwarder);

/*
 * Takes a query, whose id is replaced by a random one. The number of the question, below
 * FORWARDER_MAX; -EINVAL: no query, or too long; -ENETUNREACH: no server; -ELOOP: the same question
 * is under way too often; -ENOSPC.
 */
int forwarder_ask(struct forwarder *forwarder, const uint8_t *query, size_t len,
		  const struct forwarder_servers *servers, uint64_t now_ns);
/* Nobody wants the answer any more. */
void forwarder_cancel(struct forwarder *forwarder, size_t question);

/* What is to be sent now. The question's former socket is done with. */
struct forwarder_send {
	size_t question;
	struct endpoint to;
	bool tcp;
	const uint8_t *data; /* good until the next call */
	size_t len;
};
bool forwarder_poll_send(struct forwarder *forwarder, struct forwarder_send *send, uint64_t now_ns);

enum forwarder_verdict {
	FORWARDER_WAIT,   /* not the answer, whoever sent it: go on */
	FORWARDER_AGAIN,  /* forwarder_poll_send or forwarder_poll_failed has news */
	FORWARDER_ANSWER, /* the message is the answer, and the question is done with */
};
/* A whole message from the server that was sent to; it is not changed. */
enum forwarder_verdict forwarder_input(struct forwarder *forwarder, size_t question, uint8_t *data,
				       size_t len);
/* The socket says that there is no way, or TCP ended before the answer. */
void forwarder_lost(struct forwarder *forwarder, size_t question, uint64_t now_ns);

uint64_t forwarder_next_timeout(const struct forwarder *forwarder);
void forwarder_expire(struct forwarder *forwarder, uint64_t now_ns);
/* A question that nobody answered; it is done with. FORWARDER_NONE: none. */
size_t forwarder_poll_failed(struct forwarder *forwarder);

#endif
