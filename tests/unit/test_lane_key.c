#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "proto/lane_key.h"
#include "tests/support/hex.h"

static void fill(uint8_t key[static LANE_KEY_SIZE])
{
	for (size_t i = 0; i < LANE_KEY_SIZE; i++)
		key[i] = (uint8_t)i;
}

/* Made with Python's hmac and hashlib.blake2s. */
static void test_known_answers(void **state)
{
	static const struct {
		uint8_t lane;
		const char *key;
	} vectors[] = {
		{ 0, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" },
		{ 1, "e68c8a1b72c81ebaaea97e64977d10d45f390b9fc18c75652ca9f21accbbd12b" },
		{ 2, "e2c6de1741a0b7d7d60ff94a1e74762a9da92263f46be59226717e566d10d4b3" },
		{ 63, "6a814a045524c06a1190b3044cfe87a2cdb47bfb79588d5a089bfd2fb80e076b" },
		{ 255, "1e92fdee6a04c92ba4f863c6900a37159ebc7816604b4b546800e82457862428" },
	};
	uint8_t transport[LANE_KEY_SIZE];
	uint8_t key[LANE_KEY_SIZE];

	(void)state;
	fill(transport);
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		lane_key_derive(key, transport, vectors[i].lane);
		assert_hex(key, sizeof(key), vectors[i].key);
	}
}

static void test_in_place(void **state)
{
	uint8_t transport[LANE_KEY_SIZE];
	uint8_t key[LANE_KEY_SIZE];

	(void)state;
	fill(transport);
	lane_key_derive(key, transport, 7);
	lane_key_derive(transport, transport, 7);
	assert_memory_equal(key, transport, sizeof(key));
}

static void test_no_two_are_alike(void **state)
{
	static uint8_t keys[256][LANE_KEY_SIZE];
	uint8_t transport[LANE_KEY_SIZE];

	(void)state;
	fill(transport);
	for (size_t lane = 0; lane < 256; lane++) {
		lane_key_derive(keys[lane], transport, (uint8_t)lane);
		for (size_t other = 0; other < lane; other++)
			assert_memory_not_equal(keys[lane], keys[other], LANE_KEY_SIZE);
	}
	assert_memory_equal(keys[0], transport, LANE_KEY_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_answers),
		cmocka_unit_test(test_in_place),
		cmocka_unit_test(test_no_two_are_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
