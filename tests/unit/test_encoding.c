#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/encoding.h"

static void keys_round_trip(void **state)
{
	uint8_t key[32], back[32];
	char text[BASE64_KEY_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i * 37);
	encoding_base64_key(text, key);
	assert_int_equal(strlen(text), 44);
	assert_int_equal(encoding_base64_key_parse(back, text), 0);
	assert_memory_equal(key, back, 32);
}

static void damaged_keys_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"AAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",  /* no padding */
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* 33 bytes */
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA!A=",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=", /* bits beyond the end */
	};
	uint8_t key[32];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(encoding_base64_key_parse(key, bad[i]), -EINVAL);
}

static void url_variant_has_no_padding(void **state)
{
	static const uint8_t bytes[] = { 0xfb, 0xff };
	uint8_t back[4];
	char text[BASE64_SIZE(sizeof(bytes))];
	size_t len;

	(void)state;
	encoding_base64url(text, sizeof(text), bytes, sizeof(bytes));
	assert_string_equal(text, "-_8");
	assert_int_equal(encoding_base64url_parse(back, sizeof(back), &len, text), 0);
	assert_int_equal(len, 2);
	assert_memory_equal(back, bytes, 2);
	assert_int_equal(encoding_base64url_parse(back, sizeof(back), &len, "-_8="), -EINVAL);
	assert_int_equal(encoding_base64url_parse(back, 1, &len, "-_8"), -ENOSPC);
}

static void hex_wants_the_exact_length(void **state)
{
	uint8_t bytes[2];
	char text[HEX_SIZE(2)];

	(void)state;
	assert_int_equal(encoding_hex_parse(bytes, 2, "00fF"), 0);
	encoding_hex(text, sizeof(text), bytes, 2);
	assert_string_equal(text, "00ff");
	assert_int_equal(encoding_hex_parse(bytes, 2, "00f"), -EINVAL);
	assert_int_equal(encoding_hex_parse(bytes, 2, "00ff0"), -EINVAL);
	assert_int_equal(encoding_hex_parse(bytes, 2, "00fg"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_round_trip),
		cmocka_unit_test(damaged_keys_are_refused),
		cmocka_unit_test(url_variant_has_no_padding),
		cmocka_unit_test(hex_wants_the_exact_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
