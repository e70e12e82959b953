#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "proto/mdns.h"

#define T0 (1000 * NS_PER_S)

static const char name_a[] = "0a1b2c3d-0000-4000-8000-000000000001.local";
static const char name_b[] = "0a1b2c3d-0000-4000-8000-000000000002.local";

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	assert_int_equal(addr_parse(&a, text), 0);
	return a;
}

static void test_names(void **state)
{
	char one[MDNS_NAME_SIZE], two[MDNS_NAME_SIZE];
	struct rng rng = rng_system();

	(void)state;
	mdns_name_new(one, &rng);
	mdns_name_new(two, &rng);
	assert_string_not_equal(one, two);
	assert_true(mdns_is_name(one));
	assert_int_equal(one[14], '4');
	assert_true(mdns_is_name("0A1B2C3D-0000-4000-8000-00000000000F.LOCAL"));
	assert_false(mdns_is_name(""));
	assert_false(mdns_is_name("printer.local"));
	assert_false(mdns_is_name("0a1b2c3d-0000-4000-8000-00000000000g.local"));
	assert_false(mdns_is_name("0a1b2c3d-0000-4000-8000-000000000001.local."));
	assert_false(mdns_is_name("0a1b2c3d-0000-4000-8000-000000000001.example"));
}

static void test_question(void **state)
{
	uint8_t data[MDNS_MESSAGE_MAX];
	struct mdns_message message;
	size_t len = mdns_encode_query(data, name_a);

	(void)state;
	assert_int_equal(mdns_parse(&message, data, len), 0);
	assert_false(message.answer);
	assert_int_equal(message.count, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(message.records[i].name, name_a);
		assert_true(message.records[i].unicast);
		assert_int_equal(message.records[i].family, i ? AF_INET6 : AF_INET);
	}
}

static void test_answers(void **state)
{
	const struct ip_addr addrs[] = { addr("192.168.1.7"), addr("fd00::7") };
	uint8_t data[MDNS_MESSAGE_MAX];
	struct mdns_message message;

	(void)state;
	for (int i = 0; i < 4; i++) {
		uint16_t id = i & 2 ? 0x1234 : 0;
		size_t len = mdns_encode_answer(data, id, name_b, &addrs[i & 1]);

		assert_int_equal(mdns_parse(&message, data, len), 0);
		assert_true(message.answer);
		assert_int_equal(message.id, id);
		assert_int_equal(message.count, 1);
		assert_string_equal(message.records[0].name, name_b);
		assert_true(addr_equal(&message.records[0].addr, &addrs[i & 1]));
		for (size_t cut = 0; cut < len; cut++) {
			struct mdns_message part;

			/* Whatever is said of a piece, it has no answer in it. */
			if (mdns_parse(&part, data, cut) == 0)
				assert_int_equal(part.count, 0);
		}
	}
}

static bool asks(struct mdns_resolver *r, uint64_t now_ns)
{
	char name[MDNS_NAME_SIZE];
	bool one = mdns_poll_query(r, name, now_ns);

	if (one)
		assert_string_equal(name, name_a);
	assert_false(mdns_poll_query(r, name, now_ns));
	return one;
}

static void test_repeats_and_gives_up(void **state)
{
	static const uint64_t at_ms[] = { 0, 100, 300, 700, 1500 };
	struct mdns_resolver r = { 0 };
	char name[MDNS_NAME_SIZE];
	struct ip_addr found;

	(void)state;
	assert_int_equal(mdns_ask(&r, "printer.local", T0), -EINVAL);
	assert_true(mdns_next_timeout(&r) == CLOCK_NEVER);
	assert_int_equal(mdns_ask(&r, name_a, T0), 0);
	assert_int_equal(mdns_ask(&r, name_a, T0), 0); /* once */
	for (size_t i = 0; i < sizeof(at_ms) / sizeof(at_ms[0]); i++) {
		uint64_t due = T0 + at_ms[i] * NS_PER_MS;

		assert_true(mdns_next_timeout(&r) == due);
		assert_true(due == T0 || !asks(&r, due - 1));
		assert_true(asks(&r, due));
	}
	assert_true(mdns_next_timeout(&r) == T0 + MDNS_PATIENCE_MS * NS_PER_MS);
	assert_false(mdns_poll_result(&r, name, &found, mdns_next_timeout(&r) - 1));
	assert_true(mdns_poll_result(&r, name, &found, mdns_next_timeout(&r)));
	assert_int_equal(found.family, 0);
	assert_true(mdns_next_timeout(&r) == CLOCK_NEVER);
}

static void answer(struct mdns_resolver *r, const char *name, const char *first, const char *second)
{
	struct mdns_message message = { .answer = true, .count = second ? 2 : 1 };

	for (size_t i = 0; i < message.count; i++) {
		strcpy(message.records[i].name, name);
		message.records[i].addr = addr(i ? second : first);
	}
	mdns_input(r, &message, T0 + NS_PER_MS);
}

static void test_the_first_single_answer_counts(void **state)
{
	struct mdns_resolver r = { 0 };
	char name[MDNS_NAME_SIZE];
	struct ip_addr found;
	const struct ip_addr good = addr("192.168.1.7");

	(void)state;
	mdns_ask(&r, name_a, T0);
	answer(&r, name_b, "192.168.1.9", NULL); /* nobody asked */
	answer(&r, name_a, "192.168.1.8", "192.168.1.9");
	assert_false(mdns_poll_result(&r, name, &found, T0 + NS_PER_MS));
	answer(&r, name_a, "192.168.1.7", "192.168.1.7");
	answer(&r, name_a, "192.168.1.8", NULL);
	assert_true(mdns_poll_result(&r, name, &found, T0 + NS_PER_MS));
	assert_string_equal(name, name_a);
	assert_true(addr_equal(&found, &good));
	assert_false(mdns_poll_query(&r, name, T0 + NS_PER_S));
}

/* A peer may name what is not there, all along and as much as there is room for. */
static void test_questions_are_bounded(void **state)
{
	struct mdns_resolver r = { 0 };
	char name[MDNS_NAME_SIZE];
	struct ip_addr found;
	struct rng rng = rng_system();
	unsigned int questions = 0;

	(void)state;
	for (uint64_t now_ns = T0; now_ns < T0 + 10 * NS_PER_S; now_ns += 10 * NS_PER_MS) {
		do
			mdns_name_new(name, &rng);
		while (mdns_ask(&r, name, now_ns) == 0);
		while (mdns_poll_query(&r, name, now_ns))
			questions++;
		assert_true(mdns_next_timeout(&r) > now_ns);
		while (mdns_poll_result(&r, name, &found, now_ns + 10 * NS_PER_MS))
			;
	}
	assert_in_range(questions, MDNS_ASKED_MAX, 10 * MDNS_QUESTIONS_PER_S);
}

static void test_the_table_is_bounded(void **state)
{
	struct mdns_resolver r = { 0 };
	struct rng rng = rng_system();
	char name[MDNS_NAME_SIZE];

	(void)state;
	for (int i = 0; i < MDNS_ASKED_MAX; i++) {
		mdns_name_new(name, &rng);
		assert_int_equal(mdns_ask(&r, name, T0), 0);
	}
	assert_int_equal(mdns_ask(&r, name_a, T0), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_question),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_repeats_and_gives_up),
		cmocka_unit_test(test_the_first_single_answer_counts),
		cmocka_unit_test(test_questions_are_bounded),
		cmocka_unit_test(test_the_table_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
