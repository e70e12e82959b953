/* Keys, nodes that wait, nodes that come back: against a real store, with the real handshake. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* cmocka wants the headers above first */
#include <cmocka.h>

#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "coord/approval.h"
#include "coord/backup.h"
#include "coord/certificate.h"
#include "coord/enrolment.h"
#include "coord/options.h"
#include "proto/approval_code.h"
#include "tests/support/coordination.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static struct coordination c;
static struct machine m, n, o;

static int setup(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	coordination_begin(&c);
	machine_init(&m, &c, 1);
	machine_init(&n, &c, 2);
	machine_init(&o, &c, 3);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	machine_clear(&m);
	machine_clear(&n);
	machine_clear(&o);
	coordination_end(&c);
	return 0;
}

static struct token make(const struct enrolment_key *wanted)
{
	struct enrolment_key key = *wanted;
	uint8_t id[TOKEN_KEY_ID_SIZE];
	char text[TOKEN_TEXT_SIZE];
	struct token token;

	if (key.life_s == 0)
		key.life_s = 3600;
	if (key.groups.count == 0)
		assert_int_equal(labels_add(&key.groups, "trusted"), 0);
	assert_int_equal(enrolment_make_key(&c.network, &key, c.now_s, text, id), 0);
	assert_int_equal(token_parse(&token, text), 0);
	return token;
}

static struct node *node_of(const struct machine *machine)
{
	return network_find(&c.network, machine->device_key);
}

/* Connects and shows the token; what the coordinator says is left with the machine. */
static void try_join(struct machine *machine, const struct token *token, const char *hostname)
{
	machine_forget_messages(machine);
	machine_connect(machine);
	machine_enrol(machine, token, hostname);
	coordination_flush(&c);
}

static void log_in(struct machine *machine)
{
	machine_forget_messages(machine);
	machine_connect(machine);
	machine_login(machine);
	coordination_flush(&c);
}

static bool got(struct machine *machine, enum control_type type)
{
	struct control_message message;

	if (!machine_take(machine, type, &message))
		return false;
	control_message_clear(&message);
	return true;
}

static void test_uses_are_counted(void **state)
{
	struct token token = make(&(struct enrolment_key){ .reusable = true, .uses_max = 2 });

	(void)state;
	machine_join(&m, &token, "a");
	machine_join(&n, &token, "b");
	try_join(&o, &token, "c");
	assert_int_equal(machine_take_error(&o), CONTROL_ERROR_USED);
	assert_null(node_of(&o));
}

static void test_one_use_key_names_its_node(void **state)
{
	struct token one = make(&(struct enrolment_key){ .name = "Nas.local" });
	struct token many = make(&(struct enrolment_key){ .name = "servers", .reusable = true });

	(void)state;
	machine_join(&m, &one, "whatever");
	assert_string_equal(node_of(&m)->name, "nas");
	machine_join(&n, &many, "whatever");
	assert_string_equal(node_of(&n)->name, "whatever");
	assert_int_equal(strlen(node_of(&n)->key_id), 16);
}

static void test_who_waits_gets_nothing(void **state)
{
	struct token in = make(&(struct enrolment_key){ .reusable = true });
	struct token wait = make(&(struct enrolment_key){ .approval = KEY_APPROVAL_NEEDED });
	struct control_message message;
	char code[APPROVAL_CODE_SIZE];
	struct node *found;

	(void)state;
	machine_join(&m, &in, "member");
	try_join(&n, &wait, "newcomer");
	assert_true(machine_take(&n, CONTROL_PENDING, &message));
	approval_code(code, n.device_key, node_of(&n)->box_key);
	assert_string_equal(message.pending.code, code);
	assert_int_equal(message.pending.reason, CONTROL_PENDING_APPROVAL);
	assert_int_equal(n.message_count, 0);
	assert_int_equal(node_of(&n)->cert_len, 0);
	coordination_settle(&c);
	assert_int_equal(m.map->peer_count, 0);
	assert_int_equal(approval_count(&c.network), 1);

	/* It waits on over its own and the coordinator's restarts, by login, with the same code. */
	machine_disconnect(&n);
	machine_disconnect(&m);
	coordination_restart(&c);
	log_in(&n);
	assert_true(machine_take(&n, CONTROL_PENDING, &message));
	assert_string_equal(message.pending.code, code);
	log_in(&m);

	code[0] |= 0x20; /* as somebody types it */
	assert_int_equal(approval_find(&c.network, code, &found), 0);
	assert_ptr_equal(found, node_of(&n));
	assert_int_equal(approval_grant(&c.sessions, found, c.now_s), 0);
	coordination_settle(&c);
	assert_true(got(&n, CONTROL_WELCOME)); /* on the same connection */
	assert_int_equal(n.map->peer_count, 1);
	assert_int_equal(m.map->peer_count, 1);
	assert_int_equal(approval_grant(&c.sessions, found, c.now_s), -EALREADY);
}

static void test_network_may_want_approval(void **state)
{
	struct token plain = make(&(struct enrolment_key){ .reusable = true });
	struct token given = make(&(struct enrolment_key){ .approval = KEY_APPROVAL_GIVEN });

	(void)state;
	assert_int_equal(approval_require(&c.network, true), 0);
	coordination_restart(&c);
	try_join(&m, &plain, "a");
	assert_true(got(&m, CONTROL_PENDING));
	machine_join(&n, &given, "b");
	assert_int_equal(node_of(&n)->state, NODE_APPROVED);
	assert_int_equal(approval_require(&c.network, false), 0);
	machine_join(&o, &plain, "c");
}

static void test_waiting_is_bounded_and_ends(void **state)
{
	struct token wait =
		make(&(struct enrolment_key){ .reusable = true, .approval = KEY_APPROVAL_NEEDED });
	struct node *found;

	(void)state;
	c.sessions.limits.values[LIMIT_PENDING] = 1;
	c.sessions.limits.values[LIMIT_PENDING_S] = 600;
	try_join(&m, &wait, "a");
	assert_true(got(&m, CONTROL_PENDING));
	try_join(&n, &wait, "b");
	assert_int_equal(machine_take_error(&n), CONTROL_ERROR_FULL);
	assert_null(node_of(&n));
	machine_disconnect(&m);
	coordination_pass(&c, 601);
	assert_null(node_of(&m));
	try_join(&n, &wait, "b");
	assert_true(got(&n, CONTROL_PENDING));
	assert_int_equal(approval_find(&c.network, "b", &found), 0);
	assert_int_equal(approval_reject(&c.sessions, found, c.now_s), 0);
	assert_int_equal(machine_take_error(&n), CONTROL_ERROR_REVOKED);
	assert_null(node_of(&n));
	log_in(&n);
	assert_int_equal(machine_take_error(&n), CONTROL_ERROR_UNKNOWN_NODE);
}

static void test_who_waits_may_be_renamed(void **state)
{
	struct token wait = make(&(struct enrolment_key){ .approval = KEY_APPROVAL_NEEDED });

	(void)state;
	try_join(&m, &wait, "localhost");
	assert_int_equal(network_rename(&c.network, node_of(&m), "db1", c.now_s), 0);
	assert_int_equal(node_of(&m)->cert_len, 0);
	assert_int_equal(approval_grant(&c.sessions, node_of(&m), c.now_s), 0);
	coordination_flush(&c);
	assert_true(got(&m, CONTROL_WELCOME));
	assert_string_equal(node_of(&m)->name, "db1");
}

/* A machine made anew takes the place of what it was. */
static void test_replacement(void **state)
{
	struct enrolment_key wanted = { .reusable = true };
	struct token in = make(&wanted);
	struct ip_addr address4;
	struct token again;
	uint64_t serial;

	(void)state;
	assert_int_equal(labels_add(&wanted.tags, "db"), 0);
	in = make(&wanted);
	machine_join(&m, &in, "db1");
	machine_join(&n, &in, "web1");
	coordination_settle(&c);
	address4 = node_of(&m)->address4;
	serial = node_of(&m)->serial;
	again = make(&(struct enrolment_key){ .for_node = node_of(&m), .reusable = true });

	machine_join(&o, &again, "other");
	assert_null(node_of(&m));
	assert_string_equal(node_of(&o)->name, "db1");
	assert_true(addr_equal(&node_of(&o)->address4, &address4));
	assert_string_equal(node_of(&o)->tags.names[0], "db");
	assert_int_equal(machine_take_error(&m), CONTROL_ERROR_REVOKED);
	coordination_settle(&c);
	assert_int_equal(n.map->peer_count, 1);
	assert_memory_equal(n.map->peers[0]->cert->parsed.device_key, o.device_key, 32);
	assert_int_equal(n.map->revoked_count, 1);
	assert_int_equal(n.map->revoked[0], serial);
	log_in(&m);
	assert_int_equal(machine_take_error(&m), CONTROL_ERROR_UNKNOWN_NODE);

	/* The key is for whoever has the place now, also after a restart. */
	machine_clear(&m);
	machine_disconnect(&n);
	machine_disconnect(&o);
	coordination_restart(&c);
	machine_init(&m, &c, 4);
	machine_join(&m, &again, "third");
	assert_null(node_of(&o));
	assert_string_equal(node_of(&m)->name, "db1");
	assert_true(addr_equal(&node_of(&m)->address4, &address4));

	machine_disconnect(&m);
	assert_int_equal(network_delete(&c.network, node_of(&m), c.now_s), 0);
	try_join(&o, &again, "fourth");
	assert_int_equal(machine_take_error(&o), CONTROL_ERROR_KEY_REVOKED);
}

static void copy_disk(struct machine *to, const struct machine *from)
{
	memcpy(to->device_key, from->device_key, 32);
	memcpy(to->device_secret, from->device_secret, 64);
	memcpy(to->box_secret, from->box_secret, 32);
	memcpy(to->wireguard_key, from->wireguard_key, 32);
	memcpy(to->trust.node_key, from->trust.node_key, 32);
	to->has_ticket = from->has_ticket;
	to->ticket = from->ticket;
}

static void log_in_and_out(struct machine *machine)
{
	log_in(machine);
	assert_true(got(machine, CONTROL_WELCOME));
	machine_confirm(machine);
	machine_disconnect(machine);
}

/* The original was used since the copy was made: the copy is refused, whoever is there or not. */
static void test_copy_that_fell_behind(void **state)
{
	struct token token = make(&(struct enrolment_key){ .reusable = true });
	struct token fresh = make(&(struct enrolment_key){ .reusable = false });

	(void)state;
	machine_join(&m, &token, "original");
	machine_confirm(&m);
	machine_disconnect(&m);
	copy_disk(&n, &m);
	log_in_and_out(&m);
	log_in(&n);
	assert_int_equal(machine_take_error(&n), CONTROL_ERROR_DUPLICATE);
	assert_int_equal(node_of(&m)->copy_refused_s, c.now_s);
	/* Also after a restart of the coordinator, and with the original connected. */
	machine_disconnect(&n);
	coordination_pass(&c, 1);
	coordination_restart(&c);
	log_in(&n);
	assert_int_equal(machine_take_error(&n), CONTROL_ERROR_DUPLICATE);
	log_in_and_out(&m);
	/* No old token helps it, but a new one says that an admin wants this one to stay. */
	coordination_flush(&c);
	try_join(&n, &(struct token){ .address_count = 1 }, "copy");
	assert_int_equal(machine_take_error(&n), CONTROL_ERROR_MISTYPED);
	try_join(&n, &fresh, "copy");
	assert_true(got(&n, CONTROL_WELCOME));
	machine_confirm(&n);
	log_in(&m);
	assert_int_equal(machine_take_error(&m), CONTROL_ERROR_DUPLICATE);
	try_join(&m, &fresh, "original");
	assert_int_equal(machine_take_error(&m), CONTROL_ERROR_USED);
}

/* The copy comes first: then it is the original that sees it, once it comes back. */
static void test_copy_that_went_ahead(void **state)
{
	struct token token = make(&(struct enrolment_key){ .reusable = true });

	(void)state;
	machine_join(&m, &token, "original");
	machine_confirm(&m);
	machine_disconnect(&m);
	copy_disk(&n, &m);
	log_in_and_out(&n);
	log_in(&m);
	assert_int_equal(machine_take_error(&m), CONTROL_ERROR_DUPLICATE);
}

/* Whatever is lost between the two: who did nothing wrong is let in. */
static void test_tickets_survive_crashes(void **state)
{
	struct token token = make(&(struct enrolment_key){ .reusable = true });
	struct control_ticket before;

	(void)state;
	machine_join(&m, &token, "a");
	machine_confirm(&m);
	before = m.ticket;
	/* Welcomed, and crashed before the ticket was stored. */
	log_in(&m);
	machine_disconnect(&m);
	m.ticket = before;
	log_in(&m);
	assert_true(got(&m, CONTROL_WELCOME));
	/* Stored, and the connection broke before it could say so. */
	machine_disconnect(&m);
	log_in(&m);
	assert_true(got(&m, CONTROL_WELCOME));
	machine_confirm(&m);
	/* The coordinator crashes before it wrote that down, or comes back from a backup. */
	machine_disconnect(&m);
	network_find(&c.network, m.device_key)->unsaved = false;
	coordination_restart(&c);
	assert_true(node_of(&m)->logins < m.ticket.number);
	log_in(&m);
	assert_true(got(&m, CONTROL_WELCOME));
	assert_true(m.ticket.number > before.number + 1);
	/* Nobody makes one up. */
	machine_confirm(&m);
	machine_disconnect(&m);
	m.ticket.number++;
	log_in(&m);
	assert_int_equal(machine_take_error(&m), CONTROL_ERROR_DUPLICATE);
}

#define CROWD 100

/* A hundred machines with one key for one machine, each past its handshake before any enrols. */
static void test_one_use_key_against_a_crowd(void **state)
{
	static struct machine crowd[CROWD];
	struct token token = make(&(struct enrolment_key){ .reusable = false });
	int used = 0;
	int in = 0;

	(void)state;
	for (int i = 0; i < CROWD; i++) {
		machine_init(&crowd[i], &c, 100 + (unsigned int)i);
		machine_connect(&crowd[i]);
	}
	for (int i = 0; i < CROWD; i++)
		machine_enrol(&crowd[i], &token, "same");
	coordination_flush(&c);
	for (int i = 0; i < CROWD; i++) {
		in += got(&crowd[i], CONTROL_WELCOME);
		used += machine_take_error(&crowd[i]) == CONTROL_ERROR_USED;
		machine_clear(&crowd[i]);
	}
	assert_int_equal(in, 1);
	assert_int_equal(used, CROWD - 1);
	assert_int_equal(map_count(c.network.nodes), 1);
}

/* An address is given when it is stored, and stays free when it could not be. */
static void test_failed_writes_use_up_no_address(void **state)
{
	struct token token = make(&(struct enrolment_key){ .reusable = true });
	struct ip_addr first, second;

	(void)state;
	machine_join(&m, &token, "a");
	first = node_of(&m)->address4;
	/* The same WireGuard key as another node's: the store refuses the row. */
	memcpy(n.wireguard_key, m.wireguard_key, 32);
	for (int i = 0; i < 5; i++) {
		try_join(&n, &token, "b");
		assert_int_equal(machine_take_error(&n), CONTROL_ERROR_DUPLICATE);
	}
	machine_join(&o, &token, "c");
	second = node_of(&o)->address4;
	assert_int_equal(second.bytes[3], first.bytes[3] + 1);
}

static void test_codes_as_people_type_them(void **state)
{
	char code[APPROVAL_CODE_SIZE];

	(void)state;
	assert_int_equal(approval_code_parse(code, "abcd-2345"), 0);
	assert_string_equal(code, "ABCD-2345");
	assert_int_equal(approval_code_parse(code, "ABCD2345"), 0);
	assert_string_equal(code, "ABCD-2345");
	assert_int_equal(approval_code_parse(code, "ABCD-234"), -EINVAL);
	assert_int_equal(approval_code_parse(code, "ABCD-23456"), -EINVAL);
	assert_int_equal(approval_code_parse(code, "ABC-D2345"), -EINVAL);
	assert_int_equal(approval_code_parse(code, "ABCD-234I"), -EINVAL);
	assert_int_equal(approval_code_parse(code, ""), -EINVAL);
}

/* What a connection that waits for the end of another one holds on to may go meanwhile. */
static void test_ephemeral_with_a_copy_that_waits(void **state)
{
	struct token token = make(&(struct enrolment_key){ .reusable = true, .ephemeral = true });

	(void)state;
	machine_join(&m, &token, "e");
	copy_disk(&n, &m);
	machine_connect(&n);
	machine_login(&n);
	machine_disconnect(&m);
	/* The clock jumps; deadlines do not. */
	c.now_s += 10000000;
	sessions_tick(&c.sessions, c.now_ns, c.now_s);
	assert_int_equal(map_count(c.network.nodes), 0);
	assert_true(n.closed);
	coordination_pass(&c, 60);
}

/* A name that ends like one that we make longer is not given twice. */
static void test_long_names_with_numbers(void **state)
{
	struct token token = make(&(struct enrolment_key){ .reusable = true });
	char name[CERT_NAME_MAX + 1] = "";

	(void)state;
	memset(name, 'a', CERT_NAME_MAX - 6);
	strcat(name, "-2");
	machine_join(&m, &token, name);
	machine_join(&n, &token, name);
	name[CERT_NAME_MAX - 6] = '\0';
	machine_join(&o, &token, name);
	assert_string_not_equal(node_of(&m)->name, node_of(&n)->name);
	assert_string_equal(node_of(&o)->name, name);
}

/* Two causes that are told apart: only one of them is mended by deleting nodes. */
static void test_full_network_and_full_disk(void **state)
{
	struct token token = make(&(struct enrolment_key){ .reusable = true });
	struct control_error error;

	(void)state;
	c.network.pool.prefix4.len = 30;
	machine_join(&m, &token, "a");
	machine_join(&n, &token, "b");
	try_join(&o, &token, "c");
	assert_int_equal(machine_take_error(&o), CONTROL_ERROR_FULL);
	c.network.pool.prefix4.len = 10;
	machine_disconnect(&o);
	machine_join(&o, &token, "c");
	assert_true(enrolment_explain(&error, -ENOSPC) < 0);
	assert_int_equal(error.code, CONTROL_ERROR_INTERNAL);
	assert_non_null(strstr(error.text, "disk"));
}

/* At the greatest number of nodes one more takes the place of another. */
static void test_replacement_in_a_full_network(void **state)
{
	struct token token = make(&(struct enrolment_key){ .reusable = true });
	struct enrolment_key wanted = { .reusable = false };
	struct node *dummy = calloc(1, sizeof(*dummy));
	struct token place;
	uint8_t key[32] = { 0xd0 };

	(void)state;
	assert_non_null(dummy);
	dummy->revoked = true;
	machine_join(&m, &token, "a");
	wanted.for_node = node_of(&m);
	place = make(&wanted);
	for (uint32_t i = 0; map_count(c.network.nodes) < NETMAP_PEERS_MAX; i++) {
		memcpy(key + 1, &i, sizeof(i));
		assert_int_equal(map_insert(c.network.nodes, key, dummy), 0);
	}
	try_join(&n, &place, "b");
	assert_true(got(&n, CONTROL_WELCOME));
	assert_null(node_of(&m));
	assert_string_equal(node_of(&n)->name, "a");
	for (uint32_t i = 0; map_count(c.network.nodes) > 1; i++) {
		memcpy(key + 1, &i, sizeof(i));
		assert_ptr_equal(map_remove(c.network.nodes, key), dummy);
	}
	free(dummy);
}

static void change_database(const char *sql)
{
	char path[128];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/coord.db", c.dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* Nobody is told what the store refused. */
static void test_rejection_that_is_not_stored(void **state)
{
	struct token token =
		make(&(struct enrolment_key){ .reusable = true, .approval = KEY_APPROVAL_NEEDED });
	uint8_t key[32];

	(void)state;
	try_join(&m, &token, "a");
	try_join(&n, &token, "b");
	assert_true(got(&m, CONTROL_PENDING));
	/* Neither does memory keep a key that it did not take. */
	memcpy(key, n.wireguard_key, 32);
	memcpy(n.wireguard_key, m.wireguard_key, 32);
	machine_disconnect(&n);
	log_in(&n);
	assert_int_equal(machine_take_error(&n), CONTROL_ERROR_DUPLICATE);
	assert_memory_equal(node_of(&n)->wireguard_key, key, 32);
	change_database("ALTER TABLE node RENAME TO away");
	assert_true(approval_reject(&c.sessions, node_of(&m), c.now_s) < 0);
	assert_non_null(node_of(&m)->session);
	assert_false(m.closed);
	assert_false(got(&m, CONTROL_REVOKED));
	change_database("ALTER TABLE away RENAME TO node");
	assert_int_equal(approval_reject(&c.sessions, node_of(&m), c.now_s), 0);
	assert_true(m.closed);
	assert_null(node_of(&m));
}

/* A key for one node brings no other one back that fell behind. */
static void test_copy_with_a_key_for_another(void **state)
{
	struct token token = make(&(struct enrolment_key){ .reusable = true });
	struct enrolment_key wanted = { .reusable = false };
	struct token place;

	(void)state;
	machine_join(&m, &token, "a");
	machine_join(&o, &token, "o");
	machine_confirm(&m);
	machine_disconnect(&m);
	wanted.for_node = node_of(&o);
	place = make(&wanted);
	try_join(&m, &place, "a");
	assert_int_equal(machine_take_error(&m), CONTROL_ERROR_DUPLICATE);
	/* And it is good still for whom it was made. */
	try_join(&n, &place, "n");
	assert_true(got(&n, CONTROL_WELCOME));
	assert_string_equal(node_of(&n)->name, "o");
}

/* Users who have to sign in again are no newcomers that somebody has to let in. */
static void test_members_who_wait_are_no_crowd(void **state)
{
	struct token token = make(&(struct enrolment_key){ .reusable = true });

	(void)state;
	machine_join(&m, &token, "a");
	node_of(&m)->state = NODE_WAITS_SIGN_IN;
	assert_int_equal(approval_count(&c.network), 0);
}

static void remove_restored(const char *dir)
{
	static const char *const files[] = { "coord.db",        "coord.db-wal",  "coord.db-shm",
					     "coordinator.key", "authority.key", "tls.crt",
					     "tls.key" };
	char path[128];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}

/* Whoever was in when the backup was made is in after it came back: no copy, no older map. */
static void test_backup_comes_back(void **state)
{
	struct token token = make(&(struct enrolment_key){ .reusable = true });
	struct options options = { .data = NULL };
	char first[sizeof(c.dir)];
	char file[128];
	uint64_t version;

	(void)state;
	machine_join(&m, &token, "a");
	machine_join(&n, &token, "b");
	machine_confirm(&m);
	coordination_pass(&c, 1);
	snprintf(file, sizeof(file), "%s.backup", c.dir);
	assert_int_equal(backup_write(&c.network, c.dir, file), 0);
	machine_disconnect(&n);
	for (int i = 0; i < 3; i++) {
		machine_disconnect(&m);
		log_in(&m);
		assert_true(got(&m, CONTROL_WELCOME));
		machine_confirm(&m);
	}
	machine_join(&o, &token, "o");
	coordination_settle(&c);
	assert_true(node_of(&m)->logins > 2);
	version = m.map->version;
	machine_disconnect(&m);
	machine_disconnect(&o);
	/* All is lost but the file. */
	network_close(&c.network);
	strcpy(first, c.dir);
	remove_restored(first);
	options.data = first;
	options.arguments[0] = file;
	assert_int_equal(backup_restore(&options), 0);
	unlink(file);
	coordination_reopen(&c);
	assert_int_equal(map_count(c.network.nodes), 2);
	assert_true(node_of(&m)->logins < m.ticket.number);
	log_in(&m);
	log_in(&n);
	assert_true(got(&m, CONTROL_WELCOME));
	assert_true(got(&n, CONTROL_WELCOME));
	assert_true(m.map->version > version);
	/* From then on a copy is found as before. */
	machine_confirm(&m);
	machine_disconnect(&m);
	m.ticket.number--;
	log_in(&m);
	assert_int_equal(machine_take_error(&m), CONTROL_ERROR_DUPLICATE);
	/* Who came after the backup was made is told to join again. */
	log_in(&o);
	assert_int_equal(machine_take_error(&o), CONTROL_ERROR_UNKNOWN_NODE);
}

/* Serials of certificates that have expired are in no map for ever. */
static void test_revoked_serials_are_forgotten(void **state)
{
	struct token token = make(&(struct enrolment_key){ .reusable = true });

	(void)state;
	machine_join(&m, &token, "a");
	machine_join(&n, &token, "b");
	assert_int_equal(sessions_delete(&c.sessions, node_of(&m), "gone", c.now_s), 0);
	coordination_settle(&c);
	assert_int_equal(c.network.revoked_count, 1);
	assert_int_equal(n.map->revoked_count, 1);
	c.now_s += 3 * (uint64_t)CERTIFICATE_LIFE_S;
	coordination_pass(&c, 1);
	assert_int_equal(c.network.revoked_count, 0);
	assert_int_equal(n.map->revoked_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_uses_are_counted),
		TEST(test_one_use_key_names_its_node),
		TEST(test_who_waits_gets_nothing),
		TEST(test_network_may_want_approval),
		TEST(test_waiting_is_bounded_and_ends),
		TEST(test_who_waits_may_be_renamed),
		TEST(test_replacement),
		TEST(test_copy_that_fell_behind),
		TEST(test_copy_that_went_ahead),
		TEST(test_tickets_survive_crashes),
		TEST(test_one_use_key_against_a_crowd),
		TEST(test_failed_writes_use_up_no_address),
		cmocka_unit_test(test_codes_as_people_type_them),
		TEST(test_ephemeral_with_a_copy_that_waits),
		TEST(test_long_names_with_numbers),
		TEST(test_full_network_and_full_disk),
		TEST(test_replacement_in_a_full_network),
		TEST(test_rejection_that_is_not_stored),
		TEST(test_copy_with_a_key_for_another),
		TEST(test_members_who_wait_are_no_crowd),
		TEST(test_backup_comes_back),
		TEST(test_revoked_serials_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
