#include "tests/support/packet.h"

#include <string.h>

#include "base/buf.h"

struct packet_spec packet_spec_default(void)
{
	return (struct packet_spec){
		.ttl = 64,
		.df = true,
		.host = 1,
		.port = 1000,
		.seq = 1,
		.ack = 7,
		.window = 500,
		.flags = 0x10,
		.options = 12,
		.payload = 100,
	};
}

uint16_t packet_sum(const uint8_t *data, size_t len, uint32_t start)
{
	uint32_t sum = start;

	for (size_t i = 0; i < len; i++) {
		sum += (uint32_t)data[i] << (i % 2 ? 0 : 8);
		if (sum > 0xFFFF)
			sum -= 0xFFFF;
	}
	return (uint16_t)sum;
}

static size_t ip_header(const uint8_t *p)
{
	return p[0] >> 4 == 4 ? (size_t)(p[0] & 15) * 4 : 40;
}

static uint32_t pseudo(const uint8_t *p, size_t l4_len)
{
	bool v4 = p[0] >> 4 == 4;
	uint8_t proto = v4 ? p[9] : p[6];

	return packet_sum(v4 ? p + 12 : p + 8, v4 ? 8 : 32, (uint32_t)l4_len + proto);
}

void packet_seal(uint8_t *p, size_t len)
{
	size_t l4 = ip_header(p);
	bool v4 = p[0] >> 4 == 4;
	bool udp = (v4 ? p[9] : p[6]) == 17;
	uint8_t *csum = p + l4 + (udp ? 6 : 16);
	uint16_t value;

	if (v4) {
		store_be16(p + 2, (uint16_t)len);
		store_be16(p + 10, 0);
		store_be16(p + 10, (uint16_t)~packet_sum(p, l4, 0));
	} else {
		store_be16(p + 4, (uint16_t)(len - 40));
	}
	if (udp)
		store_be16(p + l4 + 4, (uint16_t)(len - l4));
	store_be16(csum, 0);
	value = (uint16_t)~packet_sum(p + l4, len - l4, pseudo(p, len - l4));
	store_be16(csum, udp && !value ? 0xFFFF : value);
}

size_t packet_build(uint8_t *p, const struct packet_spec *s)
{
	size_t l4 = s->v6 ? 40 : 20;
	size_t header = s->udp ? 8 : 20 + s->options;
	size_t len = l4 + header + s->payload;
	uint8_t proto = s->udp ? 17 : 6;

	memset(p, 0, l4 + header);
	if (s->v6) {
		p[0] = (uint8_t)(0x60 | s->tos >> 4);
		p[1] = (uint8_t)(s->tos << 4);
		p[6] = proto;
		p[7] = s->ttl;
		p[8] = 0xFD;
		p[23] = s->host;
		p[24] = 0xFD;
		p[39] = 99;
	} else {
		p[0] = 0x45;
		p[1] = s->tos;
		store_be16(p + 4, s->id);
		p[6] = s->df ? 0x40 : 0;
		p[8] = s->ttl;
		p[9] = proto;
		store_be32(p + 12, 0x0A000000 | s->host);
		store_be32(p + 16, 0x0A000063);
	}
	store_be16(p + l4, s->port);
	store_be16(p + l4 + 2, 443);
	if (!s->udp) {
		store_be32(p + l4 + 4, s->seq);
		store_be32(p + l4 + 8, s->ack);
		p[l4 + 12] = (uint8_t)(header / 4 << 4);
		p[l4 + 13] = s->flags;
		store_be16(p + l4 + 14, s->window);
		memset(p + l4 + 20, 1, s->options); /* no-operation */
	}
	for (size_t i = 0; i < s->payload; i++)
		p[l4 + header + i] = (uint8_t)(s->fill + i);
	packet_seal(p, len);
	return len;
}

bool packet_valid(const uint8_t *p, size_t len)
{
	size_t l4 = ip_header(p);

	if (p[0] >> 4 == 4) {
		if (load_be16(p + 2) != len || packet_sum(p, l4, 0) != 0xFFFF)
			return false;
	} else if (load_be16(p + 4) != len - 40) {
		return false;
	}
	return packet_sum(p + l4, len - l4, pseudo(p, len - l4)) == 0xFFFF;
}

uint32_t packet_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}
