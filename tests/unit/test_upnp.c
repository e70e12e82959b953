#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/upnp.h"

static void test_urls(void **state)
{
	static const struct {
		const char *text;
		int err;
		const char *host;
		uint16_t port;
		const char *path;
	} cases[] = {
		{ "http://192.168.1.1:5000/a/b.xml", 0, "192.168.1.1", 5000, "/a/b.xml" },
		{ " http://192.168.1.1/ ", 0, "192.168.1.1", 80, "/" },
		{ "HTTP://router", 0, "router", 80, "/" },
		{ "http://[fe80::1]:49152/x", 0, "[fe80::1]", 49152, "/x" },
		{ "http://[fe80::1]/x", 0, "[fe80::1]", 80, "/x" },
		{ "/ctl", 0, "", 0, "/ctl" },
		{ "ctl", 0, "", 0, "/ctl" },
		{ "", 0, "", 0, "/" },
		{ "https://192.168.1.1/", -EBADMSG, NULL, 0, NULL },
		{ "file:///etc/passwd", -EBADMSG, NULL, 0, NULL },
		{ "//elsewhere/x", -EBADMSG, NULL, 0, NULL },
		{ "http://:80/", -EBADMSG, NULL, 0, NULL },
		{ "http://1.2.3.4:0/", -EBADMSG, NULL, 0, NULL },
		{ "http://1.2.3.4:70000/", -EBADMSG, NULL, 0, NULL },
		{ "http://1.2.3.4:80x/", -EBADMSG, NULL, 0, NULL },
		{ "http://1.2.3.4/a b", -EBADMSG, NULL, 0, NULL },
		{ "/a\r\nX: y", -EBADMSG, NULL, 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct upnp_url url;

		assert_int_equal(upnp_parse_url(&url, cases[i].text, strlen(cases[i].text)),
				 cases[i].err);
		if (cases[i].err)
			continue;
		assert_string_equal(url.host, cases[i].host);
		assert_int_equal(url.port, cases[i].port);
		assert_string_equal(url.path, cases[i].path);
	}
}

static void test_long_texts_are_refused(void **state)
{
	char text[600];
	struct upnp_url url;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[0] = '/';
	assert_int_equal(upnp_parse_url(&url, text, sizeof(text)), -ENOSPC);
	memcpy(text, "http://", 7);
	assert_int_equal(upnp_parse_url(&url, text, sizeof(text)), -ENOSPC);
}

/* What an answer comes to when it arrives in one piece, and that no shorter piece is enough. */
static int parse(const char *text, bool ended, char *body, size_t size)
{
	struct upnp_answer answer;
	size_t len = strlen(text);
	char *copy = malloc(len + 1);
	int err;

	assert_non_null(copy);
	for (size_t part = 0; !ended && part < len; part++) {
		memcpy(copy, text, len);
		assert_int_not_equal(upnp_parse_answer(&answer, copy, part, false), 0);
	}
	memcpy(copy, text, len);
	err = upnp_parse_answer(&answer, copy, len, ended);
	if (!err)
		snprintf(body, size, "%u %.*s", answer.status, (int)answer.body_len, answer.body);
	free(copy);
	return err;
}

static void test_answers(void **state)
{
	char body[64];

	(void)state;
	assert_int_equal(parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, body,
			       sizeof(body)),
			 0);
	assert_string_equal(body, "200 hello");
	assert_int_equal(parse("HTTP/1.0 500 No\ncontent-length:0\n\n", false, body, sizeof(body)),
			 0);
	assert_string_equal(body, "500 ");
	assert_int_equal(parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			       "3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n",
			       false, body, sizeof(body)),
			 0);
	assert_string_equal(body, "200 hello");
	assert_int_equal(parse("HTTP/1.1 200 OK\r\n\r\nhello", true, body, sizeof(body)), 0);
	assert_string_equal(body, "200 hello");
}

static void test_bad_answers(void **state)
{
	static const char *const bad[] = {
		"",
		"SSH-2.0-OpenSSH\r\n\r\n",
		"HTTP/2 200\r\n\r\n",
		"HTTP/1.1 abc\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\nx",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	};
	char body[64];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(bad[i], true, body, sizeof(body)), -EBADMSG);
}

static void test_values(void **state)
{
	static const char text[] = "<a:x>1</a:x><b y=\"z\"> 2 </b><c/><d>3";
	char value[UPNP_VALUE_SIZE];

	(void)state;
	assert_int_equal(upnp_find_value(value, "x", text, sizeof(text) - 1), 0);
	assert_string_equal(value, "1");
	assert_int_equal(upnp_find_value(value, "b", text, sizeof(text) - 1), 0);
	assert_string_equal(value, "2");
	assert_int_equal(upnp_find_value(value, "d", text, sizeof(text) - 1), -ENOENT);
	assert_int_equal(upnp_find_value(value, "q", text, sizeof(text) - 1), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),    cmocka_unit_test(test_long_texts_are_refused),
		cmocka_unit_test(test_answers), cmocka_unit_test(test_bad_answers),
		cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
