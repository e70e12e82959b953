#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/turn_credential.h"

static const uint8_t secret[] = "a secret of length";
#define SECRET_LEN (sizeof(secret) - 1)

static void test_credential_vector(void **state)
{
	uint8_t key[32];
	uint8_t parsed[32];
	char username[TURN_USERNAME_SIZE];
	char password[TURN_PASSWORD_SIZE];
	uint64_t expiry_s;

	(void)state;
	for (size_t i = 0; i < 32; i++)
		key[i] = (uint8_t)i;
	turn_credential_make(username, password, secret, SECRET_LEN, key, 1700000000);
	/* Computed with Python's hmac and base64. */
	assert_string_equal(username, "1700000000:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
	assert_string_equal(password, "R5hWhQL7qMXq76nhn+klgay7+sw=");
	assert_true(turn_credential_check(username, password, secret, SECRET_LEN));
	password[0] ^= 1;
	assert_false(turn_credential_check(username, password, secret, SECRET_LEN));
	assert_false(turn_credential_check(username, "", secret, SECRET_LEN));
	assert_int_equal(turn_credential_parse(username, &expiry_s, parsed), 0);
	assert_int_equal(expiry_s, 1700000000);
	assert_memory_equal(parsed, key, 32);
}

static void test_credential_parse_refuses(void **state)
{
	static const char *const bad[] = {
		"",
		":",
		"1700000000",
		"1700000000:",
		"1700000000:AAEC",
		":AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
		"-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
		"17x:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
		"99999999999999999999:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
		"1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8AAAA",
	};
	uint8_t key[32];
	uint64_t expiry_s;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(turn_credential_parse(bad[i], &expiry_s, key), -EINVAL);
}

static void test_secret_trim(void **state)
{
	const uint8_t *out;
	size_t len;

	(void)state;
	assert_int_equal(turn_secret_trim(&out, &len, (const uint8_t *)" 0123456789abcdef\r\n", 19,
					  TURN_SECRET_MIN),
			 0);
	assert_int_equal(len, 16);
	assert_memory_equal(out, "0123456789abcdef", 16);
	assert_int_equal(turn_secret_trim(&out, &len, (const uint8_t *)"short\n", 6,
					  TURN_SECRET_MIN),
			 -EINVAL);
	/* Another server's secret is chosen elsewhere. */
	assert_int_equal(turn_secret_trim(&out, &len, (const uint8_t *)"short\n", 6, 1), 0);
	assert_int_equal(turn_secret_trim(&out, &len, (const uint8_t *)" \n", 2, TURN_SECRET_MIN),
			 -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_credential_vector),
		cmocka_unit_test(test_credential_parse_refuses),
		cmocka_unit_test(test_secret_trim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
