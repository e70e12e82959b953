#include "proto/inner.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "proto/checksum.h"

#define V4_HEADER 20
#define V6_HEADER 40
#define ICMP      1
#define ICMPV6    58

static int parse_v4(struct inner *inner, const uint8_t *p, size_t len)
{
	size_t header;
	size_t total;
	uint16_t fragment;

	if (len < V4_HEADER)
		return -EBADMSG;
	header = (size_t)(p[0] & 15) * 4;
	total = load_be16(p + 2);
	fragment = load_be16(p + 6) & 0x3FFF; /* more fragments, or an offset */
	if (header < V4_HEADER || total < header || total > len)
		return -EBADMSG;
	*inner = (struct inner){
		.version = 4,
		.proto = p[9],
		.tos = p[1],
		.plain = header == V4_HEADER && !fragment,
		.l4 = (uint16_t)header,
		.len = total,
	};
	return 0;
}

static int parse_v6(struct inner *inner, const uint8_t *p, size_t len)
{
	size_t total;

	if (len < V6_HEADER)
		return -EBADMSG;
	total = V6_HEADER + (size_t)load_be16(p + 4);
	if (total > len)
		return -EBADMSG;
	*inner = (struct inner){
		.version = 6,
		.proto = p[6],
		.tos = (uint8_t)(load_be16(p) >> 4),
		.plain = p[6] == INNER_TCP || p[6] == INNER_UDP || p[6] == ICMPV6,
		.l4 = V6_HEADER,
		.len = total,
	};
	return 0;
}

int inner_parse(struct inner *inner, const uint8_t *packet, size_t len)
{
	if (!len)
		return -EBADMSG;
	switch (packet[0] >> 4) {
	case 4:
		return parse_v4(inner, packet, len);
	case 6:
		return parse_v6(inner, packet, len);
	default:
		return -EBADMSG;
	}
}

const uint8_t *inner_source(const uint8_t *packet)
{
	return packet + (packet[0] >> 4 == 4 ? 12 : 8);
}

const uint8_t *inner_destination(const uint8_t *packet)
{
	return packet + (packet[0] >> 4 == 4 ? 16 : 24);
}

static void set_v4_checksum(uint8_t *p, size_t header)
{
	uint16_t sum;

	memset(p + 10, 0, 2);
	sum = (uint16_t)~checksum_fold(checksum_add(0, p, header));
	memcpy(p + 10, &sum, 2);
}

static void set_ce(uint8_t *packet)
{
	if (packet[0] >> 4 == 6) {
		packet[1] |= ECN_CE << 4;
		return;
	}
	/* Incremental (RFC 1624), so that a header that was already wrong stays wrong. */
	uint64_t sum = checksum_add_u16(0, (uint16_t)~load_be16(packet + 10));

	sum = checksum_add_u16(sum, (uint16_t)~load_be16(packet));
	packet[1] |= ECN_CE;
	sum = checksum_add_u16(sum, load_be16(packet));

	uint16_t folded = (uint16_t)~checksum_fold(sum);

	memcpy(packet + 10, &folded, 2);
}

bool inner_combine_ecn(uint8_t *packet, uint8_t outer_tos)
{
	uint8_t tos = packet[0] >> 4 == 4 ? packet[1] : (uint8_t)(load_be16(packet) >> 4);

	if ((outer_tos & ECN_MASK) != ECN_CE)
		return true;
	if (!(tos & ECN_MASK))
		return false;
	if ((tos & ECN_MASK) != ECN_CE)
		set_ce(packet);
	return true;
}

/* Answers to errors, fragments and packets from or to many would multiply. */
static bool may_answer(const struct inner *inner, const uint8_t *p)
{
	const uint8_t *src = inner_source(p);
	const uint8_t *dst = inner_destination(p);
	uint8_t type = inner->len > inner->l4 ? p[inner->l4] : 0;

	if (inner->version == 4) {
		if (load_be16(p + 6) & 0x1FFF)
			return false;
		if (!load_be32(src) || src[0] >= 224 || dst[0] >= 224)
			return false;
		/* Only queries: echo, timestamp, information, address mask. */
		return inner->proto != ICMP || type == 8 || type == 0 || (type >= 13 && type <= 18);
	}
	if (src[0] == 0xFF || dst[0] == 0xFF)
		return false;
	return inner->proto != ICMPV6 || type >= 128;
}

/* What an error says: type, code and the 32 bits behind the checksum. */
struct error {
	uint8_t type;
	uint8_t code;
	uint32_t value;
};

static size_t error_v4(uint8_t *out, const struct error *error, const uint8_t *packet, size_t len)
{
	/* As much of the packet as fits 576 bytes (RFC 1812, 4.3.2.3). */
	size_t quoted = len < 576 - V4_HEADER - 8 ? len : 576 - V4_HEADER - 8;
	size_t total = V4_HEADER + 8 + quoted;
	uint16_t sum;

	memset(out, 0, V4_HEADER + 8);
	out[0] = 0x45;
	out[1] = 0xC0; /* internetwork control */
	store_be16(out + 2, (uint16_t)total);
	out[8] = 64;
	out[9] = ICMP;
	memcpy(out + 12, packet + 16, 4);
	memcpy(out + 16, packet + 12, 4);
	set_v4_checksum(out, V4_HEADER);
	out[20] = error->type;
	out[21] = error->code;
	store_be32(out + 24, error->value);
	memcpy(out + 28, packet, quoted);
	sum = (uint16_t)~checksum_fold(checksum_add(0, out + 20, total - 20));
	memcpy(out + 22, &sum, 2);
	return total;
}

static size_t error_v6(uint8_t *out, const struct error *error, const uint8_t *packet, size_t len)
{
	size_t quoted = len < 1280 - V6_HEADER - 8 ? len : 1280 - V6_HEADER - 8;
	size_t l4_len = 8 + quoted;
	uint64_t sum;
	uint16_t folded;

	memset(out, 0, V6_HEADER + 8);
	out[0] = 0x60;
	store_be16(out + 4, (uint16_t)l4_len);
	out[6] = ICMPV6;
	out[7] = 64;
	memcpy(out + 8, packet + 24, 16);
	memcpy(out + 24, packet + 8, 16);
	out[40] = error->type;
	out[41] = error->code;
	store_be32(out + 44, error->value);
	memcpy(out + 48, packet, quoted);
	sum = checksum_add(checksum_pseudo(out, ICMPV6, l4_len), out + 40, l4_len);
	folded = (uint16_t)~checksum_fold(sum);
	memcpy(out + 42, &folded, 2);
	return V6_HEADER + l4_len;
}

static size_t write_error(uint8_t *out, const struct error *v4, const struct error *v6,
			  const uint8_t *packet, size_t len)
{
	struct inner inner;

	if (inner_parse(&inner, packet, len) < 0 || !may_answer(&inner, packet))
		return 0;
	if (inner.version == 4)
		return error_v4(out, v4, packet, inner.len);
	return error_v6(out, v6, packet, inner.len);
}

size_t inner_unreachable(uint8_t *out, const uint8_t *packet, size_t len)
{
	const struct error v4 = { .type = 3, .code = 1 }; /* host */
	const struct error v6 = { .type = 1, .code = 3 }; /* address */

	return write_error(out, &v4, &v6, packet, len);
}

size_t inner_too_big(uint8_t *out, const uint8_t *packet, size_t len, unsigned int mtu)
{
	const struct error v4 = { .type = 3, .code = 4, .value = mtu & 0xFFFF };
	const struct error v6 = { .type = 2, .value = mtu };

	return write_error(out, &v4, &v6, packet, len);
}
