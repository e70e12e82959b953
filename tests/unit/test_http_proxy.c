#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/http_proxy.h"

static void test_urls(void **state)
{
	static const char *const urls[][2] = {
		{ "http://proxy.example:3128", "proxy.example:3128" },
		{ "http://proxy.example:3128/", "proxy.example:3128" },
		{ "HTTP://proxy", "proxy:80" },
		{ "10.0.0.1:8080", "10.0.0.1:8080" },
		{ "http://[2001:db8::1]:3128", "[2001:db8::1]:3128" },
		{ "http://[::1]", "[::1]:80" },
		{ "http://ann:secret@proxy:1", "ann:secret@proxy:1" },
		{ "http://ann:s%40c%3aret%25@proxy", "ann:s@c:ret%@proxy:80" },
		{ "ann:@proxy:65535", "ann:@proxy:65535" },
		{ "none", "" },
	};
	struct http_proxy proxy;

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		memset(&proxy, 0, sizeof(proxy));
		snprintf(proxy.via, sizeof(proxy.via), "before:1");
		assert_null(http_proxy_parse(&proxy, urls[i][0]));
		assert_string_equal(proxy.via, urls[i][1]);
	}
}

static void test_bad_urls_change_nothing(void **state)
{
	static const char *const urls[] = {
		"",
		"http://",
		"https://proxy:1",
		"socks5://proxy:1",
		"http://proxy:0",
		"http://proxy:65536",
		"http://proxy:",
		"http://proxy:80x",
		"http://proxy:123456",
		"http://pro xy:80",
		"http://proxy:80/path",
		"http://proxy:80?x",
		"http://[::1:80",
		"http://[10.0.0.1]:80",
		"http://[]:80",
		"http://[fe80::1]x:80",
		"http://ann@proxy:80",
		"http://:secret@proxy:80",
		"http://ann:a%0ab@proxy:80",
		"http://ann:a%4@proxy:80",
		"http://ann:a%zz@proxy:80",
	};
	char url[1024];
	struct http_proxy proxy = { .via = "before:1" };

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		assert_non_null(http_proxy_parse(&proxy, urls[i]));
		assert_string_equal(proxy.via, "before:1");
	}
	for (size_t len = 1; len < sizeof(url) - 16; len++) { /* no length overflows anything */
		memset(url, 'a', len);
		snprintf(url + len, 16, ":1");
		http_proxy_parse(&proxy, url);
		snprintf(url + len, 16, ":b@proxy:1");
		http_proxy_parse(&proxy, url);
	}
}

static void test_exceptions(void **state)
{
	struct http_proxy proxy = {
		.via = "proxy:1",
		.except = "internal.example, .corp,10.1.0.0/16\t192.0.2.7,2001:db8::/32",
	};

	(void)state;
	assert_string_equal(http_proxy_for(&proxy, "coord.example"), "proxy:1");
	assert_string_equal(http_proxy_for(&proxy, "notinternal.example"), "proxy:1");
	assert_string_equal(http_proxy_for(&proxy, "10.2.0.1"), "proxy:1");
	assert_null(http_proxy_for(&proxy, "internal.example"));
	assert_null(http_proxy_for(&proxy, "a.INTERNAL.example"));
	assert_null(http_proxy_for(&proxy, "x.corp"));
	assert_null(http_proxy_for(&proxy, "10.1.2.3"));
	assert_null(http_proxy_for(&proxy, "192.0.2.7"));
	assert_null(http_proxy_for(&proxy, "2001:db8::1"));
	assert_null(http_proxy_for(&proxy, "127.0.0.1"));
	assert_null(http_proxy_for(&proxy, "localhost"));
	snprintf(proxy.except, sizeof(proxy.except), "*");
	assert_null(http_proxy_for(&proxy, "coord.example"));
	proxy.except[0] = proxy.via[0] = '\0';
	assert_null(http_proxy_for(&proxy, "coord.example"));
}

static void test_environment(void **state)
{
	struct http_proxy proxy = { 0 };

	(void)state;
	unsetenv("https_proxy");
	unsetenv("HTTPS_PROXY");
	setenv("ALL_PROXY", "http://last:1", 1);
	setenv("NO_PROXY", "here", 1);
	assert_null(http_proxy_from_environment(&proxy));
	assert_string_equal(http_proxy_for(&proxy, "there"), "last:1");
	assert_null(http_proxy_for(&proxy, "here"));
	setenv("https_proxy", "", 1);
	setenv("HTTPS_PROXY", "http://u:p@first:2", 1);
	assert_null(http_proxy_from_environment(&proxy));
	assert_string_equal(http_proxy_for(&proxy, "there"), "u:p@first:2");
	assert_string_equal(http_proxy_name(&proxy), "first:2");
	setenv("https_proxy", "socks4://x", 1);
	assert_non_null(http_proxy_from_environment(&proxy));
}

static const char *read_file(struct http_proxy *proxy, const char *text, mode_t mode)
{
	char path[] = "/tmp/test_http_proxy.XXXXXX";
	int fd = mkstemp(path);
	const char *error;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	error = http_proxy_read_credentials(proxy, path);
	unlink(path);
	return error;
}

static void test_credentials_file(void **state)
{
	struct http_proxy proxy = { .via = "old:one@proxy:1" };
	struct http_proxy none = { 0 };
	char line[HTTP_PROXY_USER_MAX + 2];

	(void)state;
	assert_null(read_file(&proxy, "ann:s@ cret\n", 0600));
	assert_string_equal(proxy.via, "ann:s@ cret@proxy:1");
	assert_string_equal(http_proxy_name(&proxy), "proxy:1");
	assert_non_null(read_file(&proxy, "ann:secret", 0644));
	assert_non_null(read_file(&proxy, "ann", 0600));
	assert_non_null(read_file(&proxy, "", 0600));
	assert_non_null(read_file(&none, "ann:secret", 0600));
	assert_non_null(http_proxy_read_credentials(&proxy, "/nonexistent"));
	memset(line, 'x', sizeof(line));
	line[3] = ':';
	line[HTTP_PROXY_USER_MAX + 1] = '\0';
	assert_non_null(read_file(&proxy, line, 0600));
	assert_string_equal(proxy.via, "ann:s@ cret@proxy:1");
	line[HTTP_PROXY_USER_MAX] = '\0';
	assert_null(read_file(&proxy, line, 0600));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_bad_urls_change_nothing),
		cmocka_unit_test(test_exceptions),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_credentials_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
