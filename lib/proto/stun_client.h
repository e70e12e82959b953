#ifndef WARREN_PROTO_STUN_CLIENT_H
#define WARREN_PROTO_STUN_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "crypto/rng.h"
#include "proto/stun.h"

/*
 * Plain Binding transactions with servers (RFC 8489 section 6.2.1): what our address looks like
 * from outside, and the questions of NAT behaviour discovery. No clock, no socket: the owner drains
 * stun_client_poll_output and stun_client_poll_result after every call that takes now_ns.
 */
#define STUN_CLIENT_MAX          16
#define STUN_CLIENT_DATAGRAM_MAX 64

/* First at 0, then after rto, 2 rto, 4 rto …; given up last_factor × rto after the last one. */
struct stun_schedule {
	unsigned int rto_ms;
	unsigned int count;       /* Rc */
	unsigned int last_factor; /* Rm */
};

extern const struct stun_schedule stun_schedule_standard; /* 500 ms, 7, 16: 39.5 s in all */
extern const struct stun_schedule stun_schedule_brief;    /* 500 ms, 3, 4: 3.5 s in all */

struct stun_question {
	uint32_t tag; /* comes back with the result */
	struct endpoint local;
	struct endpoint server;
	uint32_t change; /* STUN_CHANGE_…: the answer may then come from elsewhere */
	const struct stun_schedule *schedule;
};

struct stun_result {
	uint32_t tag;
	int err; /* 0, -ETIMEDOUT, or -EPROTO for an error or malformed answer */
	struct endpoint local;
	struct endpoint server;
	struct endpoint mapped;
	struct endpoint other;  /* OTHER-ADDRESS; family 0 when the server has none */
	struct endpoint origin; /* where the answer came from */
	uint64_t rtt_ns;        /* 0 when it cannot be told, after a retransmission */
};

struct stun_client_datagram {
	struct endpoint local;
	struct endpoint remote;
	size_t len;
	uint8_t data[STUN_CLIENT_DATAGRAM_MAX];
};

struct stun_client;

/* NULL when out of memory. */
struct stun_client *stun_client_new(const struct rng *rng);
/* Accepts NULL. */
void stun_client_free(struct stun_client *client);

/* 0, or -ENOSPC with STUN_CLIENT_MAX under way (finished ones count until polled). */
int stun_client_ask(struct stun_client *client, const struct stun_question *question,
		    uint64_t now_ns);
/* Forgets all questions without results. */
void stun_client_cancel(struct stun_client *client);
bool stun_client_owns(const struct stun_client *client,
		      const uint8_t transaction[static STUN_TRANSACTION_SIZE]);
/* 0, -ENOENT when it answers nothing we asked there, -EBADMSG. */
int stun_client_input(struct stun_client *client, const uint8_t *data, size_t len,
		      const struct endpoint *remote, uint64_t now_ns);
uint64_t stun_client_next_timeout(const struct stun_client *client);
void stun_client_expire(struct stun_client *client, uint64_t now_ns);
bool stun_client_poll_output(struct stun_client *client, struct stun_client_datagram *out);
bool stun_client_poll_result(struct stun_client *client, struct stun_result *result);

#endif
