#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "daemon/dataplane.h"
#include "proto/filter.h"
#include "tests/support/engine.h"
#include "tests/support/packet.h"

static uint8_t packet[2048];
static uint8_t message[2048];
static uint8_t got[2048];
static struct filter_flows *flows;

/* Another peer, to whom the far end's addresses were given. */
static struct dp_peer *other;
static uint64_t counter;

static struct prefix prefix(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(&p, text), 0);
	return p;
}

static void give(struct engine *e, struct dp_peer *peer, const char *text)
{
	struct prefix p = prefix(text);

	assert_int_equal(dataplane_allowed_ip_set(peer, &p), 0);
	assert_int_equal(dataplane_allowed_ips_commit(e->dp), 0);
}

static void behind(struct dp_peer *peer, const char *text, bool live)
{
	struct prefix p = prefix(text);

	assert_int_equal(dataplane_peer_set_sources(peer, &p, 1, live), 0);
}

static int setup(void **state)
{
	static const uint8_t secret[16];
	static const struct filter_rule all = { .port_high = 65535 };
	struct engine *e;

	engine_setup(state);
	e = *state;
	flows = filter_flows_new(secret);
	dataplane_set_flows(e->dp, flows);
	other = dataplane_peer_new(e->dp, NULL);
	dataplane_peer_set_rules(e->peer, filter_rules_new(&all, 1, NULL), NULL);
	dataplane_peer_set_rules(other, filter_rules_new(&all, 1, NULL), NULL);
	dataplane_allowed_ips_clear(e->peer);
	give(e, other, "10.5.0.2/32");
	engine_open_session(e);
	counter = 0;
	return 0;
}

static int teardown(void **state)
{
	struct engine *e = *state;

	dataplane_peer_free(other);
	dataplane_set_flows(e->dp, NULL);
	engine_teardown(state);
	filter_flows_free(flows);
	return 0;
}

static bool arrives(struct engine *e)
{
	size_t len = engine_inner(packet, 0, 20);

	engine_far_packet(e, packet, len, counter++);
	return engine_inner_receive(e, got, sizeof(got), NULL) == 20;
}

/* Does the answer leave by the peer, or is it left to the other one? */
static bool answers(struct engine *e)
{
	engine_inner_send(e, "answer", 6);
	return engine_far_receive(e, message, sizeof(message), NULL) > 0;
}

static void test_what_is_behind_both_comes_from_both(void **state)
{
	struct engine *e = *state;

	assert_false(arrives(e));
	behind(e->peer, "10.5.0.0/24", true);
	assert_false(arrives(e)); /* it is the other's own address */
	behind(other, "10.5.0.0/24", true);
	assert_true(arrives(e));
	behind(other, "10.5.0.0/28", true);
	assert_false(arrives(e)); /* the other knows better */
	behind(e->peer, "10.6.0.0/24", true);
	assert_false(arrives(e));
}

static void test_what_is_nobodys_comes_from_its_carrier(void **state)
{
	struct engine *e = *state;

	dataplane_allowed_ips_clear(other);
	dataplane_allowed_ips_commit(e->dp);
	assert_false(arrives(e));
	behind(e->peer, "0.0.0.0/0", true);
	assert_true(arrives(e));
	assert_int_equal(dataplane_peer_set_sources(e->peer, NULL, 0, true), 0);
	assert_false(arrives(e));
}

static void test_answer_goes_where_the_question_came_from(void **state)
{
	struct engine *e = *state;

	behind(e->peer, "10.5.0.0/24", true);
	behind(other, "10.5.0.0/24", true);
	assert_true(arrives(e));
	assert_true(answers(e));
}

static void test_without_question_the_owner_has_it(void **state)
{
	struct engine *e = *state;

	behind(e->peer, "10.5.0.0/24", true);
	behind(other, "10.5.0.0/24", true);
	assert_false(answers(e));
	/* The other side asks by the peer now. */
	assert_true(arrives(e));
	assert_true(answers(e));
}

static void test_flow_leaves_a_carrier_that_died(void **state)
{
	struct engine *e = *state;

	behind(e->peer, "10.5.0.0/24", true);
	behind(other, "10.5.0.0/24", true);
	assert_true(arrives(e));
	behind(e->peer, "10.5.0.0/24", false);
	assert_false(answers(e));
	/* It has moved, and does not come back by itself. */
	behind(e->peer, "10.5.0.0/24", true);
	assert_false(answers(e));
}

static void test_flow_leaves_one_that_carries_it_no_more(void **state)
{
	struct engine *e = *state;

	behind(e->peer, "10.5.0.0/24", true);
	behind(other, "10.5.0.0/24", true);
	assert_true(arrives(e));
	behind(e->peer, "10.6.0.0/24", true);
	assert_false(answers(e));
}

static void test_flow_of_ours_stays(void **state)
{
	struct engine *e = *state;

	behind(e->peer, "10.5.0.0/24", true);
	behind(other, "10.5.0.0/24", true);
	give(e, e->peer, "10.5.0.2/32");
	assert_true(answers(e));
	give(e, other, "10.5.0.2/32");
	assert_true(answers(e));
	behind(e->peer, "10.5.0.0/24", false);
	assert_false(answers(e));
}

static void test_waiting_packets_follow_the_prefix(void **state)
{
	struct engine *e = *state;

	behind(e->peer, "10.5.0.0/24", true);
	behind(other, "10.5.0.0/24", true);
	assert_false(answers(e)); /* waits at the other, which has no session */
	give(e, e->peer, "10.5.0.2/32");
	behind(other, "10.5.0.0/24", false);
	dataplane_peer_redirect(other);
	assert_true(engine_far_receive(e, message, sizeof(message), NULL) > 0);
	assert_true(answers(e));
}

static void test_many_come_and_go(void **state)
{
	struct engine *e = *state;
	struct dp_peer *peers[20];
	uint32_t seed = 1;

	behind(other, "10.5.0.0/24", true);
	behind(e->peer, "10.5.0.0/24", true);
	for (size_t i = 0; i < 20; i++)
		peers[i] = dataplane_peer_new(e->dp, NULL);
	for (size_t i = 0; i < 200; i++) {
		struct dp_peer *peer = peers[packet_random(&seed) % 20];

		if (packet_random(&seed) % 2)
			behind(peer, "10.7.0.0/16", true);
		else
			dataplane_peer_set_sources(peer, NULL, 0, true);
	}
	assert_true(arrives(e));
	assert_true(answers(e));
	for (size_t i = 0; i < 20; i++)
		dataplane_peer_free(peers[i]);
	assert_true(answers(e));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_behind_both_comes_from_both),
		TEST(test_what_is_nobodys_comes_from_its_carrier),
		TEST(test_answer_goes_where_the_question_came_from),
		TEST(test_without_question_the_owner_has_it),
		TEST(test_flow_leaves_a_carrier_that_died),
		TEST(test_flow_leaves_one_that_carries_it_no_more),
		TEST(test_flow_of_ours_stays),
		TEST(test_waiting_packets_follow_the_prefix),
		TEST(test_many_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
