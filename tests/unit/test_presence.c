#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "coord/presence.h"
#include "tests/support/coordination.h"

static struct coordination c;
static struct machine a, b;

static int begin(void **state)
{
	struct token token;

	(void)state;
	coordination_begin(&c);
	token = coordination_key(&c, true, false, "trusted");
	machine_init(&a, &c, 1);
	machine_init(&b, &c, 2);
	machine_join(&a, &token, "alpha");
	machine_join(&b, &token, "beta");
	machine_forget_messages(&a);
	machine_forget_messages(&b);
	return 0;
}

static int end(void **state)
{
	(void)state;
	machine_clear(&a);
	machine_clear(&b);
	coordination_end(&c);
	return 0;
}

static void assert_told(struct machine *m, const struct machine *peer, bool online)
{
	struct control_message message;

	assert_true(machine_take(m, CONTROL_PRESENCE, &message));
	assert_int_equal(message.presence.count, 1);
	assert_memory_equal(message.presence.entries[0].node_key, peer->device_key, 32);
	assert_int_equal(message.presence.entries[0].online, online);
	control_message_clear(&message);
	assert_false(machine_take(m, CONTROL_PRESENCE, &message));
}

static void set_policy(const char *text)
{
	struct policy_error error;

	assert_int_equal(network_set_policy(&c.network, text, strlen(text), "test", c.now_s,
					    &error),
			 0);
	sessions_want_flush(&c.sessions);
	coordination_flush(&c);
}

static void test_leaving_and_coming(void **state)
{
	struct control_message message;

	(void)state;
	machine_disconnect(&b);
	coordination_flush(&c);
	assert_told(&a, &b, false);
	machine_connect(&b);
	machine_login(&b);
	coordination_flush(&c);
	assert_told(&a, &b, true);
	/* Of everybody, once. */
	assert_told(&b, &a, true);
	coordination_settle(&c);
	assert_false(machine_take(&a, CONTROL_PRESENCE, &message));
}

static void test_nothing_about_hidden_nodes(void **state)
{
	struct control_message message;

	(void)state;
	set_policy("{}");
	machine_disconnect(&b);
	coordination_flush(&c);
	assert_false(machine_take(&a, CONTROL_PRESENCE, &message));
}

/* Who comes into sight was online all the time, and is said to be. */
static void test_policy_brings_into_sight(void **state)
{
	(void)state;
	set_policy("{}");
	machine_forget_messages(&a);
	machine_forget_messages(&b);
	set_policy("{\"rules\":[{\"allow\":[\"alpha\"],\"to\":[\"beta:tcp/22\"]}]}");
	assert_told(&a, &b, true);
	assert_told(&b, &a, true);
}

static void test_held_back(void **state)
{
	struct control_message message;

	(void)state;
	c.sessions.presence_held = true;
	machine_disconnect(&b);
	coordination_flush(&c);
	assert_false(machine_take(&a, CONTROL_PRESENCE, &message));
	assert_true(c.sessions.presence_wanted);
	c.sessions.presence_held = false;
	sessions_flush(&c.sessions, c.now_s);
	assert_told(&a, &b, false);
	assert_false(c.sessions.presence_wanted);
}

static void test_home_relay_is_told(void **state)
{
	struct control_message update = { .type = CONTROL_UPDATE };
	struct control_message got;

	(void)state;
	update.update.has_home_relay = true;
	strcpy(update.update.home_relay, "fra");
	machine_send(&b, &update);
	coordination_settle(&c);
	assert_true(machine_take(&a, CONTROL_PRESENCE, &got));
	assert_string_equal(got.presence.entries[0].home_relay, "fra");
	control_message_clear(&got);
	machine_disconnect(&b);
	coordination_settle(&c);
	assert_true(machine_take(&a, CONTROL_PRESENCE, &got));
	assert_false(got.presence.entries[0].online);
	assert_true(got.presence.entries[0].last_seen_s > 0);
	control_message_clear(&got);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_leaving_and_coming),       TEST(test_nothing_about_hidden_nodes),
		TEST(test_policy_brings_into_sight), TEST(test_held_back),
		TEST(test_home_relay_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
