#ifndef WARREN_PROTO_RELAY_PROBE_H
#define WARREN_PROTO_RELAY_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "crypto/rng.h"
#include "proto/relay_frame.h"

/*
 * Is a port of ours open from outside? Asks a relay to send a probe there (relay_frame.h) and waits
 * for it: a few rounds, since either may get lost. No clock, no socket. Several may be under way,
 * to one relay or more; each message is given to all until one takes it.
 */
struct relay_probe;

#define RELAY_PROBE_ROUNDS 4
#define RELAY_PROBE_BELIEVED                                                 \
	3 /* probes that the relay says it sent, before none arriving counts \
	   */

enum relay_probe_result {
	RELAY_PROBE_PENDING,
	RELAY_PROBE_ARRIVED,
	RELAY_PROBE_LOST,    /* sent, and not one arrived */
	RELAY_PROBE_REFUSED, /* the relay sees another address than the target's */
	RELAY_PROBE_UNKNOWN, /* the relay did not answer, or cannot */
};

struct relay_probe_config {
	uint8_t node_key[STUN_KEY_SIZE];
	const char *username; /* copied, both */
	const char *password;
	struct endpoint target;
};

/* NULL when out of memory, or the credentials are too long. rng is borrowed. */
struct relay_probe *relay_probe_new(const struct relay_probe_config *config, const struct rng *rng,
				    uint64_t now_ns);
/* Accepts NULL. */
void relay_probe_free(struct relay_probe *probe);

/* A STUN message from the relay, from either port. 0, -ENOENT when not for us, -EBADMSG. */
int relay_probe_input(struct relay_probe *probe, const uint8_t *data, size_t len, uint64_t now_ns);
uint64_t relay_probe_next_timeout(const struct relay_probe *probe);
void relay_probe_expire(struct relay_probe *probe, uint64_t now_ns);
/* The next message for the relay; 0 when there is none. cap ≥ 1024. */
size_t relay_probe_poll_output(struct relay_probe *probe, uint8_t *buf, size_t cap,
			       uint64_t now_ns);
/* Within 5 s it is not pending any more. */
enum relay_probe_result relay_probe_result(const struct relay_probe *probe);

#endif
