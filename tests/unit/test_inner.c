#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "proto/checksum.h"
#include "proto/inner.h"
#include "tests/support/packet.h"

static uint8_t packet[2000];

static size_t build(bool v6, uint8_t tos)
{
	struct packet_spec spec = packet_spec_default();

	spec.v6 = v6;
	spec.tos = tos;
	return packet_build(packet, &spec);
}

static void test_parses_both_versions(void **state)
{
	struct inner inner;
	size_t len = build(false, 0xB9);

	(void)state;
	/* What lies behind the packet's own length is padding. */
	assert_int_equal(inner_parse(&inner, packet, len + 13), 0);
	assert_int_equal(inner.version, 4);
	assert_int_equal(inner.len, len);
	assert_int_equal(inner.proto, INNER_TCP);
	assert_int_equal(inner.tos, 0xB9);
	assert_int_equal(inner.l4, 20);
	assert_true(inner.plain);
	assert_int_equal(load_be32(inner_source(packet)), 0x0A000001);
	assert_int_equal(load_be32(inner_destination(packet)), 0x0A000063);

	len = build(true, 0xB9);
	assert_int_equal(inner_parse(&inner, packet, len), 0);
	assert_int_equal(inner.version, 6);
	assert_int_equal(inner.len, len);
	assert_int_equal(inner.tos, 0xB9);
	assert_int_equal(inner.l4, 40);
	assert_int_equal(inner_source(packet)[15], 1);
	assert_int_equal(inner_destination(packet)[15], 99);
}

static void test_options_and_fragments_are_not_plain(void **state)
{
	struct inner inner;
	size_t len = build(false, 0);

	(void)state;
	packet[6] |= 0x20;
	assert_int_equal(inner_parse(&inner, packet, len), 0);
	assert_false(inner.plain);
	packet[6] = 0;
	packet[7] = 1;
	assert_int_equal(inner_parse(&inner, packet, len), 0);
	assert_false(inner.plain);
	packet[7] = 0;
	packet[0] = 0x46;
	assert_int_equal(inner_parse(&inner, packet, len), 0);
	assert_false(inner.plain);
	assert_int_equal(inner.l4, 24);
	len = build(true, 0);
	packet[6] = 44; /* fragment header */
	assert_int_equal(inner_parse(&inner, packet, len), 0);
	assert_false(inner.plain);
}

static void test_wrong_lengths_and_versions_are_refused(void **state)
{
	struct inner inner;
	size_t len = build(false, 0);

	(void)state;
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(inner_parse(&inner, packet, cut), -EBADMSG);
	packet[0] = 0x44;
	assert_int_equal(inner_parse(&inner, packet, len), -EBADMSG);
	packet[0] = 0x4F;
	store_be16(packet + 2, 59);
	assert_int_equal(inner_parse(&inner, packet, len), -EBADMSG);
	packet[0] = 0x55;
	assert_int_equal(inner_parse(&inner, packet, len), -EBADMSG);
	len = build(true, 0);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(inner_parse(&inner, packet, cut), -EBADMSG);
}

/* RFC 6040, figure 4: inner by row; outer Not-ECT, ECT(0), ECT(1) leave it alone here. */
static void test_congestion_is_carried_in(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		for (uint8_t inner_ecn = 0; inner_ecn < 4; inner_ecn++) {
			for (uint8_t outer = 0; outer < 4; outer++) {
				size_t len = build(v6, (uint8_t)(0xB8 | inner_ecn));
				bool kept = inner_combine_ecn(packet, (uint8_t)(0x48 | outer));
				struct inner inner;

				assert_int_equal(kept, outer != 3 || inner_ecn != 0);
				if (!kept)
					continue;
				assert_true(packet_valid(packet, len));
				assert_int_equal(inner_parse(&inner, packet, len), 0);
				assert_int_equal(inner.tos, 0xB8 | (outer == 3 ? 3 : inner_ecn));
			}
		}
	}
}

static void test_a_wrong_header_stays_wrong(void **state)
{
	size_t len = build(false, 1);

	(void)state;
	packet[8]--;
	assert_true(inner_combine_ecn(packet, 3));
	assert_false(packet_valid(packet, len));
}

static void test_unreachable_quotes_the_packet(void **state)
{
	uint8_t out[INNER_ERROR_MAX];
	size_t len = build(false, 0);
	size_t reply = inner_unreachable(out, packet, len);

	(void)state;
	assert_int_equal(reply, 28 + len);
	assert_int_equal(packet_sum(out, 20, 0), 0xFFFF);
	assert_int_equal(packet_sum(out + 20, reply - 20, 0), 0xFFFF);
	assert_int_equal(load_be16(out + 2), reply);
	assert_memory_equal(out + 12, packet + 16, 4);
	assert_memory_equal(out + 16, packet + 12, 4);
	assert_int_equal(out[9], 1);
	assert_int_equal(out[20], 3);
	assert_int_equal(out[21], 1);
	assert_memory_equal(out + 28, packet, len);

	len = build(true, 0);
	reply = inner_unreachable(out, packet, len);
	assert_int_equal(reply, 48 + len);
	assert_int_equal(out[6], 58);
	assert_int_equal(out[40], 1);
	assert_int_equal(out[41], 3);
	assert_int_equal(packet_sum(out + 40, reply - 40,
				    packet_sum(out + 8, 32, (uint32_t)(reply - 40) + 58)),
			 0xFFFF);
	assert_memory_equal(out + 48, packet, len);
}

static void test_unreachable_is_bounded(void **state)
{
	struct packet_spec spec = packet_spec_default();
	uint8_t out[INNER_ERROR_MAX];
	size_t len;

	(void)state;
	spec.payload = 1400;
	len = packet_build(packet, &spec);
	assert_int_equal(inner_unreachable(out, packet, len), 576);
	spec.v6 = true;
	len = packet_build(packet, &spec);
	assert_int_equal(inner_unreachable(out, packet, len), 1280);
}

static void test_some_packets_get_no_answer(void **state)
{
	uint8_t out[INNER_ERROR_MAX];
	size_t len = build(false, 0);

	(void)state;
	packet[7] = 1; /* not the first fragment */
	assert_int_equal(inner_unreachable(out, packet, len), 0);
	packet[7] = 0;
	packet[16] = 224; /* to many */
	assert_int_equal(inner_unreachable(out, packet, len), 0);
	packet[16] = 10;
	memset(packet + 12, 0, 4); /* from nobody */
	assert_int_equal(inner_unreachable(out, packet, len), 0);
	len = build(false, 0);
	packet[9] = 1;
	packet[20] = 3; /* an ICMP error */
	assert_int_equal(inner_unreachable(out, packet, len), 0);
	packet[20] = 8; /* a ping */
	assert_int_not_equal(inner_unreachable(out, packet, len), 0);
	len = build(true, 0);
	packet[6] = 58;
	packet[40] = 1;
	assert_int_equal(inner_unreachable(out, packet, len), 0);
	packet[40] = 128;
	assert_int_not_equal(inner_unreachable(out, packet, len), 0);
	packet[24] = 0xFF;
	assert_int_equal(inner_unreachable(out, packet, len), 0);
	assert_int_equal(inner_unreachable(out, packet, 10), 0);
}

static void test_too_big_says_what_fits(void **state)
{
	uint8_t v4[100] = { 0x45 };
	uint8_t v6[100] = { 0x60 };
	uint8_t out[INNER_ERROR_MAX];
	size_t len;

	(void)state;
	store_be16(v4 + 2, sizeof(v4));
	v4[9] = INNER_UDP;
	store_be32(v4 + 12, 0x0A000001);
	store_be32(v4 + 16, 0x0A000002);
	len = inner_too_big(out, v4, sizeof(v4), 1340);
	assert_int_equal(len, 20 + 8 + sizeof(v4));
	assert_int_equal(out[20], 3);
	assert_int_equal(out[21], 4);
	assert_int_equal(load_be32(out + 24), 1340); /* RFC 1191, 4: the upper half is zero */
	assert_int_equal(load_be32(out + 12), 0x0A000002);
	assert_memory_equal(out + 28, v4, sizeof(v4));
	assert_int_equal(checksum_fold(checksum_add(0, out + 20, len - 20)), 0xFFFF);
	store_be16(v6 + 4, sizeof(v6) - 40);
	v6[6] = INNER_UDP;
	v6[8] = v6[24] = 0xFD;
	len = inner_too_big(out, v6, sizeof(v6), 1340);
	assert_int_equal(len, 40 + 8 + sizeof(v6));
	assert_int_equal(out[40], 2);
	assert_int_equal(out[41], 0);
	assert_int_equal(load_be32(out + 44), 1340);
	assert_int_equal(checksum_fold(checksum_add(checksum_pseudo(out, 58, len - 40), out + 40,
						    len - 40)),
			 0xFFFF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parses_both_versions),
		cmocka_unit_test(test_options_and_fragments_are_not_plain),
		cmocka_unit_test(test_wrong_lengths_and_versions_are_refused),
		cmocka_unit_test(test_congestion_is_carried_in),
		cmocka_unit_test(test_a_wrong_header_stays_wrong),
		cmocka_unit_test(test_unreachable_quotes_the_packet),
		cmocka_unit_test(test_unreachable_is_bounded),
		cmocka_unit_test(test_some_packets_get_no_answer),
		cmocka_unit_test(test_too_big_says_what_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
