#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/local_candidates.h"

static struct endpoint at(const char *text)
{
	struct endpoint ep;

	assert_int_equal(endpoint_parse(&ep, text), 0);
	return ep;
}

static void the_latest_answer_of_a_server_counts(void **state)
{
	struct local_candidates c = { 0 };
	struct endpoint base = at("192.168.1.2:41641");
	struct endpoint first = at("203.0.113.5:1000"), second = at("203.0.113.5:2000");
	struct ip_addr server = at("198.51.100.1:3478").addr;
	struct ip_addr other = at("198.51.100.2:3478").addr;

	(void)state;
	assert_true(local_candidates_mapped(&c, &first, &base, &server));
	assert_false(local_candidates_mapped(&c, &first, &base, &server));
	assert_true(local_candidates_mapped(&c, &second, &base, &server));
	assert_int_equal(c.reflexive_count, 1);
	assert_true(local_candidates_mapped(&c, &first, &base, &other));
	assert_int_equal(c.reflexive_count, 2);
}

static void the_table_never_overflows(void **state)
{
	struct local_candidates c = { 0 };
	struct endpoint base = at("192.168.1.2:41641"), mapped = at("203.0.113.5:1000");
	struct ip_addr server;
	uint32_t i;

	(void)state;
	for (i = 1; i < 50; i++) {
		server = addr_from_v4(0xc6336400 + i);
		local_candidates_mapped(&c, &mapped, &base, &server);
		assert_true(c.reflexive_count <= LOCAL_REFLEXIVE_MAX);
	}
}

static void what_a_router_opened_comes_and_goes(void **state)
{
	struct local_candidates c = { 0 };
	struct endpoint base = at("192.168.1.2:41641"), external = at("203.0.113.5:41641");
	struct endpoint base6 = at("[2001:db8::2]:41641"), external6 = at("[2001:db8:1::2]:41641");

	(void)state;
	assert_false(local_candidates_opened(&c, AF_INET, NULL, &base));
	assert_true(local_candidates_opened(&c, AF_INET, &external, &base));
	assert_false(local_candidates_opened(&c, AF_INET, &external, &base));
	assert_true(local_candidates_opened(&c, AF_INET6, &external6, &base6));
	assert_true(endpoint_equal(&c.opened[0].external, &external));
	assert_true(local_candidates_opened(&c, AF_INET, NULL, &base));
	assert_int_equal(c.opened[0].external.addr.family, 0);
	assert_true(endpoint_equal(&c.opened[1].external, &external6));
}

static void a_router_may_be_contradicted(void **state)
{
	struct local_candidates c = { 0 };
	struct endpoint base = at("192.168.1.2:41641"), seen = at("203.0.113.5:1000");
	struct endpoint other_base = at("10.0.0.2:41641"), other = at("198.51.100.7:2000");
	struct ip_addr server = at("198.51.100.1:3478").addr;

	(void)state;
	assert_false(local_candidates_contradict(&c, &base, &other.addr)); /* nothing is known */
	local_candidates_mapped(&c, &seen, &base, &server);
	assert_false(local_candidates_contradict(&c, &base, &seen.addr));
	assert_true(local_candidates_contradict(&c, &base, &other.addr));
	assert_false(local_candidates_contradict(&c, &other_base, &other.addr));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_latest_answer_of_a_server_counts),
		cmocka_unit_test(the_table_never_overflows),
		cmocka_unit_test(what_a_router_opened_comes_and_goes),
		cmocka_unit_test(a_router_may_be_contradicted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
