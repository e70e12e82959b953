#include "proto/mss.h"

#include <string.h>

#include "base/buf.h"
#include "proto/checksum.h"
#include "proto/inner.h"

#define TCP_HEADER   20
#define TCP_CHECKSUM 16
#define OPTION_END   0
#define OPTION_NOP   1
#define OPTION_MSS   2
#define MSS_SIZE     4

/* The value of the option, or NULL. What is cut short or makes no sense ends the list. */
static uint8_t *find_option(uint8_t *tcp, size_t header)
{
	size_t at = TCP_HEADER;

	while (at + 1 < header && tcp[at] != OPTION_END) {
		size_t size = tcp[at] == OPTION_NOP ? 1 : tcp[at + 1];

		if (tcp[at] == OPTION_NOP) {
			at++;
			continue;
		}
		if (size < 2 || size > header - at)
			return NULL;
		if (tcp[at] == OPTION_MSS)
			return size == MSS_SIZE ? tcp + at + 2 : NULL;
		at += size;
	}
	return NULL;
}

/* The checksum's words begin at even offsets of the segment, so a value at an odd one is in two. */
static void replace(uint8_t *tcp, uint8_t *value, uint16_t mss)
{
	uint8_t *from = (value - tcp) % 2 ? value - 1 : value;
	size_t len = (value - tcp) % 2 ? 4 : 2;
	uint16_t folded;
	uint64_t sum;

	memcpy(&folded, tcp + TCP_CHECKSUM, sizeof(folded));
	sum = (uint16_t)~folded;
	for (size_t i = 0; i < len; i += 2)
		sum = checksum_add_u16(sum, (uint16_t)~load_be16(from + i));
	store_be16(value, mss);
	sum = checksum_add(sum, from, len);
	folded = (uint16_t)~checksum_fold(sum);
	memcpy(tcp + TCP_CHECKSUM, &folded, sizeof(folded));
}

bool mss_clamp(uint8_t *packet, size_t len, size_t mtu)
{
	struct inner inner;
	uint8_t *value, *tcp;
	size_t header;

	if (inner_parse(&inner, packet, len) < 0 || inner.proto != INNER_TCP ||
	    (inner.version == 4 && load_be16(packet + 6) & 0x1FFF) ||
	    inner.len < inner.l4 + (size_t)TCP_HEADER)
		return false;
	tcp = packet + inner.l4;
	header = (size_t)(tcp[12] >> 4) * 4;
	if (!(tcp[13] & 2) || header < TCP_HEADER || header > inner.len - inner.l4)
		return false;
	value = find_option(tcp, header);
	/* Options of IP and TCP come off the segment, not off what is announced (RFC 6691). */
	mtu -= TCP_HEADER + (inner.version == 4 ? 20U : 40U);
	if (!value || mtu > UINT16_MAX || load_be16(value) <= mtu)
		return false;
	replace(tcp, value, (uint16_t)mtu);
	return true;
}
