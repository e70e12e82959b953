#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proto/coalesce.h"
#include "tests/support/packet.h"

/*
 * What is merged and then cut as the kernel does it, here once more in the plainest way, is what
 * came: every bit of every packet, and in the order of its flow. Batches are random mixes of all
 * that a router may see. WARREN_SEED chooses others; what fails prints its own.
 */
#define ROUNDS 3000
#define BATCH  96
#define FLOWS  8
#define STRIDE 700
#define ANY    0xFF /* of a transport that is not seen */

#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_CWR 0x80

static struct coalesce c;
static uint32_t seed_now;

static struct {
	size_t count;
	size_t len[BATCH];
	uint8_t before[BATCH][STRIDE];
	uint8_t data[BATCH][STRIDE];
	size_t place[BATCH]; /* in what came out; SIZE_MAX: not yet */
} in;

#define CHECK(condition, ...)                                           \
	do {                                                            \
		if (!(condition)) {                                     \
			print_error("seed %u: ", seed_now);             \
			fail_msg("%s: %s", #condition, "" __VA_ARGS__); \
		}                                                       \
	} while (0)

/* --- the kernel --- */

static void seal_ip(uint8_t *p, size_t len)
{
	if (p[0] >> 4 == 6) {
		store_be16(p + 4, (uint16_t)(len - 40));
		return;
	}
	store_be16(p + 2, (uint16_t)len);
	store_be16(p + 10, 0);
	store_be16(p + 10, (uint16_t)~packet_sum(p, 20, 0));
}

/* The open checksum holds the pseudo-header's sum, for the length of the whole. */
static uint16_t close_checksum(const uint8_t *l4, size_t at, size_t len, size_t whole)
{
	uint32_t start = load_be16(l4 + at) + (0xFFFF - (uint32_t)(whole & 0xFFFF)) + (uint32_t)len;
	uint8_t copy[STRIDE];

	memcpy(copy, l4, len);
	store_be16(copy + at, 0);
	while (start > 0xFFFF)
		start = (start & 0xFFFF) + (start >> 16);
	return (uint16_t)~packet_sum(copy, len, start);
}

/* Segment index of a written packet; returns its length, 0 behind the last. */
static size_t kernel_cut(uint8_t *out, const struct vnet_hdr *hdr, const uint8_t *p, size_t len,
			 size_t index)
{
	bool udp = hdr->gso_type == VNET_GSO_UDP_L4;
	size_t l4 = hdr->csum_start;
	size_t header = l4 + (udp ? 8 : (size_t)(p[l4 + 12] >> 4) * 4);
	size_t from = header + index * hdr->gso_size;
	size_t size = len - from < hdr->gso_size ? len - from : hdr->gso_size;
	size_t whole = len - l4;
	uint16_t sum;

	if (from >= len)
		return 0;
	memcpy(out, p, header);
	memcpy(out + header, p + from, size);
	len = header + size;
	if (p[0] >> 4 == 4)
		store_be16(out + 4, (uint16_t)(load_be16(p + 4) + index));
	seal_ip(out, len);
	if (udp) {
		store_be16(out + l4 + 4, (uint16_t)(8 + size));
		/* The length stands in the header too, and there it is the segment's already. */
	} else {
		store_be32(out + l4 + 4, load_be32(p + l4 + 4) + (uint32_t)(from - header));
		if (index)
			out[l4 + 13] &= (uint8_t)~TCP_CWR;
		if (header + (index + 1) * hdr->gso_size < whole + l4)
			out[l4 + 13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	}
	sum = close_checksum(out + l4, hdr->csum_offset, len - l4, whole);
	store_be16(out + l4 + hdr->csum_offset, udp && !sum ? 0xFFFF : sum);
	return len;
}

/* What virtio_net_hdr_to_skb would refuse, and what would be marked wrongly. */
static void check_header(const struct vnet_hdr *hdr, const uint8_t *p, size_t len, size_t packets)
{
	bool udp = hdr->gso_type == VNET_GSO_UDP_L4;
	size_t l4 = p[0] >> 4 == 4 ? 20 : 40;
	uint8_t tcp_type = p[0] >> 4 == 4 ? VNET_GSO_TCPV4 : VNET_GSO_TCPV6;

	CHECK(hdr->flags == VNET_NEEDS_CSUM);
	CHECK(hdr->csum_start == l4 && hdr->csum_offset == (udp ? 6 : 16));
	CHECK(hdr->gso_size > 0 && hdr->gso_size < len);
	CHECK(udp || (hdr->gso_type & ~VNET_GSO_ECN) == tcp_type);
	CHECK(udp || !(hdr->gso_type & VNET_GSO_ECN) == !(p[l4 + 13] & TCP_CWR));
	CHECK(hdr->hdr_len == l4 + (udp ? 8 : (size_t)(p[l4 + 12] >> 4) * 4));
	CHECK(!udp || packets <= 64);
	CHECK(len <= PACKET_MAX);
}

/* --- a batch --- */

static size_t insert(uint8_t *packet, size_t len, size_t at, const uint8_t *bytes, size_t count)
{
	memmove(packet + at + count, packet + at, len - at);
	memcpy(packet + at, bytes, count);
	return len + count;
}

/* IP options, or an extension header. */
static size_t extend(uint8_t *packet, size_t len)
{
	const uint8_t options[4] = { 1, 1, 1, 1 };
	uint8_t extension[8] = { packet[6], 0, 1, 4 };

	if (packet[0] >> 4 == 6) {
		packet[6] = 60;
		len = insert(packet, len, 40, extension, sizeof(extension));
		store_be16(packet + 4, (uint16_t)(len - 40));
		return len;
	}
	len = insert(packet, len, 20, options, sizeof(options));
	packet[0] = 0x46;
	store_be16(packet + 2, (uint16_t)len);
	store_be16(packet + 10, 0);
	store_be16(packet + 10, (uint16_t)~packet_sum(packet, 24, 0));
	return len;
}

static void fragment(uint8_t *packet, size_t len, uint32_t *seed)
{
	if (packet[0] >> 4 == 6) {
		packet[6] = 44;
		return;
	}
	store_be16(packet + 6, packet_random(seed) % 2 ? 0x2000 : 0x0010);
	seal_ip(packet, len);
}

/* The other form of zero, where a checksum is zero: it is right too. */
static void other_zero(uint8_t *packet, size_t len, size_t l4, bool udp)
{
	uint8_t *field = packet + l4 + (udp ? 6 : 16);
	uint8_t *word = packet + len - (len - l4) % 2 - 2;

	if (len < l4 + (udp ? 8 : 20) + 4)
		return;
	store_be16(word, 0);
	packet_seal(packet, len);
	store_be16(word, load_be16(field));
	packet_seal(packet, len);
	if (!udp)
		store_be16(field, 0xFFFF);
}

/* One thing that not every packet has. */
static size_t disfigure(uint8_t *packet, size_t len, uint32_t *seed)
{
	bool v4 = packet[0] >> 4 == 4;
	size_t l4 = v4 ? 20 : 40;
	bool udp = (v4 ? packet[9] : packet[6]) == 17;

	switch (packet_random(seed) % 16) {
	case 0:
		packet[l4 + (udp ? 6 : 16)] ^= 0x40; /* a wrong checksum stays wrong */
		break;
	case 1:
		packet[len - 1] ^= 1; /* and so does a flipped bit */
		break;
	case 2:
		packet[v4 ? 10 : 3] ^= 4; /* the header's own, or the flow label */
		break;
	case 3:
		fragment(packet, len, seed);
		break;
	case 4:
		return extend(packet, len);
	case 5:
		packet[v4 ? 9 : 6] = v4 ? 1 : 58; /* ICMP */
		seal_ip(packet, len);
		break;
	case 6:
		packet[l4 + 12] |= udp ? 0 : 0x0A; /* reserved bits */
		packet_seal(packet, len);
		break;
	case 7:
		packet[l4 + 13] |= udp ? 0 : 0x20; /* urgent */
		packet_seal(packet, len);
		break;
	case 8:
		if (udp)
			store_be16(packet + l4 + 6, 0); /* none: unverifiable */
		else
			packet[l4 + 12] = 0x20; /* a header that is too short */
		break;
	case 9:
		other_zero(packet, len, l4, udp);
		break;
	case 10:
		packet[v4 ? 6 : 3] ^= 0x80; /* the reserved flag, or the flow label */
		seal_ip(packet, len);
		break;
	case 11:
		if (udp)
			store_be16(packet + l4 + 4, (uint16_t)(len - l4 - 1)); /* its own length */
		break;
	default:
		break;
	}
	return len;
}

static void step(struct packet_spec *spec, uint32_t *seed)
{
	spec->seq += (uint32_t)spec->payload;
	spec->id++;
	spec->flags = TCP_ACK;
	spec->fill = (uint8_t)packet_random(seed);
	switch (packet_random(seed) % 40) {
	case 0:
		spec->payload = packet_random(seed) % 500;
		break;
	case 1:
		spec->payload = packet_random(seed) % 3; /* tiny, or none */
		break;
	case 2:
		spec->flags = (uint8_t)packet_random(seed);
		break;
	case 3:
		spec->flags |= TCP_PSH;
		break;
	case 4:
		spec->flags |= TCP_CWR;
		break;
	case 5:
		spec->tos = (uint8_t)packet_random(seed);
		break;
	case 6:
		spec->ttl--;
		break;
	case 7:
		spec->df = !spec->df;
		break;
	case 8:
		spec->id = (uint16_t)packet_random(seed);
		break;
	case 9:
		spec->options = packet_random(seed) % 11 * 4;
		break;
	case 10:
		spec->ack += 100;
		break;
	case 11:
		spec->seq -= (uint32_t)spec->payload; /* once more */
		break;
	}
}

static void put(const struct packet_spec *spec, uint32_t *seed)
{
	size_t i = in.count++;

	in.len[i] = packet_build(in.data[i], spec);
	if (packet_random(seed) % 12 == 0)
		in.len[i] = disfigure(in.data[i], in.len[i], seed);
	memcpy(in.before[i], in.data[i], in.len[i]);
	in.place[i] = SIZE_MAX;
}

/* Neighbours change places, as on a way of several lanes, and some come twice. */
static void shuffle(uint32_t *seed)
{
	static uint8_t spare[STRIDE];

	for (size_t i = 1; i < in.count; i++) {
		size_t len = in.len[i];

		if (packet_random(seed) % 25)
			continue;
		memcpy(spare, in.data[i], STRIDE);
		memcpy(in.data[i], in.data[i - 1], STRIDE);
		in.len[i] = in.len[i - 1];
		if (packet_random(seed) % 2) {
			memcpy(in.data[i - 1], spare, STRIDE);
			in.len[i - 1] = len;
		}
		memcpy(in.before[i], in.data[i], STRIDE);
		memcpy(in.before[i - 1], in.data[i - 1], STRIDE);
	}
}

static void make_batch(uint32_t *seed)
{
	struct packet_spec flow[FLOWS];
	bool calm = packet_random(seed) % 2; /* long stretches of one flow */
	size_t f = 0;

	in.count = 0;
	memset(in.data, 0, sizeof(in.data));
	for (size_t i = 0; i < FLOWS; i++) {
		flow[i] = packet_spec_default();
		flow[i].v6 = i % 2;
		flow[i].udp = i & 2;
		flow[i].host = (uint8_t)(1 + i / 6);
		flow[i].port = (uint16_t)(1000 + i);
		flow[i].id = (uint16_t)packet_random(seed);
		flow[i].seq = packet_random(seed) << 8;
		flow[i].payload = 1 + packet_random(seed) % 400;
	}
	while (in.count < BATCH) {
		if (!calm || packet_random(seed) % 20 == 0)
			f = packet_random(seed) % FLOWS;
		step(&flow[f], seed);
		put(&flow[f], seed);
	}
	shuffle(seed);
}

/* --- what came out --- */

struct flow_key {
	uint8_t addresses[32];
	uint8_t proto; /* ANY: hidden in a fragment or behind options */
	uint8_t ports[4];
};

static struct flow_key key_of(const uint8_t *p, size_t len)
{
	bool v4 = p[0] >> 4 == 4;
	size_t l4 = v4 ? 20 : 40;
	struct flow_key key = { .proto = v4 ? p[9] : p[6] };

	memcpy(key.addresses, p + (v4 ? 12 : 8), v4 ? 8 : 32);
	if (v4 ? p[0] != 0x45 || load_be16(p + 6) & 0x3FFF : key.proto == 44 || key.proto == 60)
		key.proto = ANY;
	else if (len >= l4 + 4)
		memcpy(key.ports, p + l4, 4);
	return key;
}

/* May the two be of one flow, as far as a router can see? */
static bool related(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	struct flow_key x = key_of(a, a_len);
	struct flow_key y = key_of(b, b_len);

	if (a[0] >> 4 != b[0] >> 4 || memcmp(x.addresses, y.addresses, sizeof(x.addresses)) != 0)
		return false;
	return x.proto == ANY || y.proto == ANY ||
	       (x.proto == y.proto && memcmp(x.ports, y.ports, sizeof(x.ports)) == 0);
}

static void take(const uint8_t *packet, size_t len, size_t *place)
{
	for (size_t i = 0; i < in.count; i++) {
		if (in.place[i] != SIZE_MAX || in.len[i] != len ||
		    memcmp(in.before[i], packet, len) != 0)
			continue;
		in.place[i] = (*place)++;
		return;
	}
	print_error("seed %u\n", seed_now);
	fail_msg("a packet came out that never came in");
}

static void take_cut(const struct vnet_hdr *hdr, const uint8_t *whole, size_t len, size_t packets,
		     size_t *place)
{
	uint8_t packet[STRIDE];
	size_t count = 0;
	size_t cut;

	check_header(hdr, whole, len, packets);
	while ((cut = kernel_cut(packet, hdr, whole, len, count))) {
		take(packet, cut, place);
		count++;
	}
	CHECK(count == packets);
}

/* As if the write had been refused. */
static void take_split(size_t index, size_t *place)
{
	uint16_t number = c.run[index].first;

	coalesce_split(&c, index);
	for (; number; number = c.packet[number].next)
		take(c.packet[number].data, c.packet[number].len, place);
}

static void take_run(size_t index, bool refused, size_t *place)
{
	static uint8_t whole[PACKET_MAX];
	struct iovec iov[COALESCE_IOV_MAX];
	struct vnet_hdr hdr;
	size_t used = coalesce_finish(&c, index, &hdr, iov);
	size_t len = 0;

	if (refused) {
		take_split(index, place);
		return;
	}
	for (size_t i = 1; i < used; i++) {
		memcpy(whole + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	if (hdr.gso_type == VNET_GSO_NONE) {
		CHECK(hdr.flags == 0 && c.run[index].count == 1);
		take(whole, len, place);
	} else {
		take_cut(&hdr, whole, len, c.run[index].count, place);
	}
}

static void check_order(void)
{
	for (size_t i = 0; i < in.count; i++) {
		CHECK(in.place[i] != SIZE_MAX, "a packet is missing");
		for (size_t j = i + 1; j < in.count; j++)
			if (in.place[j] < in.place[i] &&
			    related(in.before[i], in.len[i], in.before[j], in.len[j]))
				CHECK(false, "a packet was overtaken");
	}
}

static size_t round_trip(uint32_t seed, bool tcp, bool udp)
{
	uint32_t random = seed;
	size_t place = 0;
	bool refused;

	seed_now = seed;
	make_batch(&random);
	refused = packet_random(&random) % 4 == 0;
	coalesce_init(&c, tcp, udp);
	for (size_t i = 0; i < in.count; i++)
		coalesce_add(&c, in.data[i], in.len[i]);
	for (size_t i = 0; i < c.runs; i++)
		take_run(i, refused, &place);
	check_order();
	return c.runs;
}

static uint32_t base_seed(void)
{
	const char *text = getenv("WARREN_SEED");

	return text ? (uint32_t)strtoul(text, NULL, 10) : 1;
}

static void test_nothing_changes(void **state)
{
	size_t runs = 0;

	(void)state;
	for (uint32_t i = 0; i < ROUNDS; i++)
		runs += round_trip(base_seed() + i, true, true);
	/* Not for want of merging. */
	assert_true(runs < (size_t)ROUNDS * BATCH * 3 / 4);
}

/* Devices without one or both. */
static void test_nothing_changes_where_less_is_merged(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < ROUNDS / 4; i++)
		round_trip(base_seed() + i, i % 2, i % 4 == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_changes),
		cmocka_unit_test(test_nothing_changes_where_less_is_merged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
