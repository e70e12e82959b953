#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "crypto/rng.h"
#include "proto/ice_budget.h"

#define T0 (1000 * NS_PER_S)

static struct rng_seeded seeded;

static struct ice_budget *new_budget(void)
{
	struct ice_budget *budget;
	struct rng rng;

	rng_seeded_init(&seeded, 7);
	rng = rng_from_seeded(&seeded);
	budget = ice_budget_new(&rng);
	assert_non_null(budget);
	return budget;
}

/* How many are allowed within so long, asked as often as it says. */
static unsigned int drain(struct ice_budget *budget, const struct ip_addr *addr, uint64_t from_ns,
			  uint64_t span_ns)
{
	unsigned int count = 0;

	for (uint64_t now = from_ns; now < from_ns + span_ns;) {
		uint64_t wait_ns = ice_budget_take(budget, addr, now);

		count += wait_ns == 0;
		now += wait_ns;
	}
	return count;
}

static void one_address_gets_few(void **state)
{
	struct ice_budget *budget = new_budget();
	struct ip_addr victim = addr_from_v4(0xcb007101);

	(void)state;
	assert_int_equal(drain(budget, &victim, T0, NS_PER_S),
			 ICE_BUDGET_ADDR_BURST + ICE_BUDGET_ADDR_RATE - 1);
	assert_int_equal(drain(budget, &victim, T0 + NS_PER_S, 10 * NS_PER_S),
			 10 * ICE_BUDGET_ADDR_RATE);
	ice_budget_free(budget);
}

static void all_addresses_get_so_many(void **state)
{
	struct ice_budget *budget = new_budget();
	unsigned int count = 0;

	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		struct ip_addr addr = addr_from_v4(0xcb000000 + i);

		count += ice_budget_take(budget, &addr, T0) == 0;
	}
	assert_int_equal(count, ICE_BUDGET_BURST);
	for (uint32_t i = 0; i < 20000; i++) {
		struct ip_addr addr = addr_from_v4(0xcb000000 + i);

		count += ice_budget_take(budget, &addr, T0 + NS_PER_S) == 0;
	}
	assert_int_equal(count, ICE_BUDGET_BURST + ICE_BUDGET_RATE);
	ice_budget_free(budget);
}

static void who_answers_is_not_counted(void **state)
{
	struct ice_budget *budget = new_budget();
	struct ip_addr peer = addr_from_v4(0xcb007101), victim = addr_from_v4(0xcb007102);
	uint64_t later = T0 + ICE_BUDGET_PROVEN_S * NS_PER_S;

	(void)state;
	ice_budget_prove(budget, &peer, T0);
	for (unsigned int i = 0; i < 2 * ICE_BUDGET_BURST; i++)
		assert_true(ice_budget_take(budget, &peer, T0) == 0);
	assert_true(ice_budget_take(budget, &victim, T0) == 0);
	/* Addresses change hands. */
	assert_int_equal(drain(budget, &peer, later, NS_PER_MS), ICE_BUDGET_ADDR_BURST);
	ice_budget_free(budget);
}

static void no_budget_allows_all(void **state)
{
	struct ip_addr addr = addr_from_v4(0xcb007101);

	(void)state;
	assert_true(ice_budget_take(NULL, &addr, T0) == 0);
	ice_budget_prove(NULL, &addr, T0);
	ice_budget_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_address_gets_few),
		cmocka_unit_test(all_addresses_get_so_many),
		cmocka_unit_test(who_answers_is_not_counted),
		cmocka_unit_test(no_budget_allows_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
