#ifndef WARREN_PROTO_SEGMENT_H
#define WARREN_PROTO_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

struct vnet_hdr;

/*
 * Cuts what a TUN device with offloads hands over (one header, up to 64 KB of payload, checksum
 * left open) into the packets that go on the wire. Pure: the plan borrows the packet.
 */
struct segment_plan {
	const uint8_t *packet;
	size_t len;
	size_t count;      /* packets; at least 1 */
	size_t size;       /* payload of all but the last */
	size_t header_len; /* copied before every payload */
	uint16_t l4;
	uint16_t csum_start; /* count 1 and NEEDS_CSUM */
	uint16_t csum_at;    /* where the checksum goes; 0: nothing to complete */
	uint8_t proto;       /* TCP or UDP; 0: copied as it is */
};

/* 0, or -EBADMSG when header and packet do not fit together. */
int segment_plan(struct segment_plan *plan, const struct vnet_hdr *hdr, const uint8_t *packet,
		 size_t len);
/*
 * Makes the packets of a plan of TCP no longer than max: a stream's segments may be cut anywhere.
 * 0, or -EMSGSIZE and an unchanged plan: no TCP, a fragment, its checksum wrong, SYN, RST or URG in
 * a packet of its own, or headers that leave no room.
 */
int segment_limit(struct segment_plan *plan, size_t max);
/* Bytes of packet index, below plan->count. */
size_t segment_len(const struct segment_plan *plan, size_t index);
/*
 * Writes packet index with its headers and checksums made right. The IPv4 id counts up, CWR stays
 * on the first and FIN and PSH on the last (RFC 3168, 6.1.2). out holds segment_len bytes.
 */
void segment_write(const struct segment_plan *plan, size_t index, uint8_t *out);

#endif
