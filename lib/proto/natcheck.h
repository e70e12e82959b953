#ifndef WARREN_PROTO_NATCHECK_H
#define WARREN_PROTO_NATCHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "crypto/rng.h"
#include "proto/stun_client.h"

/*
 * What the NAT in front of one local address does, in RFC 4787 words, found by the tests of RFC
 * 5780 section 4. Filtering is asked before mapping, because the questions of the latter open the
 * filter. The result is advice for people and for status: no check is ever skipped for it.
 */
enum nat_behaviour {
	NAT_UNKNOWN, /* the server has no second address, or did not answer */
	NAT_ENDPOINT_INDEPENDENT,
	NAT_ADDRESS_DEPENDENT,
	NAT_ADDRESS_PORT_DEPENDENT,
};

/* "endpoint-independent", … */
const char *nat_behaviour_text(enum nat_behaviour behaviour);

struct natcheck_result {
	bool udp;        /* the server answered at all */
	bool translated; /* it saw another address than ours */
	struct endpoint local;
	struct endpoint mapped;
	enum nat_behaviour mapping;
	enum nat_behaviour filtering;
	uint64_t rtt_ns;
};

struct natcheck;

/*
 * Asks server from local, which must not be in use with that server or its other address for
 * anything else (ask from a socket of its own). NULL when out of memory. Begins at once.
 */
struct natcheck *natcheck_new(const struct rng *rng, const struct endpoint *local,
			      const struct endpoint *server, uint64_t now_ns);
/* Accepts NULL. */
void natcheck_free(struct natcheck *nc);
/* As stun_client_input. */
int natcheck_input(struct natcheck *nc, const uint8_t *data, size_t len,
		   const struct endpoint *remote, uint64_t now_ns);
uint64_t natcheck_next_timeout(const struct natcheck *nc);
void natcheck_expire(struct natcheck *nc, uint64_t now_ns);
bool natcheck_poll_output(struct natcheck *nc, struct stun_client_datagram *out);
/* True once, when all is known: within 12 s. */
bool natcheck_poll_result(struct natcheck *nc, struct natcheck_result *result);

#endif
