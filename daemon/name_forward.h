#ifndef WARREN_DAEMON_NAME_FORWARD_H
#define WARREN_DAEMON_NAME_FORWARD_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/rng.h"
#include "proto/forwarder.h"

struct loop;

/*
 * The sockets of forwarded questions: for each sending a new one, on a random port, connected to
 * the server that is asked; over TCP where a server's answer was too long for UDP.
 */
struct name_forward;

/* 0 or -ENOMEM. */
int name_forward_new(struct name_forward **forward, struct loop *loop, const struct rng *rng);
/* Ends all questions without telling anybody. Accepts NULL. */
void name_forward_free(struct name_forward *forward);

/* reply NULL: nobody answered. The reply is good until it returns. */
typedef void name_forward_done(void *arg, const uint8_t *reply, size_t len);

/*
 * Sends a query on. fwmark (0: none) is of its sockets. The question's number, with `done` called
 * once, later; or what forwarder_ask refuses with.
 */
int name_forward_ask(struct name_forward *forward, const uint8_t *query, size_t len,
		     const struct forwarder_servers *servers, uint32_t fwmark,
		     name_forward_done *done, void *arg);
/* `done` of this question is not called any more. */
void name_forward_cancel(struct name_forward *forward, size_t question);

#endif
