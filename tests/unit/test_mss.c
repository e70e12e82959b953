#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/buf.h"
#include "proto/checksum.h"
#include "proto/mss.h"

#define V4 20
#define V6 40

/* A TCP segment with these options, checksums right; its length. */
static size_t build(uint8_t *out, size_t ip, uint8_t flags, const uint8_t *options, size_t len)
{
	uint8_t *tcp = out + ip;
	size_t tcp_len = 20 + len;
	uint16_t sum;

	memset(out, 0, ip + tcp_len);
	if (ip == V4) {
		out[0] = 0x45;
		store_be16(out + 2, (uint16_t)(ip + tcp_len));
		out[9] = 6;
		store_be32(out + 12, 0x0A000001);
		store_be32(out + 16, 0x0A000002);
	} else {
		out[0] = 0x60;
		store_be16(out + 4, (uint16_t)tcp_len);
		out[6] = 6;
		out[23] = 1;
		out[39] = 2;
	}
	store_be32(tcp + 4, 0xCAFEBABE);
	tcp[12] = (uint8_t)(tcp_len / 4 << 4);
	tcp[13] = flags;
	memcpy(tcp + 20, options, len);
	sum = (uint16_t)~checksum_fold(
		checksum_add(checksum_pseudo(out, 6, tcp_len), tcp, tcp_len));
	memcpy(tcp + 16, &sum, sizeof(sum));
	return ip + tcp_len;
}

static bool checksum_holds(const uint8_t *packet, size_t ip, size_t len)
{
	return checksum_fold(checksum_add(checksum_pseudo(packet, 6, len - ip), packet + ip,
					  len - ip)) == 0xFFFF;
}

static void test_what_a_syn_announces_is_lowered(void **state)
{
	const uint8_t even[] = { 2, 4, 0x05, 0xB4, 1, 3, 3, 7 }; /* 1460 */
	const uint8_t odd[] = { 1, 2, 4, 0x05, 0xB4, 3, 3, 7 };
	uint8_t packet[128];

	(void)state;
	for (size_t ip = V4; ip <= V6; ip += V6 - V4) {
		size_t len = build(packet, ip, 0x02, even, sizeof(even));

		assert_true(mss_concerns(packet, len));
		assert_true(mss_clamp(packet, len, 1340));
		assert_int_equal(load_be16(packet + ip + 22), 1340 - 20 - ip);
		assert_true(checksum_holds(packet, ip, len));
		/* A second time there is nothing to do. */
		assert_false(mss_clamp(packet, len, 1340));
		len = build(packet, ip, 0x12, odd, sizeof(odd));
		assert_true(mss_clamp(packet, len, 1340));
		assert_int_equal(load_be16(packet + ip + 23), 1340 - 20 - ip);
		assert_true(checksum_holds(packet, ip, len));
	}
}

static void test_a_wrong_checksum_stays_wrong(void **state)
{
	const uint8_t options[] = { 2, 4, 0x05, 0xB4 };
	uint8_t packet[128];
	size_t len = build(packet, V4, 0x02, options, sizeof(options));

	(void)state;
	packet[V4 + 7] ^= 1;
	assert_true(mss_clamp(packet, len, 1300));
	assert_false(checksum_holds(packet, V4, len));
}

static void stays(const uint8_t *packet, size_t len, size_t mtu)
{
	uint8_t copy[128];

	memcpy(copy, packet, len);
	assert_false(mss_clamp(copy, len, mtu));
	assert_memory_equal(copy, packet, len);
}

static void test_everything_else_stays(void **state)
{
	const uint8_t mss[] = { 2, 4, 0x05, 0xB4 };
	const uint8_t none[] = { 1, 1, 1, 1 };
	const uint8_t ended[] = { 0, 0, 2, 4, 0x05, 0xB4, 0, 0 };
	const uint8_t cut[] = { 1, 1, 2, 4 };
	const uint8_t endless[] = { 3, 0, 2, 4, 0x05, 0xB4, 0, 0 };
	const uint8_t long_one[] = { 2, 8, 0x05, 0xB4, 0, 0, 0, 0 };
	uint8_t packet[128];
	size_t len = build(packet, V4, 0x10, mss, sizeof(mss));

	(void)state;
	assert_false(mss_concerns(packet, len)); /* no SYN */
	stays(packet, len, 1300);
	len = build(packet, V4, 0x02, mss, sizeof(mss));
	stays(packet, len, 1500);
	stays(packet, len, UINT32_MAX); /* nothing is known of the path */
	for (size_t shorter = 0; shorter < len; shorter++)
		stays(packet, shorter, 1300);
	packet[V4 + 12] = 0xF0; /* longer than the packet */
	stays(packet, len, 1300);
	len = build(packet, V4, 0x02, mss, sizeof(mss));
	packet[7] = 1; /* not the first fragment */
	stays(packet, len, 1300);
	stays(packet, build(packet, V4, 0x02, none, sizeof(none)), 1300);
	stays(packet, build(packet, V4, 0x02, ended, sizeof(ended)), 1300);
	stays(packet, build(packet, V4, 0x02, cut, sizeof(cut)), 1300);
	stays(packet, build(packet, V6, 0x02, endless, sizeof(endless)), 1300);
	stays(packet, build(packet, V6, 0x02, long_one, sizeof(long_one)), 1300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_syn_announces_is_lowered),
		cmocka_unit_test(test_a_wrong_checksum_stays_wrong),
		cmocka_unit_test(test_everything_else_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
