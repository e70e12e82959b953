#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "proto/nat_mapping.h"

#define NOW (1000 * NS_PER_S)

static struct endpoint at(const char *text)
{
	struct endpoint ep;

	assert_int_equal(endpoint_parse(&ep, text), 0);
	return ep;
}

static void sees(struct nat_mapping *nm, const char *server, const char *mapped, uint64_t now_ns)
{
	const struct endpoint base = at("192.168.1.2:41641"), s = at(server), m = at(mapped);

	nat_mapping_observe(nm, &base, &s, &m, now_ns);
}

static struct nat_report report(const struct nat_mapping *nm, uint64_t now_ns)
{
	const struct endpoint base = at("192.168.1.2:41641");

	return nat_mapping_report(nm, &base, now_ns);
}

static void one_address_tells_little(void **state)
{
	struct nat_mapping nm = { 0 };

	(void)state;
	assert_int_equal(report(&nm, NOW).mapping, NAT_UNKNOWN);
	sees(&nm, "198.51.1.1:3478", "198.51.2.2:41641", NOW);
	assert_int_equal(report(&nm, NOW).mapping, NAT_UNKNOWN);
	assert_int_equal(report(&nm, NOW).port, 41641);
	assert_true(report(&nm, NOW).keeps_port);
	/* Its second port excludes one of three. */
	sees(&nm, "198.51.1.1:3479", "198.51.2.2:41641", NOW);
	assert_int_equal(report(&nm, NOW).mapping, NAT_UNKNOWN);
	sees(&nm, "198.51.9.1:3478", "198.51.2.2:41641", NOW);
	assert_int_equal(report(&nm, NOW).mapping, NAT_ENDPOINT_INDEPENDENT);
}

static void another_port_another_mapping(void **state)
{
	struct nat_mapping nm = { 0 };

	(void)state;
	sees(&nm, "198.51.1.1:3478", "198.51.2.2:41641", NOW);
	sees(&nm, "198.51.1.1:3479", "198.51.2.2:20001", NOW);
	assert_int_equal(report(&nm, NOW).mapping, NAT_ADDRESS_PORT_DEPENDENT);
	assert_int_equal(report(&nm, NOW).port, 20001);
	assert_false(report(&nm, NOW).keeps_port);
	assert_int_equal(report(&nm, NOW).stride, 0);
}

static void another_address_another_mapping(void **state)
{
	struct nat_mapping nm = { 0 };

	(void)state;
	sees(&nm, "198.51.1.1:3478", "198.51.2.2:30000", NOW);
	sees(&nm, "198.51.1.1:3479", "198.51.2.2:30000", NOW);
	sees(&nm, "198.51.9.1:3478", "198.51.2.2:50000", NOW);
	assert_int_equal(report(&nm, NOW).mapping, NAT_ADDRESS_DEPENDENT);
	/* Several public addresses count as well. */
	nat_mapping_clear(&nm);
	sees(&nm, "198.51.1.1:3478", "198.51.2.2:30000", NOW);
	sees(&nm, "198.51.9.1:3478", "198.51.2.3:30000", NOW);
	assert_int_equal(report(&nm, NOW).mapping, NAT_ADDRESS_DEPENDENT);
}

static void without_a_nat_one_word_is_enough(void **state)
{
	const struct endpoint base = at("203.0.3.10:41641"), server = at("198.51.1.1:3478");
	struct nat_mapping nm = { 0 };

	(void)state;
	nat_mapping_observe(&nm, &base, &server, &base, NOW);
	assert_int_equal(nat_mapping_report(&nm, &base, NOW).mapping, NAT_ENDPOINT_INDEPENDENT);
	/* Another socket of ours is another matter. */
	assert_int_equal(report(&nm, NOW).mapping, NAT_UNKNOWN);
}

static void neighbours_teach_nothing(void **state)
{
	const struct endpoint base6 = at("[2001:db8::2]:41641"), server6 = at("[2001:db8::1]:3478");
	struct nat_mapping nm = { 0 };

	(void)state;
	sees(&nm, "192.168.1.7:41641", "192.168.1.2:41641", NOW);
	sees(&nm, "198.51.2.2:5000", "198.51.2.2:41641", NOW); /* hairpin */
	nat_mapping_observe(&nm, &base6, &server6, &base6, NOW);
	assert_int_equal(nm.count, 0);
}

static void an_old_word_is_not_held_against_a_new_one(void **state)
{
	struct nat_mapping nm = { 0 };
	const uint64_t later = NOW + 60 * NS_PER_S;

	(void)state;
	sees(&nm, "198.51.1.1:3478", "198.51.2.2:30000", NOW);
	sees(&nm, "198.51.9.1:3478", "198.51.2.2:30000", NOW);
	/* The NAT began anew: the second server has not been asked since. */
	sees(&nm, "198.51.1.1:3478", "198.51.2.2:31000", later);
	assert_int_equal(report(&nm, later).mapping, NAT_UNKNOWN);
	sees(&nm, "198.51.9.1:3478", "198.51.2.2:31000", later + NS_PER_MS);
	assert_int_equal(report(&nm, later + NS_PER_MS).mapping, NAT_ENDPOINT_INDEPENDENT);
	/* Nor is what nobody has said for long. */
	assert_int_equal(report(&nm, later + NAT_MAPPING_AGE_S * NS_PER_S).mapping,
			 NAT_ENDPOINT_INDEPENDENT);
	assert_int_equal(report(&nm, later + NAT_MAPPING_AGE_S * NS_PER_S + 2 * NS_PER_MS).mapping,
			 NAT_UNKNOWN);
}

static void answers_of_one_round_are_compared(void **state)
{
	struct nat_mapping nm = { 0 };

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		const uint64_t now = NOW + i * 30 * NS_PER_S;

		/* A dependent mapping that changes remains a dependent one. */
		sees(&nm, "198.51.1.1:3478", i == 1 ? "198.51.2.2:1111" : "198.51.2.2:2222", now);
		sees(&nm, "198.51.9.1:3478", i == 1 ? "198.51.2.2:3333" : "198.51.2.2:4444", now);
		assert_int_equal(report(&nm, now).mapping, NAT_ADDRESS_DEPENDENT);
	}
}

static void a_counter_is_recognised(void **state)
{
	static const struct {
		const char *mapped[3];
		uint16_t stride;
	} cases[] = {
		{ { "198.51.2.2:20000", "198.51.2.2:20001", "198.51.2.2:20002" }, 1 },
		{ { "198.51.2.2:20004", "198.51.2.2:20000", "198.51.2.2:20002" }, 2 },
		{ { "198.51.2.2:20000", "198.51.2.2:20256", "198.51.2.2:20768" }, 256 },
		{ { "198.51.2.2:65300", "198.51.2.2:21", "198.51.2.2:277" }, 256 },
		{ { "198.51.2.2:20000", "198.51.2.2:20256", "198.51.2.2:50000" }, 0 },
		{ { "198.51.2.2:20000", "198.51.2.2:43210", "198.51.2.2:43211" }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct nat_mapping nm = { 0 };

		sees(&nm, "198.51.1.1:3478", cases[i].mapped[0], NOW);
		sees(&nm, "198.51.1.1:3479", cases[i].mapped[1], NOW + 1);
		sees(&nm, "198.51.9.1:3478", cases[i].mapped[2], NOW + 2);
		assert_int_equal(report(&nm, NOW + 2).mapping, NAT_ADDRESS_PORT_DEPENDENT);
		assert_int_equal(report(&nm, NOW + 2).stride, cases[i].stride);
	}
	assert_int_equal(nat_mapping_predict(20000, 1, 3), 20003);
	assert_int_equal(nat_mapping_predict(65535, 1, 2), 1);
	assert_int_equal(nat_mapping_predict(20000, 256, 2), 20512);
	assert_int_equal(nat_mapping_predict(65300, 256, 1), 21); /* swapped: 0x14ff + 1 */
}

static void the_table_never_overflows(void **state)
{
	const struct endpoint base = at("192.168.1.2:41641"), mapped = at("198.51.2.2:1000");
	struct nat_mapping nm = { 0 };

	(void)state;
	for (uint16_t i = 1; i < 100; i++) {
		const struct endpoint server = { .addr = addr_from_v4(0xc6330101u), .port = i };

		nat_mapping_observe(&nm, &base, &server, &mapped, NOW + i);
		assert_true(nm.count <= NAT_MAPPING_SEEN_MAX);
	}
	assert_int_equal(nm.count, NAT_MAPPING_SEEN_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_address_tells_little),
		cmocka_unit_test(another_port_another_mapping),
		cmocka_unit_test(another_address_another_mapping),
		cmocka_unit_test(without_a_nat_one_word_is_enough),
		cmocka_unit_test(neighbours_teach_nothing),
		cmocka_unit_test(an_old_word_is_not_held_against_a_new_one),
		cmocka_unit_test(answers_of_one_round_are_compared),
		cmocka_unit_test(a_counter_is_recognised),
		cmocka_unit_test(the_table_never_overflows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
