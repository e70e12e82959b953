#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/relayed_notice.h"

static void test_round_trip(void **state)
{
	struct relayed_notice notice = { .relay = "fra", .ask = true }, got;
	char text[RELAYED_NOTICE_TEXT_MAX];
	size_t len;

	(void)state;
	assert_int_equal(relayed_notice_encode(&notice, text, sizeof(text), &len), 0);
	assert_int_equal(relayed_notice_decode(&got, text, len), 0);
	assert_string_equal(got.relay, "fra");
	assert_int_equal(got.address.addr.family, AF_UNSPEC);
	assert_true(got.ask);

	assert_int_equal(endpoint_parse(&notice.address, "[2001:db8::1]:50000"), 0);
	notice.ask = false;
	assert_int_equal(relayed_notice_encode(&notice, text, sizeof(text), &len), 0);
	assert_int_equal(relayed_notice_decode(&got, text, len), 0);
	assert_true(endpoint_equal(&got.address, &notice.address));
	assert_false(got.ask);
	assert_int_equal(relayed_notice_encode(&notice, text, len, &len), -ENOSPC);
}

static void test_what_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"{}",
		"[]",
		"{\"relay\":\"a\"}",
		"{\"relay\":\"a\",\"ask\":1}",
		"{\"relay\":\"a\",\"ask\":true,\"address\":\"192.0.2.1\"}",
		"{\"relay\":\"a\",\"ask\":true,\"address\":\"name:1\"}",
		"{\"relay\":\"a\",\"ask\":true,\"address\":7}",
		"{\"relay\":\"a-name-of-more-than-31-characters\",\"ask\":true}",
	};
	struct relayed_notice got = { .relay = "untouched" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(relayed_notice_decode(&got, texts[i], strlen(texts[i])), -EBADMSG);
	assert_string_equal(got.relay, "untouched");
}

static void test_what_is_not_known_is_ignored(void **state)
{
	static const char text[] = "{\"relay\":\"a\",\"ask\":false,\"lifetime\":600}";
	struct relayed_notice got;

	(void)state;
	assert_int_equal(relayed_notice_decode(&got, text, sizeof(text) - 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_what_is_not_known_is_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
