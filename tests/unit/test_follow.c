#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "coord/coordinators.h"
#include "coord/follow.h"
#include "coord/route_approval.h"
#include "coord/store_postgres.h"
#include "tests/support/coordination.h"
#include "tests/support/database.h"

/* Two coordinators on one database, without the loop that would wake them. */
static struct database database;
static struct coordination one;
static struct coordination two;
static struct machine a;
static struct machine b;

static int begin(void **state)
{
	(void)state;
	database_clear(&database);
	coordination_begin_at(&one, database.place, NULL);
	coordination_begin_at(&two, database.place, &one);
	machine_init(&a, &one, 1);
	machine_init(&b, &two, 2);
	return 0;
}

static int end(void **state)
{
	(void)state;
	machine_clear(&a);
	machine_clear(&b);
	coordination_end(&one);
	coordination_end(&two);
	return 0;
}

static void follow(struct coordination *c)
{
	assert_int_equal(follow_catch_up(&c->sessions, c->now_s), 0);
	coordination_settle(c);
}

static struct node *at(struct coordination *c, const struct machine *m)
{
	return network_find(&c->network, m->device_key);
}

static void test_a_node_of_the_other(void **state)
{
	struct token token = coordination_key(&one, true, false, "trusted");

	(void)state;
	machine_join(&a, &token, "alpha");
	assert_null(at(&two, &a));
	machine_join(&b, &token, "beta");
	follow(&two);
	follow(&one);
	assert_non_null(at(&two, &a));
	assert_string_equal(at(&two, &a)->name, "alpha");
	/* Each has the other in its map. */
	assert_non_null(netmap_find_peer(a.map, b.device_key));
	assert_non_null(netmap_find_peer(b.map, a.device_key));
	assert_true(at(&two, &a)->serial != at(&two, &b)->serial);
}

static void test_same_name_and_address_at_once(void **state)
{
	struct token token = coordination_key(&one, true, false, "trusted");

	(void)state;
	/* Neither has heard of the other: both choose the same and the second chooses again. */
	machine_join(&a, &token, "twin");
	machine_join(&b, &token, "twin");
	follow(&one);
	assert_false(addr_equal(&at(&one, &a)->address4, &at(&one, &b)->address4));
	assert_string_equal(at(&one, &a)->name, "twin");
	assert_string_equal(at(&one, &b)->name, "twin-2");
}

static void test_a_key_for_one(void **state)
{
	struct token token = coordination_key(&one, false, false, "trusted");

	(void)state;
	machine_join(&a, &token, "alpha");
	machine_connect(&b);
	machine_enrol(&b, &token, "beta");
	assert_int_equal(machine_take_error(&b), CONTROL_ERROR_USED);
	follow(&one);
	assert_null(at(&one, &b));
}

static void test_changes_of_a_node(void **state)
{
	struct token token = coordination_key(&one, true, false, "trusted");
	struct control_message message;

	(void)state;
	machine_join(&a, &token, "alpha");
	machine_join(&b, &token, "beta");
	follow(&one);
	follow(&two);
	machine_forget_messages(&a);
	assert_int_equal(network_rename(&two.network, at(&two, &a), "gamma", two.now_s), 0);
	/* What was not read is not written over. */
	assert_int_equal(network_rename(&one.network, at(&one, &a), "delta", one.now_s), -EAGAIN);
	follow(&one);
	assert_string_equal(at(&one, &a)->name, "gamma");
	assert_true(machine_take(&a, CONTROL_CERTIFICATE, &message));
	control_message_clear(&message);
	assert_int_equal(network_rename(&one.network, at(&one, &a), "delta", one.now_s), 0);
	follow(&two);
	assert_string_equal(at(&two, &a)->name, "delta");
	assert_int_equal(network_revoke(&two.network, at(&two, &a), two.now_s), 0);
	follow(&one);
	assert_true(at(&one, &a)->revoked);
	assert_true(a.closed);
	assert_int_equal(one.network.revoked_count, 1);
	assert_int_equal(network_delete(&one.network, at(&one, &a), one.now_s), 0);
	follow(&two);
	assert_null(at(&two, &a));
	assert_null(netmap_find_peer(b.map, a.device_key));
}

static struct control_message routes_message(struct prefix *prefix)
{
	struct control_message message = { .type = CONTROL_UPDATE };

	prefix_parse(prefix, "10.20.0.0/16");
	message.update.has_routes = true;
	message.update.routes[0] = *prefix;
	message.update.route_count = 1;
	return message;
}

/* The state of its only route, by the last word of its coordinator; -1 for no word. */
static int route_state(struct machine *m)
{
	struct control_message message;
	int state = -1;

	while (machine_take(m, CONTROL_ROUTES, &message)) {
		if (message.routes.count == 1)
			state = (int)message.routes.routes[0].state;
		control_message_clear(&message);
	}
	return state;
}

/* Offered at the one, approved and revoked at the other: both certify the same. */
static void test_routes(void **state)
{
	struct token token = coordination_key(&one, true, false, "trusted");
	struct prefix prefix;
	struct control_message update = routes_message(&prefix);

	(void)state;
	machine_join(&a, &token, "alpha");
	machine_join(&b, &token, "beta");
	follow(&one);
	follow(&two);
	machine_send(&a, &update);
	coordination_settle(&one);
	assert_int_equal(route_state(&a), CONTROL_ROUTE_WAITING);
	follow(&two);
	assert_int_equal(at(&two, &a)->routes.offered_count, 1);
	assert_int_equal(route_approval_decide(&two.network, at(&two, &a), &prefix, 1, true,
					       two.now_s),
			 0);
	sessions_want_flush(&two.sessions);
	coordination_settle(&two);
	assert_int_equal(netmap_find_peer(b.map, a.device_key)->cert->parsed.route_count, 1);
	/* Which the one has not read yet: it does so when its node offers again. */
	update.update.route_facts[0].weight = 7;
	machine_send(&a, &update);
	coordination_settle(&one);
	assert_int_equal(route_state(&a), CONTROL_ROUTE_APPROVED);
	assert_int_equal(at(&one, &a)->routes.decided_count, 1);
	follow(&two);
	assert_int_equal(at(&two, &a)->routes.facts[0].weight, 7);
	assert_int_equal(netmap_find_peer(b.map, a.device_key)->cert->parsed.route_facts[0].weight,
			 7);
	/* Revoked there, told here. */
	assert_int_equal(route_approval_decide(&two.network, at(&two, &a), &prefix, 1, false,
					       two.now_s),
			 0);
	follow(&one);
	assert_int_equal(route_state(&a), CONTROL_ROUTE_REFUSED);
	assert_int_equal(at(&one, &a)->serial, at(&two, &a)->serial);
	assert_false(route_approval_is_certified(at(&one, &a), &prefix));
}

static void change_all(struct coordination *c)
{
	static const char policy[] = "{\"rules\":[]}";
	struct store_relay relay = { .secret_len = 16 };
	struct policy_error error;

	strcpy(relay.relay.name, "fra");
	strcpy(relay.relay.hosts[0], "192.0.2.7");
	relay.relay.host_count = 1;
	assert_int_equal(network_add_relay(&c->network, &relay), 0);
	assert_int_equal(network_set_policy(&c->network, policy, strlen(policy), "test", c->now_s,
					    &error),
			 0);
}

static void test_policy_relays_and_coordinators(void **state)
{
	struct token token = coordination_key(&one, true, false, "trusted");
	struct token_address address = { .host = "192.0.2.2", .port = 443 };

	(void)state;
	machine_join(&a, &token, "alpha");
	machine_join(&b, &token, "beta");
	follow(&two);
	assert_non_null(netmap_find_peer(b.map, a.device_key));
	change_all(&one);
	assert_int_equal(coordinators_register(&one.network, &one.network.addresses[0], "home",
					       true, 3478, one.now_s),
			 0);
	assert_int_equal(coordinators_register(&two.network, &address, "home", false, 3478,
					       two.now_s),
			 -EEXIST);
	assert_int_equal(coordinators_register(&two.network, &address, "home", true, 3478,
					       two.now_s),
			 0);
	follow(&one);
	follow(&two);
	assert_null(netmap_find_peer(b.map, a.device_key));
	assert_int_equal(two.network.relay_count, 3);
	assert_int_equal(b.map->relay_count, 3);
	assert_int_equal(one.network.address_count, 2);
	assert_string_equal(one.network.addresses[1].host, "192.0.2.2");
}

static void test_changes_that_were_forgotten(void **state)
{
	struct token token = coordination_key(&one, true, false, "trusted");

	(void)state;
	machine_join(&a, &token, "alpha");
	follow(&two);
	machine_join(&b, &token, "beta");
	follow(&one);
	change_all(&one);
	assert_int_equal(network_delete(&one.network, at(&one, &b), one.now_s), 0);
	database_run(&database, "DELETE FROM change; INSERT INTO change (kind, id, source, at_s)"
				" VALUES ('value', 'x', 0, 0), ('value', 'y', 0, 0)");
	database_run(&database, "DELETE FROM change WHERE id = 'x'");
	follow(&two);
	assert_int_equal(two.network.relay_count, 1);
	assert_null(at(&two, &b));
	assert_true(b.closed);
	assert_non_null(at(&two, &a));
}

/* The address of one that went is another's meanwhile, and nobody remembers in which order. */
static void test_forgotten_replacement(void **state)
{
	struct token token = coordination_key(&one, true, false, "trusted");
	struct enrolment_key wanted = { .life_s = 3600 };
	uint8_t id[TOKEN_KEY_ID_SIZE];
	char text[TOKEN_TEXT_SIZE];
	struct token place;
	struct machine other;

	(void)state;
	machine_init(&other, &one, 3);
	machine_join(&a, &token, "alpha");
	follow(&two);
	wanted.for_node = at(&one, &a);
	assert_int_equal(enrolment_make_key(&one.network, &wanted, one.now_s, text, id), 0);
	assert_int_equal(token_parse(&place, text), 0);
	machine_join(&other, &place, "beta");
	database_run(&database, "DELETE FROM change; INSERT INTO change (kind, id, source, at_s)"
				" VALUES ('value', 'x', 0, 0), ('value', 'y', 0, 0)");
	database_run(&database, "DELETE FROM change WHERE id = 'x'");
	follow(&two);
	assert_null(at(&two, &a));
	assert_non_null(at(&two, &other));
	assert_string_equal(at(&two, &other)->name, "alpha");
	machine_clear(&other);
}

/* A machine is deleted, another gets its address, and it joins anew: heard of in one go. */
static void test_address_of_one_that_came_back(void **state)
{
	struct token token = coordination_key(&one, true, false, "trusted");
	struct machine other;

	(void)state;
	machine_init(&other, &one, 3);
	machine_join(&a, &token, "alpha");
	follow(&two);
	machine_disconnect(&a);
	assert_int_equal(network_delete(&one.network, at(&one, &a), one.now_s), 0);
	one.network.pool.cursor = 0;
	machine_join(&other, &token, "beta");
	a.has_ticket = false;
	machine_join(&a, &token, "alpha");
	follow(&two);
	assert_non_null(at(&two, &other));
	assert_non_null(at(&two, &a));
	assert_true(addr_equal(&at(&two, &a)->address4, &at(&one, &a)->address4));
	assert_true(addr_equal(&at(&two, &other)->address4, &at(&one, &other)->address4));
	machine_clear(&other);
}

/* A node that moves to and fro is never offered a map that is older than its own. */
static void test_versions_of_maps_grow(void **state)
{
	struct token token = coordination_key(&one, true, false, "trusted");
	uint64_t version = 0;

	(void)state;
	machine_join(&a, &token, "alpha");
	follow(&two);
	for (int i = 0; i < 4; i++) {
		machine_disconnect(&a);
		a.coordination = i % 2 ? &one : &two;
		machine_connect(&a);
		machine_login(&a);
		coordination_settle(a.coordination);
		assert_true(a.map->version >= version);
		version = a.map->version;
		follow(&one);
		follow(&two);
	}
}

/* COMMIT was sent and the answer lost: what was done is found afterwards, and no key is spent
 * twice. */
static void test_a_lost_answer(void **state)
{
	struct token token = coordination_key(&one, false, false, "trusted");

	(void)state;
	machine_join(&a, &token, "alpha");
	/* As after a crash of the connection: memory knows nothing of it, the database does. */
	follow(&two);
	machine_disconnect(&a);
	a.coordination = &two;
	machine_connect(&a);
	machine_enrol(&a, &token, "alpha");
	assert_int_equal(machine_take_error(&a), -1);
	assert_non_null(at(&two, &a)->session);
}

static void test_away(void **state)
{
	struct token token = coordination_key(&one, true, false, "trusted");

	(void)state;
	machine_join(&a, &token, "alpha");
	machine_disconnect(&a);
	store_postgres_serve(one.network.store);
	store_postgres_adopt(one.network.store, NULL);
	/* Who is known may come, who is new has to wait, and nothing is changed. */
	machine_connect(&a);
	machine_login(&a);
	coordination_settle(&one);
	assert_non_null(at(&one, &a)->session);
	assert_int_equal(network_rename(&one.network, at(&one, &a), "gamma", one.now_s), -ENOTCONN);
	assert_string_equal(at(&one, &a)->name, "alpha");
	b.coordination = &one;
	machine_connect(&b);
	machine_enrol(&b, &token, "beta");
	assert_int_equal(machine_take_error(&b), CONTROL_ERROR_INTERNAL);
	machine_disconnect(&a);
	machine_disconnect(&b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

static int end_database(void **state)
{
	(void)state;
	database_end(&database);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_node_of_the_other),
		TEST(test_same_name_and_address_at_once),
		TEST(test_a_key_for_one),
		TEST(test_changes_of_a_node),
		TEST(test_routes),
		TEST(test_policy_relays_and_coordinators),
		TEST(test_changes_that_were_forgotten),
		TEST(test_forgotten_replacement),
		TEST(test_address_of_one_that_came_back),
		TEST(test_versions_of_maps_grow),
		TEST(test_a_lost_answer),
		TEST(test_away),
	};

	if (database_begin(&database) < 0) {
		printf("[  SKIPPED ] test_follow: PostgreSQL is not installed\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, end_database);
}
