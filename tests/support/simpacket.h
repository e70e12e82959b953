#ifndef WARREN_TESTS_SUPPORT_SIMPACKET_H
#define WARREN_TESTS_SUPPORT_SIMPACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/replay.h"

/*
 * A stand-in for WireGuard: packets of one size that are authentic, new, and of the session that
 * both are in, or count for nothing; and echoes among them, as between our daemons. Sessions are
 * numbered by the world, so that both have always agreed on the newest one.
 */
#define SIM_DATA_SIZE 32
#define SIM_DATA_TYPE 4 /* WireGuard's, in the first byte */

enum sim_packet_kind {
	SIM_PACKET_DATA,
	SIM_PACKET_ECHO,
	SIM_PACKET_ECHO_ANSWER,
};

struct sim_session {
	uint32_t number;
	uint32_t counter;  /* of packets sent … */
	uint32_t expected; /* … and those of the peer: greatest counter + 1 */
	uint32_t arrived;
	struct replay replay;
};

struct sim_packet {
	enum sim_packet_kind kind;
	uint32_t token; /* of an echo */
	uint32_t expected, arrived;
};

/* The session is this one from now on; nothing changes when it was. */
void sim_session_follow(struct sim_session *s, uint32_t number);
void sim_session_clear(struct sim_session *s);
/* from: the sender's index, 0 or 1. */
void sim_packet_build(struct sim_session *s, int from, enum sim_packet_kind kind, uint32_t token,
		      uint8_t out[static SIM_DATA_SIZE]);
/* False: not authentic, or seen before. */
bool sim_packet_open(struct sim_session *s, int from, const uint8_t *data, size_t len,
		     struct sim_packet *packet);

#endif
