#ifndef WARREN_PROTO_VNET_H
#define WARREN_PROTO_VNET_H

#include <stdint.h>

/*
 * The header before every packet of a TUN device that offloads (Virtual I/O Device 1.1, section
 * 5.1.6; without num_buffers). Integers are in the machine's byte order.
 */
struct vnet_hdr {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len; /* not to be trusted on input */
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset; /* from csum_start */
};

#define VNET_HDR_SIZE 10

#define VNET_NEEDS_CSUM 1
#define VNET_DATA_VALID 2 /* the checksum was verified */

#define VNET_GSO_NONE   0
#define VNET_GSO_TCPV4  1
#define VNET_GSO_TCPV6  4
#define VNET_GSO_UDP_L4 5
#define VNET_GSO_ECN    0x80 /* TCP: the first segment carries CWR */

/* An IP packet is at most this long, whatever is offloaded. */
#define PACKET_MAX 65535

#endif
