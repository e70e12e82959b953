/* Texts of HTTP that anybody may send: queries, headers, cookies, hosts; and who is slowed down. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "coord/http_cookie.h"
#include "coord/http_host.h"
#include "coord/login_throttle.h"
#include "coord/network.h"
#include "io/ws.h"

static void test_arguments(void **state)
{
	struct ws_http_request request = {
		.query = "a=1&bb=x%20y+z&c=%26%3d&d=&e&f=%zz&g=%00&h=%4"
	};
	char out[8];

	(void)state;
	assert_true(ws_http_argument(&request, "a", out, sizeof(out)));
	assert_string_equal(out, "1");
	assert_true(ws_http_argument(&request, "bb", out, sizeof(out)));
	assert_string_equal(out, "x y z");
	assert_true(ws_http_argument(&request, "c", out, sizeof(out)));
	assert_string_equal(out, "&=");
	assert_true(ws_http_argument(&request, "d", out, sizeof(out)));
	assert_string_equal(out, "");
	strcpy(out, "same");
	assert_false(ws_http_argument(&request, "e", out, sizeof(out)));
	assert_false(ws_http_argument(&request, "f", out, sizeof(out)));
	assert_false(ws_http_argument(&request, "g", out, sizeof(out)));
	assert_false(ws_http_argument(&request, "h", out, sizeof(out)));
	assert_false(ws_http_argument(&request, "b", out, sizeof(out)));
	assert_false(ws_http_argument(&request, "bb", out, 5));
	assert_string_equal(out, "same");
	assert_true(ws_http_argument(&request, "bb", out, 6));
}

static void test_headers_hold_one_line(void **state)
{
	struct ws_http_response response = { .status = 200 };

	(void)state;
	assert_int_equal(ws_http_set_header(&response, "location", "/%s", "a"), 0);
	assert_int_equal(ws_http_set_header(&response, "x", "a\r\nset-cookie: b"), -EINVAL);
	assert_true(ws_http_has_header(&response, "Location"));
	assert_false(ws_http_has_header(&response, "loc"));
	assert_false(ws_http_has_header(&response, "x"));
	assert_int_equal(ws_http_set_header(&response, "y", "%2048d", 1), -ENOSPC);
	assert_int_equal(ws_http_set_header(&response, "z", "%s", ""), 0);
	assert_true(ws_http_has_header(&response, "z"));
}

static void test_cookies(void **state)
{
	char out[8];

	(void)state;
	assert_true(http_cookie_get("s=abc", "s", out, sizeof(out)));
	assert_string_equal(out, "abc");
	assert_true(http_cookie_get("a=1; s=abc ; b=2", "s", out, sizeof(out)));
	assert_string_equal(out, "abc");
	assert_false(http_cookie_get("", "s", out, sizeof(out)));
	assert_false(http_cookie_get("ss=abc; s", "s", out, sizeof(out)));
	assert_false(http_cookie_get("s=abcdefgh", "s", out, sizeof(out)));
	/* Which of the two is ours? */
	assert_false(http_cookie_get("s=abc; s=evil", "s", out, sizeof(out)));
	assert_string_equal(out, "abc");
}

static void test_hosts(void **state)
{
	struct network *network = calloc(1, sizeof(*network));

	(void)state;
	assert_non_null(network);
	network->address_count = 1;
	strcpy(network->addresses[0].host, "coord.example.net");
	assert_true(http_host_is_ours(network, NULL, "coord.example.net"));
	assert_true(http_host_is_ours(network, NULL, "COORD.example.net:8443"));
	assert_true(http_host_is_ours(network, NULL, "coord.example.net."));
	assert_true(http_host_is_ours(network, NULL, "localhost:8443"));
	assert_true(http_host_is_ours(network, NULL, "192.0.2.1:443"));
	assert_true(http_host_is_ours(network, NULL, "[2001:db8::1]:443"));
	assert_true(http_host_is_ours(network, "a.example b.example", "b.example"));
	assert_false(http_host_is_ours(network, "a.example b.example", "a.example b.example"));
	assert_false(http_host_is_ours(network, NULL, "evil.example"));
	assert_false(http_host_is_ours(network, NULL, "coord.example.net.evil.example"));
	assert_false(http_host_is_ours(network, NULL, "coord.example.net:8443@evil.example"));
	assert_false(http_host_is_ours(network, NULL, "coord.example.net,evil.example"));
	assert_false(http_host_is_ours(network, NULL, ""));
	assert_false(http_host_is_ours(network, NULL, "[::1"));
	assert_false(http_host_is_ours(network, NULL, ":443"));
	free(network);
	assert_true(http_origin_is_host("https://a.example:1", "a.example:1"));
	assert_false(http_origin_is_host("https://a.example", "a.example:1"));
	assert_false(http_origin_is_host("null", "null"));
	assert_false(http_origin_is_host("https://", ""));
}

static void test_guessing_is_slowed_down(void **state)
{
	struct login_throttle *throttle = calloc(1, sizeof(*throttle));
	struct ip_addr from;
	struct ip_addr neighbour;
	uint64_t now_ns = 1000 * NS_PER_S;

	(void)state;
	assert_non_null(throttle);
	assert_int_equal(addr_parse(&from, "2001:db8::1"), 0);
	assert_int_equal(addr_parse(&neighbour, "2001:db8::ffff"), 0);
	for (int i = 0; i < LOGIN_THROTTLE_BURST; i++) {
		assert_int_equal(login_throttle_wait(throttle, &from, now_ns), 0);
		login_throttle_failed(throttle, &from, now_ns);
	}
	assert_int_equal(login_throttle_wait(throttle, &from, now_ns), LOGIN_THROTTLE_S);
	/* The same customer; another one. */
	assert_int_equal(login_throttle_wait(throttle, &neighbour, now_ns), LOGIN_THROTTLE_S);
	assert_int_equal(addr_parse(&neighbour, "2001:db8:0:1::1"), 0);
	assert_int_equal(login_throttle_wait(throttle, &neighbour, now_ns), 0);
	now_ns += LOGIN_THROTTLE_S * NS_PER_S - 1;
	assert_int_equal(login_throttle_wait(throttle, &from, now_ns), 1);
	now_ns++;
	assert_int_equal(login_throttle_wait(throttle, &from, now_ns), 0);
	login_throttle_failed(throttle, &from, now_ns);
	assert_int_equal(login_throttle_wait(throttle, &from, now_ns), LOGIN_THROTTLE_S);
	/* However many there are, the table is as large. */
	for (uint32_t i = 0; i < 100000; i++) {
		struct ip_addr other = addr_from_v4(0x0a000000 + i);

		login_throttle_failed(throttle, &other, now_ns);
	}
	free(throttle);
}

static void test_metrics_are_escaped(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	metrics_begin(out, "a_total", "counter", "Help.");
	metrics_add(out, "a_total", "name", "x\"y\\z\n", 1e15);
	metrics_add2(out, "a_total", "p", "1", "q", "2", 0.25);
	fclose(out);
	assert_string_equal(text, "# HELP a_total Help.\n# TYPE a_total counter\n"
				  "a_total{name=\"x\\\"y\\\\z\\n\"} 1000000000000000\n"
				  "a_total{p=\"1\",q=\"2\"} 0.25\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_headers_hold_one_line),
		cmocka_unit_test(test_cookies),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_guessing_is_slowed_down),
		cmocka_unit_test(test_metrics_are_escaped),
	};

	return cmocka_run_group_tests_name("http_text", tests, NULL, NULL);
}
