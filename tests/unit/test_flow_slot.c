#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/buf.h"
#include "proto/flow_slot.h"
#include "proto/inner.h"
#include "tests/support/packet.h"

static unsigned int slot_of(const uint8_t *packet, size_t len)
{
	struct inner inner;
	unsigned int slot;

	assert_int_equal(inner_parse(&inner, packet, len), 0);
	slot = flow_slot(&inner, packet);
	assert_true(slot < FLOW_SLOTS);
	return slot;
}

static size_t build(uint8_t *out, bool v6, bool udp, uint16_t port, size_t payload)
{
	struct packet_spec spec = packet_spec_default();

	spec.v6 = v6;
	spec.udp = udp;
	spec.port = port;
	spec.payload = payload;
	return packet_build(out, &spec);
}

static void swap(uint8_t *a, uint8_t *b, size_t len)
{
	while (len--) {
		uint8_t kept = a[len];

		a[len] = b[len];
		b[len] = kept;
	}
}

static void turn_round(uint8_t *packet)
{
	bool v6 = packet[0] >> 4 == 6;
	size_t size = v6 ? 16 : 4;
	uint8_t *addresses = packet + (v6 ? 8 : 12);
	uint8_t *ports = packet + (v6 ? 40 : 20);

	swap(addresses, addresses + size, size);
	swap(ports, ports + 2, 2);
}

static void test_both_directions_are_one(void **state)
{
	uint8_t packet[256];

	(void)state;
	for (unsigned int i = 0; i < 400; i++) {
		size_t len = build(packet, i & 1, i & 2, (uint16_t)(i * 151), 20);
		unsigned int slot = slot_of(packet, len);

		turn_round(packet);
		assert_int_equal(slot_of(packet, len), slot);
	}
}

static void test_payload_and_sequence_do_not_matter(void **state)
{
	struct packet_spec spec = packet_spec_default();
	uint8_t packet[2048];
	unsigned int slot;

	(void)state;
	slot = slot_of(packet, packet_build(packet, &spec));
	spec.seq += 5000;
	spec.ack += 9;
	spec.payload = 1300;
	spec.tos = 3;
	spec.options = 12;
	spec.flags ^= 8;
	assert_int_equal(slot_of(packet, packet_build(packet, &spec)), slot);
}

/* Fragments behind the first have no ports; all of a packet go one way. */
static void test_fragments_of_a_packet_stay_together(void **state)
{
	uint8_t packet[256];
	size_t len = build(packet, false, true, 77, 40);
	unsigned int slot;

	(void)state;
	store_be16(packet + 6, 0x2000); /* the first */
	slot = slot_of(packet, len);
	store_be16(packet + 6, 0x2010);
	memset(packet + 20, 0x5A, 8);
	assert_int_equal(slot_of(packet, len), slot);
	store_be16(packet + 6, 0x0020); /* the last */
	assert_int_equal(slot_of(packet, len), slot);
}

static void test_a_packet_that_ends_early(void **state)
{
	uint8_t packet[256];

	(void)state;
	build(packet, false, false, 77, 40);
	store_be16(packet + 2, 23);
	slot_of(packet, 23);
}

/* As parallel streams of one pair of hosts do: ports one or two apart. */
static void test_neighbouring_ports_spread(void **state)
{
	uint8_t packet[256];

	(void)state;
	for (unsigned int step = 1; step <= 2; step++) {
		unsigned int seen[4] = { 0 };

		for (unsigned int i = 0; i < 256; i++)
			seen[slot_of(packet,
				     build(packet, false, false, (uint16_t)(40000 + i * step), 0)) %
			     4]++;
		for (size_t i = 0; i < 4; i++)
			assert_in_range(seen[i], 40, 90);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_directions_are_one),
		cmocka_unit_test(test_payload_and_sequence_do_not_matter),
		cmocka_unit_test(test_fragments_of_a_packet_stay_together),
		cmocka_unit_test(test_a_packet_that_ends_early),
		cmocka_unit_test(test_neighbouring_ports_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
