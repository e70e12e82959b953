#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/rng.h"
#include "proto/demux.h"
#include "proto/mask.h"
#include "proto/stun.h"

static void test_round_trip_and_what_shows(void **state)
{
	const uint8_t transaction[STUN_TRANSACTION_SIZE] = { 1, 2, 3 };
	struct rng_seeded seeded;
	struct rng rng;
	uint8_t plain[64], masked[sizeof(plain) + MASK_OVERHEAD], before[sizeof(masked)] = { 0 };
	struct stun_builder b;
	size_t len;

	(void)state;
	rng_seeded_init(&seeded, 7);
	rng = rng_from_seeded(&seeded);
	stun_begin(&b, plain, sizeof(plain), STUN_REQUEST, STUN_BINDING, transaction);
	stun_add_fingerprint(&b);
	stun_end(&b, &len);
	assert_int_equal(demux_datagram(plain, len), DEMUX_STUN);
	for (int i = 0; i < 1000; i++) {
		mask_apply(masked, plain, len, &rng);
		assert_int_equal(demux_datagram(masked, len + MASK_OVERHEAD), DEMUX_MASKED);
		for (size_t at = 0; at + 4 <= len + MASK_OVERHEAD; at++)
			assert_int_not_equal(load_be32(masked + at), DEMUX_STUN_COOKIE);
		assert_memory_not_equal(masked, before, len);
		memcpy(before, masked, sizeof(before));
		mask_remove(masked, len + MASK_OVERHEAD);
		assert_memory_equal(masked + MASK_OVERHEAD, plain, len);
	}
}

static void test_nothing_else_looks_like_it(void **state)
{
	uint8_t data[DEMUX_WIREGUARD_SIZE_MIN] = { 0 };

	(void)state;
	for (unsigned int first = 0; first < 0x80; first++) {
		data[0] = (uint8_t)first;
		assert_int_not_equal(demux_datagram(data, sizeof(data)), DEMUX_MASKED);
	}
	data[0] = 0x80;
	assert_int_equal(demux_datagram(data, DEMUX_MASKED_MIN), DEMUX_MASKED);
	assert_int_equal(demux_datagram(data, DEMUX_MASKED_MIN - 1), DEMUX_UNKNOWN);
	mask_remove(data, 0); /* no length is too short */
	mask_remove(data, 3);
	assert_int_equal(data[0], 0x80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip_and_what_shows),
		cmocka_unit_test(test_nothing_else_looks_like_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
