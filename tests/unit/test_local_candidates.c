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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_latest_answer_of_a_server_counts),
		cmocka_unit_test(the_table_never_overflows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
