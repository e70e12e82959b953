#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proto/segment.h"
#include "proto/vnet.h"
#include "tests/support/packet.h"

#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80

static size_t l4_of(const struct packet_spec *spec)
{
	return spec->v6 ? 40 : 20;
}

/* The header that the kernel gives with such a packet; the checksum field is left as rubbish. */
static struct vnet_hdr header_for(const struct packet_spec *spec, uint16_t size)
{
	struct vnet_hdr hdr = {
		.flags = VNET_NEEDS_CSUM,
		.hdr_len = 9999, /* a lie that must not matter */
		.gso_size = size,
		.csum_start = (uint16_t)l4_of(spec),
		.csum_offset = spec->udp ? 6 : 16,
	};

	if (spec->udp)
		hdr.gso_type = VNET_GSO_UDP_L4;
	else
		hdr.gso_type = spec->v6 ? VNET_GSO_TCPV6 : VNET_GSO_TCPV4;
	return hdr;
}

/* Segment index as the sender would have built it without any offload. */
static size_t naive(uint8_t *out, const struct packet_spec *whole, size_t index, size_t size)
{
	struct packet_spec spec = *whole;
	size_t count = (whole->payload + size - 1) / size;

	spec.payload = index + 1 < count ? size : whole->payload - index * size;
	spec.fill = (uint8_t)(whole->fill + index * size);
	spec.seq += (uint32_t)(index * size);
	spec.id = (uint16_t)(spec.id + index);
	if (index)
		spec.flags &= (uint8_t)~TCP_CWR;
	if (index + 1 < count)
		spec.flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	return packet_build(out, &spec);
}

static void compare(const struct packet_spec *spec, uint16_t size)
{
	uint8_t *packet = malloc(PACKET_MAX + 1);
	uint8_t *out = malloc(PACKET_MAX + 1);
	uint8_t *expected = malloc(PACKET_MAX + 1);
	size_t len = packet_build(packet, spec);
	struct vnet_hdr hdr = header_for(spec, size);
	struct segment_plan plan;

	memset(packet + l4_of(spec) + hdr.csum_offset, 0xA5, 2);
	assert_int_equal(segment_plan(&plan, &hdr, packet, len), 0);
	assert_int_equal(plan.count, (spec->payload + size - 1) / size);
	for (size_t i = 0; i < plan.count; i++) {
		size_t expected_len = naive(expected, spec, i, size);

		assert_int_equal(segment_len(&plan, i), expected_len);
		out[expected_len] = 0x5A; /* nothing is written behind the end */
		segment_write(&plan, i, out);
		assert_int_equal(out[expected_len], 0x5A);
		assert_memory_equal(out, expected, expected_len);
		assert_true(packet_valid(out, expected_len));
	}
	free(packet);
	free(out);
	free(expected);
}

static void test_equals_the_naive_cut(void **state)
{
	uint32_t seed = 3;

	(void)state;
	for (int round = 0; round < 400; round++) {
		struct packet_spec spec = packet_spec_default();

		spec.v6 = packet_random(&seed) % 2;
		spec.udp = packet_random(&seed) % 3 == 0;
		spec.flags = (uint8_t)(packet_random(&seed) & 0xFF);
		spec.options = packet_random(&seed) % 11 * 4;
		spec.seq = packet_random(&seed) << 8; /* some wrap */
		spec.id = (uint16_t)packet_random(&seed);
		spec.payload = 1 + packet_random(&seed) % (round % 10 ? 4000 : 65000);
		spec.fill = (uint8_t)packet_random(&seed);
		compare(&spec, (uint16_t)(1 + packet_random(&seed) % (round % 10 ? 1500 : 9000)));
	}
}

static void test_the_largest_packet(void **state)
{
	struct packet_spec spec = packet_spec_default();

	(void)state;
	spec.payload = PACKET_MAX - 20 - 32;
	spec.flags = TCP_CWR | TCP_PSH | TCP_FIN | 0x10;
	compare(&spec, 1368);
}

static void test_an_open_checksum_is_completed(void **state)
{
	uint8_t packet[300];
	uint8_t out[300];

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct packet_spec spec = packet_spec_default();
		struct vnet_hdr hdr;
		struct segment_plan plan;
		uint8_t *field;
		size_t len;
		size_t l4;

		spec.v6 = i & 1;
		spec.udp = i & 2;
		len = packet_build(packet, &spec);
		l4 = l4_of(&spec);
		hdr = header_for(&spec, 0);
		hdr.gso_type = VNET_GSO_NONE;
		field = packet + l4 + hdr.csum_offset;
		/* The kernel leaves the sum of the pseudo-header there. */
		store_be16(field, packet_sum(packet + (spec.v6 ? 8 : 12), spec.v6 ? 32 : 8,
					     (uint32_t)(len - l4) + (spec.udp ? 17 : 6)));
		assert_int_equal(segment_plan(&plan, &hdr, packet, len), 0);
		assert_int_equal(plan.count, 1);
		assert_int_equal(segment_len(&plan, 0), len);
		segment_write(&plan, 0, out);
		assert_true(packet_valid(out, len));
	}
}

static void test_a_udp_sum_of_zero_is_sent_as_ones(void **state)
{
	struct packet_spec spec = packet_spec_default();
	uint8_t packet[100];
	uint8_t out[100];
	struct vnet_hdr hdr;
	struct segment_plan plan;
	size_t len;

	(void)state;
	spec.udp = true;
	spec.payload = 4;
	len = packet_build(packet, &spec);
	/* Make the payload's second half what brings the sum to zero. */
	store_be16(packet + 30, 0);
	packet_seal(packet, len);
	store_be16(packet + 30, load_be16(packet + 26));
	packet_seal(packet, len);
	assert_int_equal(load_be16(packet + 26), 0xFFFF);
	hdr = header_for(&spec, 4);
	assert_int_equal(segment_plan(&plan, &hdr, packet, len), 0);
	segment_write(&plan, 0, out);
	assert_memory_equal(out, packet, len);
}

static void test_a_packet_without_offload_is_copied(void **state)
{
	const uint8_t odd[3] = { 0x45, 1, 2 };
	struct vnet_hdr hdr = { 0 };
	struct segment_plan plan;
	uint8_t out[3];

	(void)state;
	assert_int_equal(segment_plan(&plan, &hdr, odd, sizeof(odd)), 0);
	assert_int_equal(plan.count, 1);
	segment_write(&plan, 0, out);
	assert_memory_equal(out, odd, sizeof(odd));
}

/* Datagrams without payload, marked as something to cut: one packet, and not none. */
static void test_an_empty_datagram_is_one(void **state)
{
	struct packet_spec spec = packet_spec_default();
	uint8_t packet[100];
	uint8_t out[100];
	struct vnet_hdr hdr;
	struct segment_plan plan;
	size_t len;

	(void)state;
	spec.udp = true;
	spec.payload = 0;
	for (int v6 = 0; v6 < 2; v6++) {
		spec.v6 = v6;
		len = packet_build(packet, &spec);
		hdr = header_for(&spec, 1400);
		assert_int_equal(segment_plan(&plan, &hdr, packet, len), 0);
		assert_int_equal(plan.count, 1);
		assert_int_equal(segment_len(&plan, 0), len);
		segment_write(&plan, 0, out);
		assert_memory_equal(out, packet, len);
	}
}

static void test_what_does_not_fit_is_refused(void **state)
{
	struct packet_spec spec = packet_spec_default();
	struct vnet_hdr good;
	struct segment_plan plan = { .count = 77 };
	struct vnet_hdr hdr;
	uint8_t packet[300];
	size_t len = packet_build(packet, &spec);

	(void)state;
	good = header_for(&spec, 10);
#define REFUSED(change, length)                                                        \
	do {                                                                           \
		hdr = good;                                                            \
		change;                                                                \
		assert_int_equal(segment_plan(&plan, &hdr, packet, length), -EBADMSG); \
		assert_int_equal(plan.count, 77);                                      \
	} while (0)
	REFUSED((void)0, len - 1);
	REFUSED((void)0, 20 + 19);
	REFUSED((void)0, 0);
	REFUSED(hdr.gso_size = 0, len);
	REFUSED(hdr.flags = 0, len);
	REFUSED(hdr.csum_start = 24, len);
	REFUSED(packet[9] = 47, len); /* a tunnel's header, and something to cut inside */
	packet[9] = 6;
	REFUSED(packet[6] |= 0x20, len); /* a fragment */
	packet[6] &= 0xDF;
	REFUSED(hdr.gso_type = 0x20 | VNET_GSO_TCPV4, len); /* UDP tunnels: never asked for */
	REFUSED(hdr.csum_start = 65535, len);
	REFUSED(hdr.gso_type = VNET_GSO_TCPV6, len);
	REFUSED(hdr.gso_type = 3, len); /* fragmentation of UDP: never asked for */
	REFUSED((hdr.gso_type = VNET_GSO_NONE, hdr.csum_start = 0), len);
	REFUSED((hdr.gso_type = VNET_GSO_NONE, hdr.csum_offset = 65535), len);
	packet[20 + 12] = 4 << 4; /* a data offset inside the header */
	REFUSED((void)0, len);
	packet[20 + 12] = 15 << 4;
	REFUSED((void)0, 20 + 32);
}

static size_t build_extended(uint8_t *packet, const struct packet_spec *spec, uint8_t next)
{
	size_t len = packet_build(packet, spec);

	/* Sealed before, since what a checksum covers is not moved by such headers. */
	memmove(packet + 56, packet + 40, len - 40);
	memset(packet + 40, 0, 16);
	packet[40] = packet[6];
	packet[41] = 1;
	packet[42] = 1; /* padding of 12 bytes */
	packet[43] = 12;
	packet[6] = next;
	store_be16(packet + 4, (uint16_t)(len + 16 - 40));
	return len + 16;
}

static void test_extension_headers_are_copied(void **state)
{
	struct packet_spec spec = packet_spec_default();
	uint8_t packet[600];
	uint8_t out[600];
	uint8_t expected[600];
	struct segment_plan plan;
	struct vnet_hdr hdr;

	(void)state;
	spec.v6 = true;
	for (int udp = 0; udp < 2; udp++) {
		size_t len;

		spec.udp = udp;
		spec.payload = 250;
		hdr = header_for(&spec, 100);
		len = build_extended(packet, &spec, 60);
		hdr.csum_start += 16;
		assert_int_equal(segment_plan(&plan, &hdr, packet, len), 0);
		assert_int_equal(plan.count, 3);
		for (size_t i = 0; i < 3; i++) {
			struct packet_spec part = spec;

			part.payload = i < 2 ? 100 : 50;
			part.fill = (uint8_t)(i * 100);
			part.seq += (uint32_t)(i * 100);
			len = build_extended(expected, &part, 60);
			assert_int_equal(segment_len(&plan, i), len);
			segment_write(&plan, i, out);
			assert_memory_equal(out, expected, len);
		}
		/* IPv6 in IPv6, and a routing header. */
		len = build_extended(packet, &spec, 41);
		assert_int_equal(segment_plan(&plan, &hdr, packet, len), -EBADMSG);
		len = build_extended(packet, &spec, 43);
		assert_int_equal(segment_plan(&plan, &hdr, packet, len), -EBADMSG);
		len = build_extended(packet, &spec, 60);
		packet[41] = 255;
		assert_int_equal(segment_plan(&plan, &hdr, packet, len), -EBADMSG);
	}
}

/* What a device of large packets verified already has no open checksum. */
static void test_a_verified_checksum_may_be_cut_too(void **state)
{
	struct packet_spec spec = packet_spec_default();
	struct vnet_hdr hdr = { .flags = VNET_DATA_VALID,
				.gso_type = VNET_GSO_TCPV4,
				.gso_size = 60 };
	struct segment_plan plan;
	uint8_t packet[300];
	uint8_t out[300];
	size_t len = packet_build(packet, &spec);

	(void)state;
	assert_int_equal(segment_plan(&plan, &hdr, packet, len), 0);
	assert_int_equal(plan.count, 2);
	for (size_t i = 0; i < 2; i++) {
		segment_write(&plan, i, out);
		assert_true(packet_valid(out, segment_len(&plan, i)));
	}
}

/* A path that shrank: a stream's packet that came whole is cut as the sender would have. */
static void test_a_lone_packet_of_a_stream_is_cut_to_fit(void **state)
{
	struct packet_spec spec = packet_spec_default();
	struct vnet_hdr hdr = { 0 };
	struct segment_plan plan;
	uint8_t packet[1400];
	uint8_t expected[1400];
	uint8_t out[1400];

	(void)state;
	spec.payload = 1200;
	for (int v6 = 0; v6 < 2; v6++) {
		size_t header, len;

		spec.v6 = v6;
		spec.flags = 0x10 | TCP_PSH;
		len = packet_build(packet, &spec);
		header = len - spec.payload;
		assert_int_equal(segment_plan(&plan, &hdr, packet, len), 0);
		assert_int_equal(segment_limit(&plan, header + 500), 0);
		assert_int_equal(plan.count, 3);
		for (size_t i = 0; i < plan.count; i++) {
			size_t piece = naive(expected, &spec, i, 500);

			assert_int_equal(segment_len(&plan, i), piece);
			segment_write(&plan, i, out);
			assert_memory_equal(out, expected, piece);
		}
		/* No room for payload; a wrong checksum, which would be laundered; a SYN. */
		assert_int_equal(segment_plan(&plan, &hdr, packet, len), 0);
		assert_int_equal(segment_limit(&plan, header), -EMSGSIZE);
		packet[len - 1] ^= 1;
		assert_int_equal(segment_limit(&plan, header + 500), -EMSGSIZE);
		assert_int_equal(plan.count, 1);
		spec.flags = 0x02;
		len = packet_build(packet, &spec);
		assert_int_equal(segment_plan(&plan, &hdr, packet, len), 0);
		assert_int_equal(segment_limit(&plan, header + 500), -EMSGSIZE);
	}
	spec.udp = true;
	assert_int_equal(segment_plan(&plan, &hdr, packet, packet_build(packet, &spec)), 0);
	assert_int_equal(segment_limit(&plan, 600), -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equals_the_naive_cut),
		cmocka_unit_test(test_the_largest_packet),
		cmocka_unit_test(test_an_open_checksum_is_completed),
		cmocka_unit_test(test_a_udp_sum_of_zero_is_sent_as_ones),
		cmocka_unit_test(test_a_packet_without_offload_is_copied),
		cmocka_unit_test(test_an_empty_datagram_is_one),
		cmocka_unit_test(test_what_does_not_fit_is_refused),
		cmocka_unit_test(test_extension_headers_are_copied),
		cmocka_unit_test(test_a_verified_checksum_may_be_cut_too),
		cmocka_unit_test(test_a_lone_packet_of_a_stream_is_cut_to_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
