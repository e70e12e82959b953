#ifndef WARREN_TESTS_SUPPORT_ENGINE_H
#define WARREN_TESTS_SUPPORT_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/dataplane.h"

struct aead;
struct loop;

/*
 * A data plane with one peer in a network namespace of its own, and the peer's far end in the
 * test's hands:
 *
 *   socket 10.5.0.1:7000 -- TUN wdp0 -- data plane -- 127.0.0.1 -- far socket, sealing by hand
 *
 * Every callback is counted and its last arguments are kept.
 */
struct engine {
	struct loop *loop;
	struct dataplane *dp;
	struct dp_peer *peer;
	struct dp_keypair *keypair;
	struct dp_path path; /* to the far end */
	struct aead *aead;
	uint32_t index; /* where the far end sends to */
	uint8_t lane;   /* on which it seals next; and on which the last was that it opened */
	int inner_fd;   /* UDP 10.5.0.1:7000, connected to 10.5.0.2:7000 */
	int far_fd;
	uint16_t far_port;

	unsigned int need_session;
	unsigned int handshakes;
	unsigned int others;
	unsigned int confirmed;
	unsigned int paths;
	unsigned int streams;
	unsigned int gso_offs;
	int gso_reason;
	unsigned int notices; /* all bits ever told */
	struct dp_path last_path;
	uint8_t last_data[2048];
	size_t last_len;
};

#define ENGINE_FAR_INDEX 0x12345678

/* For cmocka's setup and teardown; *state is the engine. */
int engine_setup(void **state);
int engine_setup_lanes(void **state);    /* a peer that may be spread */
int engine_setup_path_mtu(void **state); /* a peer whose path is probed */
int engine_teardown(void **state);

/* A keypair of this age; not yet sent with. */
void engine_add_keypair(struct engine *e, bool initiator, uint64_t age_s);
/* The above, initiated by us a moment ago, and set current. */
void engine_open_session(struct engine *e);

/* Runs the loop until *counter reaches at least value; false after two seconds. */
bool engine_wait(struct engine *e, const unsigned int *counter, unsigned int value);
/* Runs the loop for a short while, for things that must not happen. */
void engine_idle(struct engine *e);

/* An inner UDP packet from the peer; returns its length. */
size_t engine_inner(uint8_t *out, uint8_t tos, size_t payload);
/* Seals plain as the far end does; returns the message's length. */
size_t engine_seal(struct engine *e, uint8_t *out, const uint8_t *plain, size_t len,
		   uint64_t counter);
void engine_far_send(struct engine *e, const uint8_t *message, size_t len, uint8_t tos);
/* Seals and sends. */
void engine_far_packet(struct engine *e, const uint8_t *plain, size_t len, uint64_t counter);
/* One datagram at the far end as it came; 0 when none comes. */
size_t engine_far_receive(struct engine *e, uint8_t *out, size_t size, uint8_t *tos);
/*
 * Opens a transport message; *counter and the plaintext's length come back, or -1 when it is not
 * one for the far end.
 */
int engine_open(struct engine *e, uint8_t *out, const uint8_t *message, size_t len,
		uint64_t *counter);

/* A datagram from the inner socket; returns what send does. */
int engine_inner_send(struct engine *e, const void *data, size_t len);
/* Bytes received at the inner socket, 0 when none come soon; *tos may be NULL. */
size_t engine_inner_receive(struct engine *e, uint8_t *out, size_t size, uint8_t *tos);
/* The error that ICMP brought to the inner socket, 0 for none. */
int engine_inner_error(struct engine *e);
struct dp_activity engine_activity(const struct engine *e);

#endif
