#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/buf.h"
#include "proto/checksum.h"
#include "tests/support/packet.h"

/* 0 and 0xFFFF are the same number in one's complement. */
static uint16_t canonical(uint16_t sum)
{
	return sum == 0xFFFF ? 0 : sum;
}

static uint16_t folded(uint64_t sum)
{
	uint16_t in_memory = checksum_fold(sum);
	uint8_t bytes[2];

	memcpy(bytes, &in_memory, 2);
	return load_be16(bytes);
}

static void test_example_of_rfc_1071(void **state)
{
	const uint8_t data[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	(void)state;
	assert_int_equal(folded(checksum_add(0, data, sizeof(data))), 0xddf2);
}

static void test_equals_the_naive_sum(void **state)
{
	uint8_t data[2048];
	uint8_t copy[2048 + 1];
	uint32_t seed = 7;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		size_t at = packet_random(&seed) % 64;
		size_t len = packet_random(&seed) % (sizeof(data) - 64);
		size_t half = len / 2 & ~(size_t)1;
		bool ones = round % 5 == 0; /* as many carries as there can be */
		uint64_t sum;

		for (size_t i = 0; i < len; i++)
			data[at + i] = ones ? 0xFF : (uint8_t)packet_random(&seed);
		sum = checksum_add(checksum_add(0, data + at, half), data + at + half, len - half);
		assert_int_equal(canonical(folded(sum)), canonical(packet_sum(data + at, len, 0)));
		copy[len] = 0xA5;
		assert_int_equal(canonical(checksum_fold(checksum_copy(7, copy, data + at, len))),
				 canonical(checksum_fold(checksum_add(7, data + at, len))));
		assert_memory_equal(copy, data + at, len);
		assert_int_equal(copy[len], 0xA5);
		sum = checksum_add_u16(sum, (uint16_t)seed);
		assert_int_equal(canonical(folded(sum)),
				 canonical(packet_sum(data + at, len, (uint16_t)seed)));
	}
}

static void test_pseudo_header_makes_packets_valid(void **state)
{
	uint8_t packet[256];

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct packet_spec spec = packet_spec_default();
		size_t l4 = i & 1 ? 40 : 20;
		size_t len;
		uint64_t sum;

		spec.v6 = i & 1;
		spec.udp = i & 2;
		len = packet_build(packet, &spec);
		sum = checksum_pseudo(packet, spec.udp ? 17 : 6, len - l4);
		assert_int_equal(checksum_fold(checksum_add(sum, packet + l4, len - l4)), 0xFFFF);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example_of_rfc_1071),
		cmocka_unit_test(test_equals_the_naive_sum),
		cmocka_unit_test(test_pseudo_header_makes_packets_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
