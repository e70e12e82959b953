#ifndef WARREN_PROTO_CHECKSUM_H
#define WARREN_PROTO_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/*
 * The Internet checksum (RFC 1071). A sum is a running one's-complement sum of 16-bit words as they
 * lie in memory; results are therefore stored and loaded by memcpy, whatever the byte order.
 */

/* Adds len bytes. Every piece but the last of a sum has an even length. */
uint64_t checksum_add(uint64_t sum, const void *data, size_t len);
/* The same while copying them; the two do not overlap. */
uint64_t checksum_copy(uint64_t sum, void *restrict to, const void *restrict from, size_t len);
/* Adds one 16-bit number given in host order. */
uint64_t checksum_add_u16(uint64_t sum, uint16_t host_order);
/* Folds to 16 bits, not complemented. */
uint16_t checksum_fold(uint64_t sum);

/* The pseudo-header (RFC 9293, 3.1; RFC 8200, 8.1) of an IPv4 or IPv6 packet, not folded. */
uint64_t checksum_pseudo(const uint8_t *packet, uint8_t proto, size_t l4_len);

#endif
