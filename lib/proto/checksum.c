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

/*
 * Two 64-bit lanes, whatever the processor calls them. Sixteen-bit sums survive being made of
 * larger pieces, because 2^16 = 1 modulo 2^16 - 1; a lane takes 32 bits at a time and so has room
 * for the carries of 2^32 additions.
 */
typedef uint64_t lanes __attribute__((vector_size(16)));

struct wide_sum {
	lanes low[2];
	lanes high[2];
};

static inline lanes load_lanes(const uint8_t *p)
{
	lanes v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline lanes copy_lanes(uint8_t *to, const uint8_t *from)
{
	lanes v = load_lanes(from);

	memcpy(to, &v, sizeof(v));
	return v;
}

static inline void wide_add(struct wide_sum *wide, size_t i, lanes v)
{
	wide->low[i] += v & 0xFFFFFFFF;
	wide->high[i] += v >> 32;
}

static inline uint64_t wide_fold(uint64_t sum, const struct wide_sum *wide)
{
	lanes all = wide->low[0] + wide->low[1] + wide->high[0] + wide->high[1];

	return add_carry(add_carry(sum, all[0]), all[1]);
}

/* Less than 64 bytes. */
static inline uint64_t add_rest(uint64_t sum, const uint8_t *p, size_t len)
{
	uint64_t last = 0;

	for (; len >= 8; p += 8, len -= 8)
		sum = add_carry(sum, load_u64(p));
	memcpy(&last, p, len);
	return add_carry(sum, last);
}

uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	struct wide_sum wide = { 0 };

	if (len < 64)
		return add_rest(sum, p, len);
	for (; len >= 64; p += 64, len -= 64) {
		wide_add(&wide, 0, load_lanes(p));
		wide_add(&wide, 1, load_lanes(p + 16));
		wide_add(&wide, 0, load_lanes(p + 32));
		wide_add(&wide, 1, load_lanes(p + 48));
	}
	return add_rest(wide_fold(sum, &wide), p, len);
}

uint64_t checksum_copy(uint64_t sum, void *restrict to, const void *restrict from, size_t len)
{
	const uint8_t *in = from;
	uint8_t *out = to;
	struct wide_sum wide = { 0 };

	/* No inner loop: as long as -O2 leaves it one, the sums live in memory. */
	for (; len >= 64; in += 64, out += 64, len -= 64) {
		wide_add(&wide, 0, copy_lanes(out, in));
		wide_add(&wide, 1, copy_lanes(out + 16, in + 16));
		wide_add(&wide, 0, copy_lanes(out + 32, in + 32));
		wide_add(&wide, 1, copy_lanes(out + 48, in + 48));
	}
	memcpy(out, in, len);
	return add_rest(wide_fold(sum, &wide), in, len);
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
