#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "proto/forwarder.h"
#include "proto/names.h"

#define NOW_NS 1000000000ULL
#define TRY_NS (FORWARDER_TRY_MS * NS_PER_MS)

/* A question for w.test and how many servers there are, 192.0.2.1 and so on. */
static const uint8_t query[] = { 0x12, 0x34, 1, 0,   0,   1,   0,   0, 0, 0, 0, 0,
				 1,    'w',  4, 't', 'e', 's', 't', 0, 0, 1, 0, 1 };

struct state {
	struct rng_seeded seeded;
	struct forwarder *forwarder;
	struct forwarder_servers servers;
};

static void setup(struct state *s, size_t count)
{
	struct rng rng;

	rng_seeded_init(&s->seeded, 7);
	rng = rng_from_seeded(&s->seeded);
	s->forwarder = forwarder_new(&rng);
	assert_non_null(s->forwarder);
	s->servers.count = count;
	for (size_t i = 0; i < count; i++)
		s->servers.list[i] =
			(struct endpoint){ .addr = addr_from_v4(0xc0000201u + (uint32_t)i),
					   .port = 53 };
}

static size_t ask(struct state *s, uint64_t now_ns)
{
	int number = forwarder_ask(s->forwarder, query, sizeof(query), &s->servers, now_ns);

	assert_true(number >= 0);
	return (size_t)number;
}

/* Who is asked now: the last byte of its address. */
static unsigned int sent(struct state *s, struct forwarder_send *send, uint64_t now_ns)
{
	assert_true(forwarder_poll_send(s->forwarder, send, now_ns));
	return send->to.addr.bytes[3];
}

/* The answer to what was sent, one address. */
static size_t answer(uint8_t *out, const struct forwarder_send *send, uint8_t rcode)
{
	static const uint8_t record[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 7 };

	memcpy(out, send->data, send->len);
	out[2] = 0x81;
	out[3] = 0x80 | rcode;
	if (rcode)
		return send->len;
	out[7] = 1;
	memcpy(out + send->len, record, sizeof(record));
	return send->len + sizeof(record);
}

static void test_answers_and_what_is_none(void **unused)
{
	struct state s;
	struct forwarder_send send;
	uint8_t reply[64];
	size_t number, len;

	(void)unused;
	setup(&s, 1);
	number = ask(&s, NOW_NS);
	assert_int_equal(sent(&s, &send, NOW_NS), 1);
	assert_int_equal(send.question, number);
	assert_false(send.tcp);
	assert_memory_equal(send.data + 2, query + 2, sizeof(query) - 2);
	assert_memory_not_equal(send.data, query, 2);

	len = answer(reply, &send, 0);
	reply[0] ^= 1; /* another id */
	assert_int_equal(forwarder_input(s.forwarder, number, reply, len), FORWARDER_WAIT);
	reply[0] ^= 1;
	reply[13] = 'v'; /* another name */
	assert_int_equal(forwarder_input(s.forwarder, number, reply, len), FORWARDER_WAIT);
	reply[13] = 'w';
	reply[2] = 0x01; /* a query */
	assert_int_equal(forwarder_input(s.forwarder, number, reply, len), FORWARDER_WAIT);
	reply[2] = 0x81;
	reply[len - 15] = (uint8_t)send.len; /* a name that points to itself */
	assert_int_equal(forwarder_input(s.forwarder, number, reply, len), FORWARDER_WAIT);
	reply[len - 15] = 12;
	assert_int_equal(forwarder_input(s.forwarder, number, reply, len - 1), FORWARDER_WAIT);
	assert_int_equal(forwarder_input(s.forwarder, number, reply, 11), FORWARDER_WAIT);
	assert_int_equal(forwarder_input(s.forwarder, number, reply, len), FORWARDER_ANSWER);
	/* Once only. */
	assert_int_equal(forwarder_input(s.forwarder, number, reply, len), FORWARDER_WAIT);
	assert_true(forwarder_next_timeout(s.forwarder) == CLOCK_NEVER);
	forwarder_free(s.forwarder);
}

static void test_next_server_in_time(void **unused)
{
	struct state s;
	struct forwarder_send send;
	uint8_t late[64];
	size_t number, len;
	uint64_t now_ns = NOW_NS;

	(void)unused;
	setup(&s, 2);
	number = ask(&s, now_ns);
	assert_int_equal(sent(&s, &send, now_ns), 1);
	len = answer(late, &send, 0);
	assert_true(forwarder_next_timeout(s.forwarder) == now_ns + TRY_NS);
	forwarder_expire(s.forwarder, now_ns + TRY_NS - 1);
	assert_false(forwarder_poll_send(s.forwarder, &send, now_ns));
	now_ns += TRY_NS;
	forwarder_expire(s.forwarder, now_ns);
	assert_int_equal(sent(&s, &send, now_ns), 2);
	/* The id is another one: what comes late is no answer. */
	assert_int_equal(forwarder_input(s.forwarder, number, late, len), FORWARDER_WAIT);
	for (int i = 2; i < FORWARDER_TRIES; i++) {
		now_ns += TRY_NS;
		forwarder_expire(s.forwarder, now_ns);
		assert_int_equal(sent(&s, &send, now_ns), i % 2 + 1);
	}
	assert_int_equal(forwarder_poll_failed(s.forwarder), FORWARDER_NONE);
	forwarder_expire(s.forwarder, now_ns + TRY_NS);
	assert_int_equal(forwarder_poll_failed(s.forwarder), number);
	assert_int_equal(forwarder_poll_failed(s.forwarder), FORWARDER_NONE);
	forwarder_free(s.forwarder);
}

static void test_silent_server_is_asked_last(void **unused)
{
	struct state s;
	struct forwarder_send send;
	uint8_t reply[64];
	size_t number;

	(void)unused;
	setup(&s, 2);
	number = ask(&s, NOW_NS);
	assert_int_equal(sent(&s, &send, NOW_NS), 1);
	forwarder_lost(s.forwarder, number, NOW_NS);
	assert_int_equal(sent(&s, &send, NOW_NS), 2);
	assert_int_equal(forwarder_input(s.forwarder, number, reply, answer(reply, &send, 0)),
			 FORWARDER_ANSWER);
	number = ask(&s, NOW_NS + NS_PER_S);
	assert_int_equal(sent(&s, &send, NOW_NS + NS_PER_S), 2);
	forwarder_cancel(s.forwarder, number);
	ask(&s, NOW_NS + FORWARDER_AVOID_S * NS_PER_S);
	assert_int_equal(sent(&s, &send, NOW_NS + FORWARDER_AVOID_S * NS_PER_S), 1);
	forwarder_free(s.forwarder);
}

static void test_truncated_comes_by_tcp(void **unused)
{
	struct state s;
	struct forwarder_send send;
	uint8_t reply[64];
	size_t number, len;

	(void)unused;
	setup(&s, 2);
	number = ask(&s, NOW_NS);
	sent(&s, &send, NOW_NS);
	len = answer(reply, &send, 0);
	reply[2] |= 2;
	assert_int_equal(forwarder_input(s.forwarder, number, reply, len), FORWARDER_AGAIN);
	assert_int_equal(sent(&s, &send, NOW_NS), 1);
	assert_true(send.tcp);
	assert_true(forwarder_next_timeout(s.forwarder) == NOW_NS + FORWARDER_TCP_MS * NS_PER_MS);
	assert_int_equal(forwarder_input(s.forwarder, number, reply, answer(reply, &send, 0)),
			 FORWARDER_ANSWER);
	forwarder_free(s.forwarder);
}

static void test_who_cannot_tell_is_not_the_last_word(void **unused)
{
	struct state s;
	struct forwarder_send send;
	uint8_t reply[64];
	size_t number;

	(void)unused;
	setup(&s, 2);
	number = ask(&s, NOW_NS);
	sent(&s, &send, NOW_NS);
	assert_int_equal(forwarder_input(s.forwarder, number, reply, answer(reply, &send, 2)),
			 FORWARDER_AGAIN);
	assert_int_equal(sent(&s, &send, NOW_NS), 2);
	assert_int_equal(forwarder_input(s.forwarder, number, reply, answer(reply, &send, 5)),
			 FORWARDER_ANSWER);
	/* That there is no such name is an answer. */
	number = ask(&s, NOW_NS);
	sent(&s, &send, NOW_NS);
	assert_int_equal(forwarder_input(s.forwarder, number, reply, answer(reply, &send, 3)),
			 FORWARDER_ANSWER);
	forwarder_free(s.forwarder);
}

static void test_bounds(void **unused)
{
	uint8_t other[sizeof(query)];
	struct state s;

	(void)unused;
	setup(&s, 1);
	assert_int_equal(forwarder_ask(s.forwarder, query, 11, &s.servers, 0), -EINVAL);
	memcpy(other, query, sizeof(other));
	other[2] |= 0x80;
	assert_int_equal(forwarder_ask(s.forwarder, other, sizeof(other), &s.servers, 0), -EINVAL);
	for (int i = 0; i < FORWARDER_SAME_MAX; i++)
		ask(&s, NOW_NS);
	assert_int_equal(forwarder_ask(s.forwarder, query, sizeof(query), &s.servers, 0), -ELOOP);
	memcpy(other, query, sizeof(other));
	for (int i = FORWARDER_SAME_MAX; i < FORWARDER_MAX; i++) {
		other[15] = (uint8_t)(i % 250);
		other[16] = (uint8_t)(i / 250);
		assert_true(forwarder_ask(s.forwarder, other, sizeof(other), &s.servers, 0) >= 0);
	}
	other[17] = 1;
	assert_int_equal(forwarder_ask(s.forwarder, other, sizeof(other), &s.servers, 0), -ENOSPC);
	s.servers.count = 0;
	assert_int_equal(forwarder_ask(s.forwarder, query, sizeof(query), &s.servers, 0),
			 -ENETUNREACH);
	forwarder_free(s.forwarder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_and_what_is_none),
		cmocka_unit_test(test_next_server_in_time),
		cmocka_unit_test(test_silent_server_is_asked_last),
		cmocka_unit_test(test_truncated_comes_by_tcp),
		cmocka_unit_test(test_who_cannot_tell_is_not_the_last_word),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
