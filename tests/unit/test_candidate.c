/* Candidate lines (RFC 8839) and the descriptions that carry them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/candidate.h"
#include "proto/ice_description.h"

static void test_lines_round_trip(void **state)
{
	static const char *const lines[] = {
		"candidate:1 1 udp 2130706431 203.0.113.141 8998 typ host",
		"candidate:2 1 udp 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998",
		"candidate:a+/Z 1 udp 1 2001:db8::1 1 typ prflx raddr 0.0.0.0 rport 9",
	};
	char out[CANDIDATE_LINE_SIZE];
	struct candidate c;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(candidate_parse(&c, lines[i]), 0);
		assert_string_equal(candidate_format(out, &c), lines[i]);
	}
	assert_int_equal(candidate_parse(&c, lines[2]), 0);
	assert_int_equal(c.related.addr.family, 0);
	assert_string_equal(candidate_format(out, &c),
			    "candidate:a+/Z 1 udp 1 2001:db8::1 1 typ prflx raddr :: rport 9");
}

static void test_lines_accepted(void **state)
{
	struct candidate c;

	(void)state;
	assert_int_equal(candidate_parse(&c,
					 "candidate:1 1 UDP 5 192.0.2.1 8 typ host ufrag x y z"),
			 0);
	assert_int_equal(c.priority, 5);
	assert_int_equal(candidate_parse(&c,
					 "candidate:1 1 tcp 5 192.0.2.1 9 typ host tcptype active"),
			 -EAFNOSUPPORT);
	assert_int_equal(candidate_parse(&c, "candidate:1 2 udp 5 192.0.2.1 9 typ host"),
			 -EAFNOSUPPORT);
	assert_int_equal(candidate_parse(&c, "candidate:1 1 udp 5 192.0.2.1 9 typ token"),
			 -EAFNOSUPPORT);
	assert_int_equal(candidate_parse(&c, "candidate:1 1 udp 5 a1b2-c3.local 9 typ host"),
			 -EAFNOSUPPORT);
}

static void test_lines_refused(void **state)
{
	static const char *const lines[] = {
		"",
		"candidate:",
		"candidate:1 1 udp 5 192.0.2.1 9 typ",
		"candidate:1  1 udp 5 192.0.2.1 9 typ host",
		" candidate:1 1 udp 5 192.0.2.1 9 typ host",
		"candidate:1 1 udp 5 192.0.2.1 9 typ host ",
		"candidate:1 1 udp 5 192.0.2.1 9 typ host odd",
		"candidate:1 1 udp 5 192.0.2.1 0 typ host",
		"candidate:1 1 udp 5 192.0.2.1 65536 typ host",
		"candidate:1 1 udp 0 192.0.2.1 9 typ host",
		"candidate:1 1 udp 2147483648 192.0.2.1 9 typ host",
		"candidate:1 1 udp -5 192.0.2.1 9 typ host",
		"candidate:1 0 udp 5 192.0.2.1 9 typ host",
		"candidate:1 257 udp 5 192.0.2.1 9 typ host",
		"candidate:! 1 udp 5 192.0.2.1 9 typ host",
		"candidate:123456789012345678901234567890123 1 udp 5 192.0.2.1 9 typ host",
		"candidate:1 1 udp 5 192.0.2.256 9 typ host",
		"candidate:1 1 udp 5 example.org 9 typ host",
		"candidate:1 1 udp 5 192.0.2.1 9 typ srflx",
		"candidate:1 1 udp 5 192.0.2.1 9 typ srflx raddr 1.2.3.4",
		"candidate:1 1 udp 5 192.0.2.1 9 typ srflx raddr 1.2.3 rport 4",
		"candidate:1 1 udp 5 192.0.2.1 9 type host",
	};
	struct candidate c = { .priority = 77 };

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(candidate_parse(&c, lines[i]), -EINVAL);
	assert_int_equal(c.priority, 77);
}

/* RFC 8445 sections 5.1.2.1 and 5.1.2.2. */
static void test_priority(void **state)
{
	(void)state;
	assert_int_equal(candidate_priority(CANDIDATE_HOST, 65535), 2130706431);
	assert_true(candidate_priority(CANDIDATE_PRFLX, 0) >
		    candidate_priority(CANDIDATE_SRFLX, 65535));
	assert_true(candidate_priority(CANDIDATE_SRFLX, 0) >
		    candidate_priority(CANDIDATE_RELAY, 65535));
}

static void test_foundation(void **state)
{
	struct candidate a = { .type = CANDIDATE_SRFLX }, b = a;
	struct ip_addr one = addr_from_v4(1), two = addr_from_v4(2);

	(void)state;
	candidate_set_foundation(&a, &one);
	candidate_set_foundation(&b, &one);
	assert_string_equal(a.foundation, b.foundation);
	candidate_set_foundation(&b, &two);
	assert_string_not_equal(a.foundation, b.foundation);
}

static bool allowed(const char *text)
{
	struct prefix overlay[2];
	struct endpoint ep;

	assert_int_equal(prefix_parse(&overlay[0], "100.64.0.0/10"), 0);
	assert_int_equal(prefix_parse(&overlay[1], "fd77::/48"), 0);
	assert_int_equal(endpoint_parse(&ep, text), 0);
	return candidate_addr_allowed(&ep, overlay, 2);
}

static void test_addresses(void **state)
{
	static const char *const good[] = { "192.0.2.1:1", "10.0.0.1:65535", "[2001:db8::1]:1",
					    "[fe80::1]:1", "[fd78::1]:1" };
	static const char *const bad[] = {
		"127.0.0.1:1",
		"0.0.0.0:1",
		"0.1.2.3:1",
		"255.255.255.255:1",
		"224.0.0.1:1",
		"240.0.0.1:1",
		"169.254.1.1:1",
		"192.0.2.1:0",
		"100.64.0.1:1",
		"100.127.0.1:1",
		"[fd77::1]:1",
		"[::1]:1",
		"[::]:1",
		"[::192.0.2.1]:1",
		"[fec0::1]:1",
		"[ff02::1]:1",
		"[::ffff:127.0.0.1]:1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(allowed(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(allowed(bad[i]));
}

static struct ice_description sample(void)
{
	struct ice_description d = { .instance = 0xfffffffe, .generation = 3, .count = 1 };

	strcpy(d.ufrag, "abcd");
	strcpy(d.pwd, "0123456789012345678901");
	assert_int_equal(candidate_parse(&d.candidates[0],
					 "candidate:1 1 udp 5 192.0.2.1 9 typ host"),
			 0);
	return d;
}

static void test_description_round_trip(void **state)
{
	struct ice_description d = sample(), got;
	char text[ICE_DESCRIPTION_TEXT_MAX];
	size_t len;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ice_description_encode(&d, text, sizeof(text), &len), 0);
		assert_int_equal(strlen(text), len);
		assert_int_equal(ice_description_decode(&got, text, len), 0);
		assert_memory_equal(&got, &d, sizeof(d));
		strcpy(d.answers, "wxyz+/");
		d.end = true;
		d.udp_blocked = true;
	}
	assert_int_equal(ice_description_encode(&d, text, 10, &len), -ENOSPC);
}

static void test_description_full_fits(void **state)
{
	struct ice_description d = sample(), got;
	char text[ICE_DESCRIPTION_TEXT_MAX];
	size_t len;

	(void)state;
	for (d.count = 0; d.count < ICE_CANDIDATES_MAX; d.count++)
		assert_int_equal(
			candidate_parse(&d.candidates[d.count],
					"candidate:01234567 1 udp 1694498815 "
					"2001:db8:1234:5678:9abc:def0:1234:5678 65535 typ srflx "
					"raddr 2001:db8:1234:5678:9abc:def0:1234:5678 rport 65535"),
			0);
	assert_int_equal(ice_description_encode(&d, text, sizeof(text), &len), 0);
	assert_int_equal(ice_description_decode(&got, text, len), 0);
	assert_int_equal(got.count, ICE_CANDIDATES_MAX);
}

static void test_description_refused(void **state)
{
#define CREDS "\"ufrag\":\"abcd\",\"pwd\":\"0123456789012345678901\","
	static const char *const texts[] = {
		"",
		"[]",
		"{}",
		"{" CREDS "\"instance\":1,\"generation\":1,\"candidates\":[]}x",
		"{" CREDS "\"instance\":1,\"generation\":1}",
		"{" CREDS "\"instance\":-1,\"generation\":1,\"candidates\":[]}",
		"{" CREDS "\"instance\":4294967296,\"generation\":1,\"candidates\":[]}",
		"{" CREDS "\"instance\":1,\"generation\":1.5,\"candidates\":[]}",
		"{" CREDS "\"instance\":1,\"generation\":1,\"candidates\":[1]}",
		"{" CREDS "\"instance\":1,\"generation\":1,\"candidates\":[\"x\"]}",
		"{" CREDS "\"instance\":1,\"generation\":1,\"candidates\":[],\"end\":1}",
		"{" CREDS "\"instance\":1,\"generation\":1,\"candidates\":[],\"udp\":0}",
		"{" CREDS "\"instance\":1,\"generation\":1,\"candidates\":[],\"answers\":\"\"}",
		"{\"ufrag\":\"abc\",\"pwd\":\"0123456789012345678901\",\"instance\":1,\"generation\":1,"
		"\"candidates\":[]}",
		"{\"ufrag\":\"abcd\",\"pwd\":\"012345678901234567890\",\"instance\":1,\"generation\":1,"
		"\"candidates\":[]}",
		"{\"ufrag\":\"ab:d\",\"pwd\":\"0123456789012345678901\",\"instance\":1,\"generation\":1,"
		"\"candidates\":[]}",
	};
	struct ice_description d = { .generation = 9 };
	const char *good = "{" CREDS "\"instance\":1,\"generation\":1,\"candidates\":"
			   "[\"candidate:1 1 tcp 5 192.0.2.1 9 typ host\"],\"future\":{}}";

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(ice_description_decode(&d, texts[i], strlen(texts[i])), -EBADMSG);
	assert_int_equal(d.generation, 9);
	assert_int_equal(ice_description_decode(&d, good, strlen(good)), 0);
	assert_int_equal(d.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_round_trip),
		cmocka_unit_test(test_lines_accepted),
		cmocka_unit_test(test_lines_refused),
		cmocka_unit_test(test_priority),
		cmocka_unit_test(test_foundation),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_description_round_trip),
		cmocka_unit_test(test_description_full_fits),
		cmocka_unit_test(test_description_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
