#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/rng.h"
#include "proto/allowedips.h"

#define OWNERS 200

static struct allowedips *table;
static struct allowedips_owner owners[OWNERS];

static int setup(void **state)
{
	(void)state;
	table = allowedips_new();
	memset(owners, 0, sizeof(owners));
	return table ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	allowedips_free(table);
	allowedips_free(NULL);
	return 0;
}

static void insert(const char *text, int owner)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(&prefix, text), 0);
	assert_int_equal(allowedips_insert(table, &prefix, &owners[owner]), 0);
}

static void drop(const char *text, int owner)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(&prefix, text), 0);
	allowedips_remove(table, &prefix, &owners[owner]);
}

/* -1: nobody. */
static int owner_in(const struct allowedips *from, const char *text)
{
	struct allowedips_owner *owner;
	struct ip_addr addr;

	assert_int_equal(addr_parse(&addr, text), 0);
	owner = allowedips_lookup(from, &addr);
	return owner ? (int)(owner - owners) : -1;
}

static int owner_of(const char *text)
{
	return owner_in(table, text);
}

static void test_longest_prefix(void **state)
{
	(void)state;
	assert_int_equal(owner_of("192.168.4.20"), -1);
	insert("192.168.4.0/24", 0);
	insert("192.168.4.4/32", 1);
	insert("192.168.0.0/16", 2);
	insert("192.95.5.64/27", 3);
	insert("0.0.0.0/0", 4);
	insert("64.15.112.0/20", 5);
	insert("64.15.123.211/32", 6);
	insert("2607:5300:60:6b00::c05f:543/128", 0);
	insert("2607:5300:60:6b00::/64", 1);
	insert("::/0", 2);
	assert_int_equal(owner_of("192.168.4.20"), 0);
	assert_int_equal(owner_of("192.168.4.4"), 1);
	assert_int_equal(owner_of("192.168.200.182"), 2);
	assert_int_equal(owner_of("192.95.5.93"), 3);
	assert_int_equal(owner_of("192.95.5.96"), 4);
	assert_int_equal(owner_of("64.15.116.26"), 5);
	assert_int_equal(owner_of("64.15.123.211"), 6);
	assert_int_equal(owner_of("8.8.8.8"), 4);
	assert_int_equal(owner_of("2607:5300:60:6b00::c05f:543"), 0);
	assert_int_equal(owner_of("2607:5300:60:6b00::c02e:1ee"), 1);
	assert_int_equal(owner_of("2001::1"), 2);
	assert_int_equal(allowedips_count(table), 10);
}

/* A v6 prefix whose bits look like a v4 one's must not be mixed up with it. */
static void test_families_are_apart(void **state)
{
	struct prefix prefix;
	size_t cursor = 0;

	(void)state;
	insert("10.0.0.0/8", 0);
	insert("a00::/8", 1);
	assert_int_equal(owner_of("10.1.2.3"), 0);
	assert_int_equal(owner_of("a00::1"), 1);
	assert_true(allowedips_next(table, &owners[1], &cursor, &prefix));
	assert_int_equal(prefix.addr.family, AF_INET6);
	assert_int_equal(prefix.len, 8);
	assert_false(allowedips_next(table, &owners[1], &cursor, &prefix));
	drop("10.0.0.0/8", 0);
	assert_int_equal(owner_of("10.1.2.3"), -1);
	assert_int_equal(owner_of("a00::1"), 1);
}

static void test_taken_over(void **state)
{
	struct prefix prefix;
	size_t cursor = 0;

	(void)state;
	insert("10.0.0.0/24", 0);
	insert("10.0.0.0/24", 1);
	assert_int_equal(owner_of("10.0.0.1"), 1);
	assert_false(allowedips_next(table, &owners[0], &cursor, &prefix));
	/* Who lost it cannot remove it. */
	drop("10.0.0.0/24", 0);
	assert_int_equal(owner_of("10.0.0.1"), 1);
	drop("10.0.0.0/25", 1);
	assert_int_equal(owner_of("10.0.0.1"), 1);
	drop("10.0.0.0/24", 1);
	assert_int_equal(owner_of("10.0.0.1"), -1);
	assert_int_equal(allowedips_count(table), 0);
}

static void test_remove_owner(void **state)
{
	(void)state;
	insert("1.0.0.0/8", 0);
	insert("1.1.0.0/16", 1);
	insert("1.1.1.0/24", 0);
	insert("fd00::/8", 0);
	allowedips_remove_owner(table, &owners[0]);
	assert_int_equal(owner_of("1.1.1.1"), 1);
	assert_int_equal(owner_of("1.2.1.1"), -1);
	assert_int_equal(owner_of("fd00::1"), -1);
	assert_int_equal(allowedips_count(table), 1);
	allowedips_remove_owner(table, &owners[0]);
}

static void test_walk_removing(void **state)
{
	struct prefix prefix;
	size_t cursor = 0;
	int count = 0;

	(void)state;
	insert("10.0.0.0/8", 0);
	insert("10.1.0.0/16", 0);
	insert("fd00::1/128", 0);
	while (allowedips_next(table, &owners[0], &cursor, &prefix)) {
		allowedips_remove(table, &prefix, &owners[0]);
		count++;
	}
	assert_int_equal(count, 3);
	assert_int_equal(allowedips_count(table), 0);
}

static void test_copy_is_a_snapshot(void **state)
{
	struct allowedips *copy;

	(void)state;
	insert("10.0.0.0/8", 0);
	insert("fd00::/8", 1);
	copy = allowedips_copy(table);
	assert_non_null(copy);
	insert("10.0.0.0/8", 2);
	insert("10.1.0.0/16", 2);
	drop("fd00::/8", 1);
	assert_int_equal(owner_in(copy, "10.1.2.3"), 0);
	assert_int_equal(owner_in(copy, "fd00::1"), 1);
	assert_int_equal(owner_of("10.1.2.3"), 2);
	assert_int_equal(owner_of("fd00::1"), -1);
	allowedips_free(copy);
}

static void test_refuses_no_address(void **state)
{
	struct prefix none = { 0 };
	struct ip_addr nowhere = { 0 };

	(void)state;
	assert_int_equal(allowedips_insert(table, &none, &owners[0]), -EINVAL);
	allowedips_remove(table, &none, &owners[0]);
	assert_null(allowedips_lookup(table, &nowhere));
}

/* The plainest table: a list, searched for the longest match. */
struct rule {
	struct prefix prefix;
	int owner;
};

static int oracle_lookup(const struct rule *rules, int count, const struct ip_addr *addr)
{
	int best = -1, best_len = -1;

	for (int i = 0; i < count; i++) {
		if (rules[i].owner < 0 || !prefix_contains(&rules[i].prefix, addr) ||
		    rules[i].prefix.len <= best_len)
			continue;
		best = rules[i].owner;
		best_len = rules[i].prefix.len;
	}
	return best;
}

static struct ip_addr random_addr(const struct rng *rng)
{
	uint8_t bytes[16];

	/* Few distinct values, so that prefixes nest and addresses hit. */
	for (int i = 0; i < 16; i++)
		bytes[i] = (uint8_t)(rng_below(rng, 3) * 0x55 + rng_below(rng, 2));
	return addr_from_bytes(rng_below(rng, 2) ? AF_INET : AF_INET6, bytes);
}

static int oracle_add(struct rule *rules, int count, const struct prefix *prefix, int owner)
{
	for (int i = 0; i < count; i++) {
		if (prefix_equal(&rules[i].prefix, prefix)) {
			rules[i].owner = owner;
			return count;
		}
	}
	rules[count] = (struct rule){ .prefix = *prefix, .owner = owner };
	return count + 1;
}

static void compare(const struct rule *rules, int count, const struct rng *rng, int queries)
{
	for (int i = 0; i < queries; i++) {
		struct ip_addr addr = random_addr(rng);
		struct allowedips_owner *found = allowedips_lookup(table, &addr);

		assert_int_equal(found ? (int)(found - owners) : -1,
				 oracle_lookup(rules, count, &addr));
	}
}

static void test_against_oracle(void **state)
{
	enum { RULES = 2000 };
	struct rule *rules = calloc(RULES, sizeof(*rules));
	struct rng_seeded seeded;
	struct rng rng;
	int count = 0;

	(void)state;
	assert_non_null(rules);
	rng_seeded_init(&seeded, 7);
	rng = rng_from_seeded(&seeded);
	for (int i = 0; i < RULES; i++) {
		struct ip_addr addr = random_addr(&rng);
		struct prefix prefix =
			prefix_from_addr(&addr, rng_below(&rng, (uint32_t)addr_len(&addr) * 8 + 1));
		int owner = (int)rng_below(&rng, OWNERS);

		assert_int_equal(allowedips_insert(table, &prefix, &owners[owner]), 0);
		count = oracle_add(rules, count, &prefix, owner);
	}
	compare(rules, count, &rng, 20000);
	/* Half of it goes again, by prefix and by owner. */
	for (int i = 0; i < count; i += 3) {
		if (rules[i].owner < 0)
			continue;
		allowedips_remove(table, &rules[i].prefix, &owners[rules[i].owner]);
		rules[i].owner = -1;
	}
	for (int owner = 0; owner < OWNERS; owner += 4) {
		allowedips_remove_owner(table, &owners[owner]);
		for (int i = 0; i < count; i++)
			if (rules[i].owner == owner)
				rules[i].owner = -1;
	}
	compare(rules, count, &rng, 20000);
	for (int owner = 0; owner < OWNERS; owner++)
		allowedips_remove_owner(table, &owners[owner]);
	assert_int_equal(allowedips_count(table), 0);
	free(rules);
}

/* Freed nodes are used again: a table that is changed forever does not grow. */
static void test_nodes_are_reused(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3 * ALLOWEDIPS_NODES_MAX; i++) {
		struct ip_addr addr = addr_from_v4(i * 2654435761U);
		struct prefix prefix = prefix_from_addr(&addr, 32);

		assert_int_equal(allowedips_insert(table, &prefix, &owners[0]), 0);
		if (allowedips_count(table) > 3)
			allowedips_remove_owner(table, &owners[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_longest_prefix, setup, teardown),
		cmocka_unit_test_setup_teardown(test_families_are_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_taken_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(test_walk_removing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copy_is_a_snapshot, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses_no_address, setup, teardown),
		cmocka_unit_test_setup_teardown(test_against_oracle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nodes_are_reused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
