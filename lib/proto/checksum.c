#include "proto/checksum.h"

#include <arpa/inet.h>
#include <string.h>

/* One's-complement addition: the carry comes back in at the bottom. */
static inline uint64_t add_carry(uint64_t a, uint64_t b)
{
	uint64_t sum = a + b;

	return sum + (sum < b);
}

static inline uint64_t load_u64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	unsigned __int128 wide = sum;

	/* Sixteen-bit sums survive being made 64 bits at a time: 2^16 = 1 modulo 2^16 - 1. */
	while (len >= 32) {
		wide += load_u64(p);
		wide += load_u64(p + 8);
		wide += load_u64(p + 16);
		wide += load_u64(p + 24);
		p += 32;
		len -= 32;
	}
	while (len >= 8) {
		wide += load_u64(p);
		p += 8;
		len -= 8;
	}
	sum = add_carry((uint64_t)wide, (uint64_t)(wide >> 64));
	if (len) {
		uint64_t last = 0;

		memcpy(&last, p, len);
		sum = add_carry(sum, last);
	}
	return sum;
}

uint64_t checksum_add_u16(uint64_t sum, uint16_t host_order)
{
	return add_carry(sum, htons(host_order));
}

uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xFFFFFFFF);
	sum = (sum >> 16) + (sum & 0xFFFF);
	sum = (sum >> 16) + (sum & 0xFFFF);
	sum = (sum >> 16) + (sum & 0xFFFF);
	return (uint16_t)sum;
}

uint64_t checksum_pseudo(const uint8_t *packet, uint8_t proto, size_t l4_len)
{
	uint64_t sum;

	if (packet[0] >> 4 == 4)
		sum = checksum_add(0, packet + 12, 8);
	else
		sum = checksum_add(0, packet + 8, 32);
	sum = checksum_add_u16(sum, (uint16_t)(l4_len >> 16));
	sum = checksum_add_u16(sum, (uint16_t)l4_len);
	return checksum_add_u16(sum, proto);
}
