#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	assert_int_equal(addr_parse(&a, text), 0);
	return a;
}

static void text_round_trips(void **state)
{
	static const char *const good[] = { "0.0.0.0", "192.0.2.1", "::", "2001:db8::1",
					    "fe80::1" };
	char text[ADDR_TEXT_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct ip_addr a = addr(good[i]);

		assert_string_equal(addr_format(text, &a), good[i]);
	}
}

static void garbage_is_refused(void **state)
{
	static const char *const bad[] = { "",    "1.2.3", "1.2.3.4.5", "256.1.1.1",
					   "::g", "[::1]", "1.2.3.4 ",  "host" };
	struct ip_addr a;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_true(addr_parse(&a, bad[i]) < 0);
}

static void v4_mapped_becomes_v4(void **state)
{
	struct ip_addr mapped = addr("::ffff:10.1.2.3"), plain = addr("10.1.2.3");

	(void)state;
	assert_true(addr_equal(&mapped, &plain));
}

static void kinds_are_told_apart(void **state)
{
	static const char *const not_unicast[] = { "127.0.0.1", "::1",       "169.254.1.1",
						   "fe80::1",   "224.0.0.1", "ff02::1",
						   "0.0.0.0",   "::",        "255.255.255.255" };
	struct ip_addr a;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(not_unicast) / sizeof(*not_unicast); i++) {
		a = addr(not_unicast[i]);
		assert_false(addr_is_unicast(&a));
	}
	a = addr("203.0.113.9");
	assert_true(addr_is_unicast(&a));
	a = addr("fd00::1");
	assert_true(addr_is_unicast(&a));
}

static void endpoints_parse_and_format(void **state)
{
	static const char *const good[] = { "192.0.2.1:51820", "[2001:db8::1]:443", "0.0.0.0:0" };
	static const char *const bad[] = { "192.0.2.1",
					   "192.0.2.1:",
					   "192.0.2.1:65536",
					   "2001:db8::1:443",
					   "[::1:443",
					   "[::1]",
					   ":80",
					   "1.2.3.4:+1",
					   "[]:1" };
	char text[ENDPOINT_TEXT_SIZE];
	struct endpoint ep, back;
	struct sockaddr_storage ss;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(endpoint_parse(&ep, good[i]), 0);
		assert_string_equal(endpoint_format(text, &ep), good[i]);
		assert_true(endpoint_to_sockaddr(&ss, &ep) > 0);
		assert_int_equal(endpoint_from_sockaddr(&back, (struct sockaddr *)&ss), 0);
		assert_true(endpoint_equal(&ep, &back));
	}
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_true(endpoint_parse(&ep, bad[i]) < 0);
}

static void prefixes_parse_strictly(void **state)
{
	static const char *const bad[] = { "10.0.0.1/8", "10.0.0.0/33", "2001:db8::/129",
					   "10.0.0.0/",  "10.0.0.0/-1", "/8" };
	struct prefix p;
	char text[PREFIX_TEXT_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_true(prefix_parse(&p, bad[i]) < 0);
	assert_int_equal(prefix_parse(&p, "10.20.0.0/14"), 0);
	assert_string_equal(prefix_format(text, &p), "10.20.0.0/14");
	assert_int_equal(prefix_parse(&p, "192.0.2.7"), 0);
	assert_int_equal(p.len, 32);
}

static void prefixes_contain_and_overlap(void **state)
{
	struct prefix wide, narrow, other, all;
	struct ip_addr in = addr("10.23.255.255"), out = addr("10.24.0.0"), six = addr("2001::");

	(void)state;
	assert_int_equal(prefix_parse(&wide, "10.20.0.0/14"), 0);
	assert_int_equal(prefix_parse(&narrow, "10.21.3.0/24"), 0);
	assert_int_equal(prefix_parse(&other, "10.24.0.0/14"), 0);
	assert_int_equal(prefix_parse(&all, "0.0.0.0/0"), 0);
	assert_true(prefix_contains(&wide, &in));
	assert_false(prefix_contains(&wide, &out));
	assert_false(prefix_contains(&all, &six));
	assert_true(prefix_overlaps(&wide, &narrow));
	assert_true(prefix_overlaps(&narrow, &wide));
	assert_false(prefix_overlaps(&wide, &other));
	assert_true(prefix_overlaps(&all, &other));
}

static void test_private_and_global(void **state)
{
	static const struct {
		const char *text;
		bool private, global; /* global is asked of IPv4 only */
	} cases[] = {
		{ "9.255.255.255", false, true },    { "10.0.0.0", true, false },
		{ "100.63.255.255", false, true },   { "100.64.0.0", true, false },
		{ "100.127.255.255", true, false },  { "100.128.0.0", false, true },
		{ "172.15.0.1", false, true },       { "172.16.0.1", true, false },
		{ "172.31.255.1", true, false },     { "172.32.0.1", false, true },
		{ "192.168.0.1", true, false },      { "192.169.0.1", false, true },
		{ "169.254.1.1", true, false },      { "127.0.0.1", false, false },
		{ "0.1.2.3", false, false },         { "224.0.0.1", false, false },
		{ "255.255.255.255", false, false }, { "223.255.255.255", false, true },
		{ "fd00::1", true, false },          { "fe80::1", true, false },
		{ "2001:db8::1", false, false },
	};
	struct ip_addr addr;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(addr_parse(&addr, cases[i].text), 0);
		assert_int_equal(addr_is_private(&addr), cases[i].private);
		assert_int_equal(addr_is_global(&addr), cases[i].global);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_round_trips),
		cmocka_unit_test(garbage_is_refused),
		cmocka_unit_test(v4_mapped_becomes_v4),
		cmocka_unit_test(kinds_are_told_apart),
		cmocka_unit_test(endpoints_parse_and_format),
		cmocka_unit_test(prefixes_parse_strictly),
		cmocka_unit_test(prefixes_contain_and_overlap),
		cmocka_unit_test(test_private_and_global),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
