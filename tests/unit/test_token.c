#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/encoding.h"
#include "proto/token.h"

static struct token example(void)
{
	struct token token = { .address_count = 2 };

	strcpy(token.addresses[0].host, "coord.example.net");
	token.addresses[0].port = 443;
	strcpy(token.addresses[1].host, "2001:db8::1");
	token.addresses[1].port = 8443;
	memset(token.coordinator_key, 0xc0, 32);
	memset(token.authority_hash, 0xa0, 32);
	memset(token.key_id, 0x11, sizeof(token.key_id));
	memset(token.secret, 0x5e, sizeof(token.secret));
	return token;
}

static void test_round_trip(void **state)
{
	struct token token = example();
	struct token parsed;
	char text[TOKEN_TEXT_SIZE];
	char spaced[TOKEN_TEXT_SIZE + 8];

	(void)state;
	assert_int_equal(token_format(text, sizeof(text), &token), 0);
	assert_memory_equal(text, "warren1-", 8);
	assert_null(strchr(text, '\n'));
	snprintf(spaced, sizeof(spaced), " \t%s\r\n", text);
	assert_int_equal(token_parse(&parsed, spaced), 0);
	assert_memory_equal(&parsed, &token, sizeof(token));
}

static void test_longest_fits(void **state)
{
	struct token token = example();
	struct token parsed;
	char text[TOKEN_TEXT_SIZE];

	(void)state;
	token.address_count = TOKEN_ADDRESSES_MAX;
	for (size_t i = 0; i < TOKEN_ADDRESSES_MAX; i++) {
		memset(token.addresses[i].host, 'a', TOKEN_HOST_MAX);
		token.addresses[i].port = 65535;
	}
	assert_int_equal(token_format(text, sizeof(text), &token), 0);
	assert_int_equal(token_parse(&parsed, text), 0);
	assert_int_equal(token_format(text, 100, &token), -ENOSPC);
}

static void test_every_typing_error_is_told(void **state)
{
	struct token token = example();
	struct token parsed;
	char text[TOKEN_TEXT_SIZE];
	size_t len;

	(void)state;
	token_format(text, sizeof(text), &token);
	len = strlen(text);
	for (size_t i = strlen("warren1-"); i < len; i++) {
		char saved = text[i];

		text[i] = saved == 'A' ? 'B' : 'A';
		assert_int_equal(token_parse(&parsed, text), -EBADMSG);
		text[i] = '!';
		assert_int_equal(token_parse(&parsed, text), -EBADMSG);
		text[i] = saved;
	}
	for (size_t i = strlen("warren1-"); i < len; i++) {
		char cut[TOKEN_TEXT_SIZE];

		snprintf(cut, i + 1, "%s", text);
		assert_int_equal(token_parse(&parsed, cut), -EBADMSG);
	}
}

static void test_not_a_token(void **state)
{
	static const char *const texts[] = { "",
					     " ",
					     "hello",
					     "warren-",
					     "warren1",
					     "Warren1-AAAA",
					     "tskey-auth-1234",
					     "warren99999-x" };
	struct token parsed;
	char *long_text = calloc(1, 10000);

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(token_parse(&parsed, texts[i]), -EINVAL);
	memset(long_text, 'x', 9999);
	assert_int_equal(token_parse(&parsed, long_text), -EINVAL);
	free(long_text);
	assert_int_equal(token_parse(&parsed, "warren2-AAAA"), -EPROTONOSUPPORT);
	assert_string_not_equal(token_error_text(-EBADMSG), token_error_text(-EINVAL));
	assert_string_not_equal(token_error_text(-EBADMSG), token_error_text(-EPROTONOSUPPORT));
}

static void test_bad_addresses_are_not_written(void **state)
{
	struct token token = example();
	char text[TOKEN_TEXT_SIZE];

	(void)state;
	token.addresses[0].port = 0;
	assert_int_equal(token_format(text, sizeof(text), &token), -EINVAL);
	token = example();
	strcpy(token.addresses[1].host, "a b");
	assert_int_equal(token_format(text, sizeof(text), &token), -EINVAL);
	token.address_count = 0;
	assert_int_equal(token_format(text, sizeof(text), &token), -EINVAL);
}

static void test_addresses(void **state)
{
	static const struct {
		const char *text;
		const char *host;
		uint16_t port;
	} good[] = {
		{ "coord.example.net", "coord.example.net", 443 },
		{ "coord.example.net:8443", "coord.example.net", 8443 },
		{ "192.0.2.1:1", "192.0.2.1", 1 },
		{ "2001:db8::1", "2001:db8::1", 443 },
		{ "[2001:db8::1]:8443", "2001:db8::1", 8443 },
		{ "[2001:db8::1]", "2001:db8::1", 443 },
	};
	static const char *const bad[] = { "",      ":443",   "host:",  "host:0",      "host:65536",
					   "h:1x",  "[::1",   "[::1]x", "[notv6]:443", "a b",
					   "a:b:c", "-x:443", "host:-1" };
	struct token_address address;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(token_address_parse(&address, good[i].text, 443), 0);
		assert_string_equal(address.host, good[i].host);
		assert_int_equal(address.port, good[i].port);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(token_address_parse(&address, bad[i], 443), -EINVAL);
}

static void test_authority_hash_is_of_the_key(void **state)
{
	uint8_t key[32] = { 1 };
	uint8_t a[32];
	uint8_t b[32];

	(void)state;
	token_authority_hash(a, key);
	key[31] ^= 1;
	token_authority_hash(b, key);
	assert_memory_not_equal(a, b, 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_longest_fits),
		cmocka_unit_test(test_every_typing_error_is_told),
		cmocka_unit_test(test_not_a_token),
		cmocka_unit_test(test_bad_addresses_are_not_written),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_authority_hash_is_of_the_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
