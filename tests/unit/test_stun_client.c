/* Transactions with servers, and NAT discovery against simulated boxes of every kind. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "proto/natcheck.h"
#include "proto/stun_client.h"
#include "tests/support/simnet.h"
#include "tests/support/stunserver.h"

#define MS NS_PER_MS
#define T0 (1000 * NS_PER_S)

static struct rng_seeded seeded;

static struct rng test_rng(void)
{
	rng_seeded_init(&seeded, 1);
	return rng_from_seeded(&seeded);
}

static struct endpoint ep(const char *text)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse(&e, text), 0);
	return e;
}

static struct stun_client *begin(uint32_t change)
{
	const struct rng rng = test_rng();
	struct stun_client *client = stun_client_new(&rng);
	struct stun_question q = {
		.tag = 42,
		.local = ep("192.0.2.1:1000"),
		.server = ep("198.51.100.1:3478"),
		.change = change,
		.schedule = &stun_schedule_standard,
	};

	assert_int_equal(stun_client_ask(client, &q, T0), 0);
	return client;
}

/* RFC 8489 section 6.2.1: 0, 500, 1500, 3500, 7500, 15500, 31500 and the end at 39500 ms. */
static void test_schedule(void **state)
{
	static const unsigned int times_ms[] = { 0, 500, 1500, 3500, 7500, 15500, 31500 };
	struct stun_client *client = begin(0);
	struct stun_client_datagram d;
	struct stun_result r;
	uint8_t first[STUN_TRANSACTION_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(times_ms) / sizeof(times_ms[0]); i++) {
		if (i) {
			assert_true(stun_client_next_timeout(client) == T0 + times_ms[i] * MS);
			stun_client_expire(client, T0 + times_ms[i] * MS - 1);
			assert_false(stun_client_poll_output(client, &d));
			stun_client_expire(client, T0 + times_ms[i] * MS);
		}
		assert_true(stun_client_poll_output(client, &d));
		assert_false(stun_client_poll_output(client, &d));
		if (i == 0)
			memcpy(first, d.data + 8, sizeof(first));
		assert_memory_equal(d.data + 8, first, sizeof(first)); /* one transaction */
	}
	stun_client_expire(client, T0 + 39500 * MS - 1);
	assert_false(stun_client_poll_result(client, &r));
	stun_client_expire(client, T0 + 39500 * MS);
	assert_true(stun_client_poll_result(client, &r));
	assert_int_equal(r.err, -ETIMEDOUT);
	assert_int_equal(r.tag, 42);
	assert_true(stun_client_next_timeout(client) == CLOCK_NEVER);
	stun_client_free(client);
}

static size_t answer(uint8_t buf[static 256], const struct stun_client_datagram *d,
		     enum stun_class class)
{
	const struct endpoint mapped = ep("203.0.113.9:99");
	struct stun_message msg;
	struct stun_builder b;
	size_t len;

	assert_int_equal(stun_parse(&msg, d->data, d->len), 0);
	stun_begin_response(&b, buf, 256, class, &msg);
	if (class == STUN_ERROR)
		stun_add_error(&b, STUN_ERR_SERVER_ERROR);
	else
		stun_add_endpoint(&b, STUN_ATTR_XOR_MAPPED_ADDRESS, &mapped);
	assert_int_equal(stun_end(&b, &len), 0);
	return len;
}

static void test_answer(void **state)
{
	struct endpoint server = ep("198.51.100.1:3478"), stranger = ep("198.51.100.2:3478");
	struct stun_client *client = begin(0);
	struct stun_client_datagram d;
	struct stun_result r;
	uint8_t buf[256];
	size_t len;

	(void)state;
	assert_true(stun_client_poll_output(client, &d));
	assert_true(stun_client_owns(client, d.data + 8));
	len = answer(buf, &d, STUN_SUCCESS);
	assert_int_equal(stun_client_input(client, buf, len, &stranger, T0 + 5 * MS), -ENOENT);
	assert_int_equal(stun_client_input(client, buf, len - 1, &server, T0 + 5 * MS), -EBADMSG);
	assert_int_equal(stun_client_input(client, d.data, d.len, &server, T0 + 5 * MS), -ENOENT);
	buf[8] ^= 1;
	assert_int_equal(stun_client_input(client, buf, len, &server, T0 + 5 * MS), -ENOENT);
	buf[8] ^= 1;
	assert_int_equal(stun_client_input(client, buf, len, &server, T0 + 5 * MS), 0);
	assert_int_equal(stun_client_input(client, buf, len, &server, T0 + 6 * MS), -ENOENT);
	assert_true(stun_client_poll_result(client, &r));
	assert_int_equal(r.err, 0);
	assert_int_equal(r.mapped.port, 99);
	assert_true(r.rtt_ns == 5 * MS);
	stun_client_free(client);
}

static void test_error_answer(void **state)
{
	struct endpoint server = ep("198.51.100.1:3478");
	struct stun_client *client = begin(0);
	struct stun_client_datagram d;
	struct stun_result r;
	uint8_t buf[256];

	(void)state;
	assert_true(stun_client_poll_output(client, &d));
	assert_int_equal(stun_client_input(client, buf, answer(buf, &d, STUN_ERROR), &server, T0),
			 0);
	assert_true(stun_client_poll_result(client, &r));
	assert_int_equal(r.err, -EPROTO);
	stun_client_free(client);
}

static void test_table_is_bounded(void **state)
{
	struct stun_question q = { .schedule = &stun_schedule_brief };
	struct stun_client *client = begin(0);

	(void)state;
	for (int i = 1; i < STUN_CLIENT_MAX; i++)
		assert_int_equal(stun_client_ask(client, &q, T0), 0);
	assert_int_equal(stun_client_ask(client, &q, T0), -ENOSPC);
	stun_client_cancel(client);
	assert_int_equal(stun_client_ask(client, &q, T0), 0);
	stun_client_free(client);
}

/* ---- NAT discovery ---- */

static struct natcheck_result discover(enum sim_nat_kind kind, bool second_address)
{
	const struct sim_quality quality = { .delay_ns = 10 * MS };
	struct simnet *net = simnet_new(5);
	int server = simnet_add_host(net, SIM_PUBLIC, &quality), host;
	struct natcheck_result result = { 0 };
	struct stun_client_datagram d;
	struct endpoint local, at;
	struct natcheck *nc;
	uint64_t now = T0;

	if (second_address)
		simnet_add_addr(net, server);
	host = simnet_add_host(net, kind == SIM_NAT_NONE ? SIM_PUBLIC : simnet_add_nat(net, kind),
			       &quality);
	local = (struct endpoint){ .addr = simnet_addr(net, host, 0), .port = 5000 };
	at = (struct endpoint){ .addr = simnet_addr(net, server, 0), .port = 3478 };
	nc = natcheck_new(simnet_rng(net), &local, &at, now);
	while (!natcheck_poll_result(nc, &result)) {
		struct sim_event e;

		while (natcheck_poll_output(nc, &d))
			simnet_send(net, host, &d.local, &d.remote, d.data, d.len, now);
		if (simnet_next_ns(net) <= natcheck_next_timeout(nc)) {
			now = simnet_next_ns(net);
			if (simnet_poll(net, &e) && e.host == server)
				stunserver_answer(net, server, second_address, &e, now);
			else if (e.host == host)
				natcheck_input(nc, e.data, e.len, &e.remote, now);
		} else {
			now = natcheck_next_timeout(nc);
			natcheck_expire(nc, now);
		}
	}
	assert_true(now <= T0 + 12 * NS_PER_S);
	natcheck_free(nc);
	simnet_free(net);
	return result;
}

static void expect(enum sim_nat_kind kind, enum nat_behaviour mapping, enum nat_behaviour filtering)
{
	struct natcheck_result r = discover(kind, true);

	assert_true(r.udp);
	assert_int_equal(r.translated, kind != SIM_NAT_NONE);
	assert_string_equal(nat_behaviour_text(r.mapping), nat_behaviour_text(mapping));
	assert_string_equal(nat_behaviour_text(r.filtering), nat_behaviour_text(filtering));
}

static void test_behaviours(void **state)
{
	(void)state;
	expect(SIM_NAT_NONE, NAT_ENDPOINT_INDEPENDENT, NAT_ENDPOINT_INDEPENDENT);
	expect(SIM_NAT_A, NAT_ENDPOINT_INDEPENDENT, NAT_ADDRESS_PORT_DEPENDENT);
	expect(SIM_NAT_B, NAT_ADDRESS_PORT_DEPENDENT, NAT_ADDRESS_PORT_DEPENDENT);
	expect(SIM_NAT_C, NAT_ENDPOINT_INDEPENDENT, NAT_ENDPOINT_INDEPENDENT);
	expect(SIM_NAT_D, NAT_ENDPOINT_INDEPENDENT, NAT_ADDRESS_DEPENDENT);
	expect(SIM_NAT_E, NAT_ADDRESS_DEPENDENT, NAT_ADDRESS_PORT_DEPENDENT);
}

static void test_blocked_and_plain_server(void **state)
{
	struct natcheck_result r = discover(SIM_NAT_U, true);

	(void)state;
	assert_false(r.udp);
	assert_int_equal(r.mapping, NAT_UNKNOWN);
	r = discover(SIM_NAT_A, false);
	assert_true(r.udp);
	assert_true(r.translated);
	assert_int_equal(r.mapping, NAT_UNKNOWN);
	assert_int_equal(r.filtering, NAT_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schedule),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_error_answer),
		cmocka_unit_test(test_table_is_bounded),
		cmocka_unit_test(test_behaviours),
		cmocka_unit_test(test_blocked_and_plain_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
