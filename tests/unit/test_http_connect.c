#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "io/http_connect.h"

static struct http_connect connect;

static void test_request(void **state)
{
	char text[256];

	(void)state;
	assert_true(http_connect_request(text, sizeof(text), "turn.example.net", 443, "") > 0);
	assert_string_equal(text, "CONNECT turn.example.net:443 HTTP/1.1\r\n"
				  "Host: turn.example.net:443\r\n\r\n");
	assert_true(http_connect_request(text, sizeof(text), "2001:db8::1", 5349, "a:b c") > 0);
	assert_string_equal(text, "CONNECT [2001:db8::1]:5349 HTTP/1.1\r\n"
				  "Host: [2001:db8::1]:5349\r\n"
				  "Proxy-Authorization: Basic YTpiIGM=\r\n\r\n");
	assert_int_equal(http_connect_request(text, 40, "turn.example.net", 443, ""), -ENOSPC);
}

static int feed(const char *text, size_t piece, size_t *left)
{
	size_t total = strlen(text);
	int status = 0;

	memset(&connect, 0, sizeof(connect));
	for (size_t at = 0; at < total && status == 0; at += piece) {
		const uint8_t *data = (const uint8_t *)text + at;
		size_t len = total - at < piece ? total - at : piece;

		status = http_connect_input(&connect, &data, &len);
		*left = len;
	}
	return status;
}

static void test_answers(void **state)
{
	static const char fine[] = "HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\nTLS";
	size_t left;

	(void)state;
	for (size_t piece = 1; piece < sizeof(fine); piece++)
		assert_int_equal(feed(fine, piece, &left), 200);
	assert_int_equal(left, 3);
	assert_int_equal(feed("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", 9, &left), 407);
	assert_int_equal(feed("HTTP/1.1 200 half an answer\r\n", 9, &left), 0);
	assert_int_equal(feed("\x16\x03\x01 is no proxy's word\r\n\r\n", 9, &left), -EBADMSG);
	assert_int_equal(feed("HTTP/1.1 2000000\r\n\r\n", 9, &left), 200);
	assert_int_equal(feed("HTTP/1.1 x00 no number\r\n\r\n", 9, &left), -EBADMSG);
}

static void test_an_endless_answer(void **state)
{
	int status = 0;

	(void)state;
	memset(&connect, 0, sizeof(connect));
	for (int i = 0; i < 10000 && status == 0; i++) {
		const uint8_t *data = (const uint8_t *)"x";
		size_t len = 1;

		status = http_connect_input(&connect, &data, &len);
	}
	assert_int_equal(status, -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_an_endless_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
