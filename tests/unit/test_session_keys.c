#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/map.h"
#include "tests/support/coordination.h"

static struct coordination c;
static struct machine a;
static struct machine b;

static int begin(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	coordination_begin(&c);
	machine_init(&a, &c, 1);
	machine_init(&b, &c, 2);
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

static void join_both(void)
{
	struct token token = coordination_key(&c, true, false, "trusted");

	machine_join(&a, &token, "alpha");
	machine_join(&b, &token, "beta");
	coordination_settle(&c);
	machine_forget_messages(&a);
	machine_forget_messages(&b);
}

static void test_new_wireguard_key(void **state)
{
	struct control_message update = { .type = CONTROL_UPDATE };
	struct control_message got;

	(void)state;
	join_both();
	update.update.has_wireguard_key = true;
	memset(update.update.wireguard_key, 0x77, 32);
	machine_send(&b, &update);
	assert_true(machine_take(&b, CONTROL_CERTIFICATE, &got));
	control_message_clear(&got);
	coordination_settle(&c);
	assert_memory_equal(netmap_find_peer(a.map, b.device_key)->cert->parsed.wireguard_key,
			    update.update.wireguard_key, 32);
}

/* Peers obey only one of two nodes with the same key, so there must not be two. */
static void test_no_key_of_another_node_by_update(void **state)
{
	struct control_message update = { .type = CONTROL_UPDATE };
	struct control_message got;
	struct node *node;
	uint64_t serial;

	(void)state;
	join_both();
	node = network_find(&c.network, b.device_key);
	serial = node->serial;
	update.update.has_wireguard_key = true;
	memcpy(update.update.wireguard_key, a.wireguard_key, 32);
	machine_send(&b, &update);
	assert_int_equal(machine_take_error(&b), CONTROL_ERROR_DUPLICATE);
	assert_false(machine_take(&b, CONTROL_CERTIFICATE, &got));
	assert_true(b.closed);
	assert_memory_equal(node->wireguard_key, b.wireguard_key, 32);
	assert_int_equal(node->serial, serial);
	coordination_settle(&c);
	assert_memory_equal(netmap_find_peer(a.map, b.device_key)->cert->parsed.wireguard_key,
			    b.wireguard_key, 32);
	/* With its own key it is welcome. */
	machine_connect(&b);
	machine_login(&b);
	coordination_flush(&c);
	assert_int_equal(machine_take_error(&b), -1);
	assert_false(b.closed);
}

static void test_no_key_of_another_node_by_login(void **state)
{
	uint8_t own[32];

	(void)state;
	join_both();
	machine_disconnect(&b);
	memcpy(own, b.wireguard_key, 32);
	memcpy(b.wireguard_key, a.wireguard_key, 32);
	machine_connect(&b);
	machine_login(&b);
	assert_int_equal(machine_take_error(&b), CONTROL_ERROR_DUPLICATE);
	assert_true(b.closed);
	assert_memory_equal(network_find(&c.network, b.device_key)->wireguard_key, own, 32);
}

static void test_no_key_of_another_node_by_enrolment(void **state)
{
	struct token token = coordination_key(&c, true, false, "trusted");
	struct token once = coordination_key(&c, false, false, "trusted");
	uint8_t own[32];

	(void)state;
	machine_join(&a, &token, "alpha");
	memcpy(own, b.wireguard_key, 32);
	memcpy(b.wireguard_key, a.wireguard_key, 32);
	machine_connect(&b);
	machine_enrol(&b, &once, "beta");
	assert_int_equal(machine_take_error(&b), CONTROL_ERROR_DUPLICATE);
	memcpy(b.wireguard_key, own, 32);
	memcpy(own, b.box_secret, 32);
	memcpy(b.box_secret, a.box_secret, 32);
	machine_connect(&b);
	machine_enrol(&b, &once, "beta");
	assert_int_equal(machine_take_error(&b), CONTROL_ERROR_DUPLICATE);
	assert_int_equal(map_count(c.network.nodes), 1);
	/* The token was not spent on it. */
	memcpy(b.box_secret, own, 32);
	machine_join(&b, &once, "beta");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_new_wireguard_key),
		TEST(test_no_key_of_another_node_by_update),
		TEST(test_no_key_of_another_node_by_login),
		TEST(test_no_key_of_another_node_by_enrolment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
