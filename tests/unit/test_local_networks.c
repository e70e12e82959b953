#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/local_networks.h"

static struct local_networks local;

static bool refused(const char *text)
{
	char why[LOCAL_REFUSAL_SIZE] = "";
	struct ip_addr addr;
	bool answer;

	assert_int_equal(addr_parse(&addr, text), 0);
	answer = local_networks_refuse(&local, &addr, why);
	assert_int_equal(answer, why[0] != '\0');
	return answer;
}

static void an_address_that_is_no_nodes_is_refused(void **state)
{
	static const char *const bad[] = { "127.0.0.1",   "::1",     "224.0.0.1",
					   "ff02::1",     "0.0.0.0", "::",
					   "169.254.1.1", "fe80::1", "255.255.255.255" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_true(refused(bad[i]));
	assert_false(refused("100.64.0.1"));
	assert_false(refused("fd00::1"));
}

static void networks_and_gateways_of_the_host_are_refused(void **state)
{
	(void)state;
	assert_int_equal(prefix_parse(&local.networks[0], "192.168.1.0/24"), 0);
	assert_int_equal(prefix_parse(&local.networks[1], "2001:db8::/64"), 0);
	local.network_count = 2;
	assert_int_equal(addr_parse(&local.gateways[0], "203.0.113.1"), 0);
	local.gateway_count = 1;
	assert_true(refused("192.168.1.77"));
	assert_true(refused("2001:db8::5"));
	assert_true(refused("203.0.113.1"));
	assert_false(refused("203.0.113.2"));
	assert_false(refused("192.168.2.1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_that_is_no_nodes_is_refused),
		cmocka_unit_test(networks_and_gateways_of_the_host_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
