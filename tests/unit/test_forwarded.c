#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "io/forwarded.h"

static struct prefix proxies[2];

static void expect(const char *from, const char *header, const char *client)
{
	struct endpoint endpoint = { .port = 1234 };
	char text[ADDR_TEXT_SIZE];

	assert_int_equal(addr_parse(&endpoint.addr, from), 0);
	forwarded_client(&endpoint, header, proxies, 2);
	assert_string_equal(addr_format(text, &endpoint.addr), client);
}

static void test_only_proxies_are_believed(void **state)
{
	(void)state;
	expect("10.0.0.1", "203.0.113.5", "203.0.113.5");
	expect("192.0.2.9", "203.0.113.5", "192.0.2.9");
	expect("fd00::1", "2001:db8::7", "2001:db8::7");
}

/* What stands in front of our own proxies' words is anybody's claim. */
static void test_the_last_stranger_counts(void **state)
{
	(void)state;
	expect("10.0.0.1", "127.0.0.1, 203.0.113.5", "203.0.113.5");
	expect("10.0.0.1", "198.51.100.1, 203.0.113.5,10.9.9.9", "203.0.113.5");
	expect("10.0.0.1", "10.0.0.7", "10.0.0.7");
	expect("10.0.0.1", "::ffff:203.0.113.5", "203.0.113.5");
}

static void test_forms(void **state)
{
	(void)state;
	expect("10.0.0.1", "203.0.113.5:8080", "203.0.113.5");
	expect("10.0.0.1", " [2001:db8::7]:443\t", "2001:db8::7");
	expect("10.0.0.1", "[2001:db8::7]", "2001:db8::7");
}

static void test_rubbish_ends_the_walk(void **state)
{
	char huge[FORWARDED_HEADER_MAX + 20];

	(void)state;
	expect("10.0.0.1", "", "10.0.0.1");
	expect("10.0.0.1", ",", "10.0.0.1");
	expect("10.0.0.1", "unknown", "10.0.0.1");
	expect("10.0.0.1", "203.0.113.5,", "10.0.0.1");
	expect("10.0.0.1", "203.0.113.5, _hidden, 10.0.0.2", "10.0.0.2");
	expect("10.0.0.1", "[", "10.0.0.1");
	memset(huge, ',', sizeof(huge));
	strcpy(huge + sizeof(huge) - 12, "203.0.113.5");
	expect("10.0.0.1", huge, "10.0.0.1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_proxies_are_believed),
		cmocka_unit_test(test_the_last_stranger_counts),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_rubbish_ends_the_walk),
	};

	if (prefix_parse(&proxies[0], "10.0.0.0/8") < 0 ||
	    prefix_parse(&proxies[1], "fd00::/64") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
