#ifndef WARREN_TESTS_SUPPORT_PACKET_H
#define WARREN_TESTS_SUPPORT_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* IP packets for tests, with checksums made byte by byte. */
struct packet_spec {
	bool v6;
	bool udp; /* else TCP */
	uint8_t tos;
	uint8_t ttl;
	bool df;
	uint16_t id;
	uint8_t host; /* last byte of the source */
	uint16_t port;
	uint32_t seq;
	uint32_t ack;
	uint16_t window;
	uint8_t flags;
	size_t options; /* bytes, a multiple of 4 */
	size_t payload;
	uint8_t fill; /* of the payload: fill, fill + 1, … */
};

/* A plain TCP data packet over IPv4. */
struct packet_spec packet_spec_default(void);
/* Writes the packet and returns its length. */
size_t packet_build(uint8_t *out, const struct packet_spec *spec);

/* The checksum of RFC 1071 in the plainest way. */
uint16_t packet_sum(const uint8_t *data, size_t len, uint32_t start);
/* Sets length, IPv4 header and layer 4 checksums of a packet of len bytes without extensions. */
void packet_seal(uint8_t *packet, size_t len);
/* Are the length fields and all checksums right? */
bool packet_valid(const uint8_t *packet, size_t len);

/* A small seeded generator, so that every run of a test is the same. */
uint32_t packet_random(uint32_t *state);

#endif
