#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "coord/store.h"
#include "coord/store_copy.h"
#include "coord/store_driver.h"
#include "coord/store_postgres.h"
#include "tests/support/database.h"

static char dir[64];
static char path[128];
static struct store *store;
static struct database database;
static bool on_postgres;
static char problem[256];

static int begin(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/warren-store-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/db", dir);
	return store_create(&store, path);
}

static int end(void **state)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", ".copy" };
	char file[160];

	(void)state;
	store_close(store);
	for (size_t i = 0; i < 4; i++) {
		snprintf(file, sizeof(file), "%s%s", path, suffixes[i]);
		unlink(file);
	}
	return rmdir(dir);
}

static int begin_postgres(void **state)
{
	(void)state;
	database_clear(&database);
	return store_postgres_create(&store, database.place, problem, sizeof(problem));
}

static int end_postgres(void **state)
{
	(void)state;
	store_close(store);
	return 0;
}

static int open_again(struct store **out)
{
	return on_postgres ? store_postgres_open(out, database.place, problem, sizeof(problem))
			   : store_open(out, path);
}

static void reopen(void)
{
	store_close(store);
	assert_int_equal(open_again(&store), 0);
}

static void test_only_the_owner_may_read_it(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_values(void **state)
{
	uint8_t *value;
	uint64_t number;
	size_t len;

	(void)state;
	assert_int_equal(store_get(store, "x", &value, &len), -ENOENT);
	assert_int_equal(store_set(store, "x", "a\0b", 3), 0);
	assert_int_equal(store_set_u64(store, "n", UINT64_MAX), 0);
	reopen();
	assert_int_equal(store_get(store, "x", &value, &len), 0);
	assert_int_equal(len, 3);
	assert_memory_equal(value, "a\0b", 4);
	free(value);
	assert_int_equal(store_get_u64(store, "n", &number), 0);
	assert_true(number == UINT64_MAX);
	assert_int_equal(store_get_u64(store, "absent", &number), 0);
	assert_int_equal(number, 0);
}

static struct store_key make_key(uint8_t n, bool reusable)
{
	struct store_key key = { .reusable = reusable, .created_s = n, .expires_s = 100 };

	memset(key.id, n, sizeof(key.id));
	snprintf(key.name, sizeof(key.name), "key %u", n);
	labels_add(&key.groups, "trusted");
	return key;
}

static int count_keys(void *arg, const struct store_key *key)
{
	unsigned int *count = arg;

	assert_int_equal(key->created_s, ++*count);
	return 0;
}

static void test_keys(void **state)
{
	struct store_key one = make_key(1, false);
	struct store_key many = make_key(2, true);
	struct store_key found;
	unsigned int count = 0;

	(void)state;
	assert_int_equal(store_key_add(store, &one), 0);
	assert_int_equal(store_key_add(store, &one), -EEXIST);
	assert_int_equal(store_key_add(store, &many), 0);
	reopen();
	assert_int_equal(store_key_use(store, one.id, 7), 0);
	assert_int_equal(store_key_use(store, one.id, 7), -EBUSY);
	assert_int_equal(store_key_use(store, many.id, 7), 0);
	assert_int_equal(store_key_use(store, many.id, 7), 0);
	assert_int_equal(store_key_find(store, many.id, &found), 0);
	assert_int_equal(found.uses, 2);
	assert_string_equal(found.groups.names[0], "trusted");
	assert_int_equal(store_key_revoke(store, one.id), 0);
	assert_int_equal(store_key_find(store, one.id, &found), 0);
	assert_true(found.revoked);
	memset(found.id, 9, sizeof(found.id));
	assert_int_equal(store_key_find(store, found.id, &found), -ENOENT);
	assert_int_equal(store_key_use(store, found.id, 7), -ENOENT);
	assert_int_equal(store_key_revoke(store, found.id), -ENOENT);
	assert_int_equal(store_key_each(store, count_keys, &count), 0);
	assert_int_equal(count, 2);
}

static struct node make_node(uint8_t n)
{
	struct node node = { .serial = n, .cert_len = 3, .created_s = n };

	memset(node.device_key, n, 32);
	memset(node.box_key, n + 100, 32);
	memset(node.wireguard_key, n + 200, 32);
	snprintf(node.name, sizeof(node.name), "node%u", n);
	node.address4 = addr_from_v4(0x64400000u + n);
	addr_parse(&node.address6, "fd00::1");
	node.address6.bytes[15] = n;
	return node;
}

static int keep_last(void *arg, const struct node *node)
{
	memcpy(arg, node, sizeof(*node));
	return 0;
}

static void test_nodes(void **state)
{
	struct node node = make_node(1);
	struct node twin = make_node(2);
	struct node read;

	(void)state;
	labels_add(&node.tags, "db");
	assert_int_equal(store_node_put(store, &node), 0);
	strcpy(node.name, "renamed");
	assert_int_equal(store_node_put(store, &node), 0);
	/* Nothing of it twice. */
	strcpy(twin.name, "renamed");
	assert_int_equal(store_node_put(store, &twin), -EEXIST);
	strcpy(twin.name, "twin");
	twin.address4 = node.address4;
	assert_int_equal(store_node_put(store, &twin), -EEXIST);
	twin = make_node(2);
	memcpy(twin.wireguard_key, node.wireguard_key, 32);
	assert_int_equal(store_node_put(store, &twin), -EEXIST);
	twin = make_node(2);
	memcpy(twin.box_key, node.box_key, 32);
	assert_int_equal(store_node_put(store, &twin), -EEXIST);
	/* Nor by a change later. */
	twin = make_node(2);
	assert_int_equal(store_node_put(store, &twin), 0);
	memcpy(twin.wireguard_key, node.wireguard_key, 32);
	assert_int_equal(store_node_put(store, &twin), -EEXIST);
	assert_int_equal(store_node_delete(store, twin.device_key), 0);
	reopen();
	assert_int_equal(store_node_each(store, keep_last, &read), 0);
	assert_string_equal(read.name, "renamed");
	assert_string_equal(read.tags.names[0], "db");
	assert_true(addr_equal(&read.address6, &node.address6));
	assert_int_equal(store_node_delete(store, node.device_key), 0);
}

static int count_any(void *arg, const struct node *node)
{
	(void)node;
	++*(unsigned int *)arg;
	return 0;
}

static unsigned int node_count(void)
{
	unsigned int count = 0;

	assert_int_equal(store_node_each(store, count_any, &count), 0);
	return count;
}

static void test_a_transaction_is_whole_or_not_at_all(void **state)
{
	struct store_key key = make_key(1, false);
	struct node node = make_node(1);
	struct store_key found;

	(void)state;
	assert_int_equal(store_key_add(store, &key), 0);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_key_use(store, key.id, 7), 0);
	assert_int_equal(store_node_put(store, &node), 0);
	store_rollback(store);
	assert_int_equal(node_count(), 0);
	assert_int_equal(store_key_find(store, key.id, &found), 0);
	assert_int_equal(found.uses, 0);
}

/* A child that is killed while it writes: what it said was done is there, and nothing in halves. */
static void test_killed_while_writing(void **state)
{
	unsigned int said = 0;
	uint8_t byte;
	int pipes[2];
	pid_t child;

	(void)state;
	store_close(store);
	store = NULL;
	assert_int_equal(pipe(pipes), 0);
	child = fork();
	if (child == 0) {
		for (uint8_t n = 1; store || open_again(&store) == 0; n++) {
			struct store_key key = make_key(n, false);
			struct node node = make_node(n);

			if (store_key_add(store, &key) < 0 || store_begin(store) < 0 ||
			    store_key_use(store, key.id, 7) < 0 ||
			    store_node_put(store, &node) < 0 || store_commit(store) < 0 ||
			    write(pipes[1], &n, 1) != 1)
				_exit(1);
		}
		_exit(1);
	}
	close(pipes[1]);
	while (said < 20 && read(pipes[0], &byte, 1) == 1)
		said++;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	while (read(pipes[0], &byte, 1) == 1)
		said++;
	close(pipes[0]);
	assert_true(said >= 20);
	assert_int_equal(open_again(&store), 0);
	assert_in_range(node_count(), said, said + 1);
	for (uint8_t n = 1; n <= node_count(); n++) {
		struct store_key key = make_key(n, false);

		assert_int_equal(store_key_find(store, key.id, &key), 0);
		assert_int_equal(key.uses, 1);
	}
}

static void test_damaged_or_foreign_files(void **state)
{
	struct store *other;
	uint8_t garbage[4096];
	int fd;

	(void)state;
	assert_int_equal(store_create(&other, path), -EEXIST);
	assert_int_equal(store_open(&other, "/tmp/there/is/no/such"), -ENOENT);
	store_close(store);
	store = NULL;
	memset(garbage, 'x', sizeof(garbage));
	fd = open(path, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, garbage, sizeof(garbage)), sizeof(garbage));
	close(fd);
	assert_int_equal(store_open(&other, path), -EUCLEAN);
	fd = open(path, O_WRONLY | O_TRUNC);
	close(fd);
	assert_int_equal(store_open(&other, path), -EUCLEAN);
}

static void execute(const char *sql)
{
	assert_int_equal(sqlite3_exec(store->db, sql, NULL, NULL, NULL), SQLITE_OK);
}

/* The tables of version 3, as it made them, and their columns. */
static const struct {
	const char *name;
	const char *sql;
	const char *columns;
} version_3[] = {
	{ "value", "name TEXT PRIMARY KEY, value BLOB NOT NULL", "name, value" },
	{ "key",
	  "id BLOB PRIMARY KEY, secret_hash BLOB NOT NULL, name TEXT NOT NULL,"
	  " reusable INTEGER NOT NULL, ephemeral INTEGER NOT NULL, revoked INTEGER NOT NULL,"
	  " groups TEXT NOT NULL, tags TEXT NOT NULL, created_s INTEGER NOT NULL,"
	  " expires_s INTEGER NOT NULL, uses INTEGER NOT NULL, CHECK (reusable OR uses <= 1)",
	  "id, secret_hash, name, reusable, ephemeral, revoked, groups, tags, created_s,"
	  " expires_s, uses" },
	{ "node",
	  "device_key BLOB PRIMARY KEY, box_key BLOB NOT NULL UNIQUE,"
	  " wireguard_key BLOB NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE,"
	  " address4 BLOB NOT NULL UNIQUE, address6 BLOB NOT NULL UNIQUE, groups TEXT NOT NULL,"
	  " tags TEXT NOT NULL, ephemeral INTEGER NOT NULL, revoked INTEGER NOT NULL,"
	  " created_s INTEGER NOT NULL, last_seen_s INTEGER NOT NULL, version TEXT NOT NULL,"
	  " os TEXT NOT NULL, serial INTEGER NOT NULL UNIQUE, not_before_s INTEGER NOT NULL,"
	  " not_after_s INTEGER NOT NULL, cert BLOB NOT NULL",
	  "device_key, box_key, wireguard_key, name, address4, address6, groups, tags, ephemeral,"
	  " revoked, created_s, last_seen_s, version, os, serial, not_before_s, not_after_s, cert" },
	{ "revoked", "serial INTEGER PRIMARY KEY, until_s INTEGER NOT NULL", "serial, until_s" },
	{ "relay",
	  "name TEXT PRIMARY KEY, hosts TEXT NOT NULL, udp_port INTEGER NOT NULL,"
	  " tls_port INTEGER NOT NULL, secret BLOB NOT NULL, kind INTEGER NOT NULL DEFAULT 0",
	  "name, hosts, udp_port, tls_port, secret, kind" },
};

/* A database as version 3 would have left it, with what is in the present one. */
static void to_version_3(void)
{
	char old_path[160];
	char sql[2048];

	snprintf(old_path, sizeof(old_path), "%s.copy", path);
	fclose(fopen(old_path, "w")); /* the store's handle may not make files */
	snprintf(sql, sizeof(sql), "ATTACH '%s' AS old", old_path);
	execute(sql);
	for (size_t i = 0; i < sizeof(version_3) / sizeof(version_3[0]); i++) {
		snprintf(sql, sizeof(sql),
			 "CREATE TABLE old.%s (%s) STRICT;"
			 "INSERT INTO old.%s SELECT %s FROM main.%s ORDER BY 1;",
			 version_3[i].name, version_3[i].sql, version_3[i].name,
			 version_3[i].columns, version_3[i].name);
		execute(sql);
	}
	execute("PRAGMA old.user_version = 3; DETACH old;");
	store_close(store);
	store = NULL;
	assert_int_equal(rename(old_path, path), 0);
}

/* Changes the file behind the store's back. */
static void execute_raw(const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* The node table as version 1 had it, with what is in the present one. */
static const char to_version_1[] =
	"ALTER TABLE node RENAME TO newer;"
	"CREATE TABLE node (device_key BLOB PRIMARY KEY, box_key BLOB NOT NULL UNIQUE,"
	" wireguard_key BLOB NOT NULL, name TEXT NOT NULL UNIQUE, address4 BLOB NOT NULL UNIQUE,"
	" address6 BLOB NOT NULL UNIQUE, groups TEXT NOT NULL, tags TEXT NOT NULL,"
	" ephemeral INTEGER NOT NULL, revoked INTEGER NOT NULL, created_s INTEGER NOT NULL,"
	" last_seen_s INTEGER NOT NULL, version TEXT NOT NULL, os TEXT NOT NULL,"
	" serial INTEGER NOT NULL UNIQUE, not_before_s INTEGER NOT NULL,"
	" not_after_s INTEGER NOT NULL, cert BLOB NOT NULL) STRICT;"
	"INSERT INTO node SELECT * FROM newer ORDER BY created_s DESC;"
	"DROP TABLE newer;"
	"UPDATE node SET wireguard_key = (SELECT wireguard_key FROM node WHERE name = 'node2')"
	" WHERE name IN ('node3', 'node4');"
	"ALTER TABLE relay DROP COLUMN kind;";

static int forbid_third(void *arg, const struct node *node)
{
	(void)arg;
	assert_string_not_equal(node->name, "node3");
	assert_string_not_equal(node->name, "node4");
	return 0;
}

static int sum_serials(void *arg, uint64_t serial)
{
	*(uint64_t *)arg += serial;
	return 0;
}

static void test_version_1_with_one_key_thrice(void **state)
{
	struct node twin = make_node(3);
	uint64_t sum = 0;

	(void)state;
	for (uint8_t n = 1; n <= 5; n++) {
		struct node node = make_node(n);

		assert_int_equal(store_node_put(store, &node), 0);
	}
	to_version_3();
	execute_raw(to_version_1);
	execute_raw("PRAGMA user_version = 1");
	/* The oldest node keeps the key. */
	reopen();
	assert_int_equal(node_count(), 3);
	assert_int_equal(store_node_each(store, forbid_third, NULL), 0);
	assert_int_equal(store_revoked_each(store, sum_serials, &sum), 0);
	assert_int_equal(sum, 3 + 4);
	memset(twin.wireguard_key, 2 + 200, 32);
	assert_int_equal(store_node_put(store, &twin), -EEXIST);
	memset(twin.wireguard_key, 3 + 200, 32);
	assert_int_equal(store_node_put(store, &twin), 0);
	reopen();
	assert_int_equal(node_count(), 4);
}

static int copy_relay(void *arg, const struct store_relay *relay)
{
	*(struct store_relay *)arg = *relay;
	return 0;
}

static void test_version_2_knew_one_kind_of_relay(void **state)
{
	static const char to_version_2[] =
		"ALTER TABLE relay DROP COLUMN kind;"
		"INSERT INTO relay VALUES ('old', '192.0.2.1', 3478, 443, x'0102');";
	struct store_relay relay = { .secret_len = 0 };

	(void)state;
	to_version_3();
	execute_raw(to_version_2);
	execute_raw("PRAGMA user_version = 2");
	reopen();
	assert_int_equal(store_relay_each(store, copy_relay, &relay), 0);
	assert_string_equal(relay.relay.name, "old");
	assert_int_equal(relay.relay.kind, NETMAP_RELAY_WARREN);
	assert_int_equal(relay.relay.tls_port, 443);
	relay.relay.kind = NETMAP_RELAY_TURN;
	assert_int_equal(store_relay_put(store, &relay), 0);
	reopen();
	memset(&relay, 0, sizeof(relay));
	assert_int_equal(store_relay_each(store, copy_relay, &relay), 0);
	assert_int_equal(relay.relay.kind, NETMAP_RELAY_TURN);
	assert_int_equal(relay.secret_len, 2);
}

static void test_version_3_keeps_all_it_has(void **state)
{
	struct store_key key = make_key(1, false);
	struct node node = make_node(1);
	struct node read;
	uint64_t value;

	(void)state;
	assert_int_equal(store_key_add(store, &key), 0);
	assert_int_equal(store_node_put(store, &node), 0);
	assert_int_equal(store_set_u64(store, "n", 7), 0);
	to_version_3();
	reopen();
	assert_int_equal(store_key_use(store, key.id, 7), 0);
	assert_int_equal(store_node_each(store, keep_last, &read), 0);
	assert_memory_equal(&read, &node, sizeof(node));
	assert_int_equal(store_get_u64(store, "n", &value), 0);
	assert_int_equal(value, 7);
	/* As a new one: what is written now can be read again. */
	assert_int_equal(store_node_put(store, &read), 0);
	reopen();
	assert_int_equal(node_count(), 1);
}

static int check_owner(void *arg, const struct node *node)
{
	const char *owner = arg;

	assert_string_equal(node->owner, owner);
	assert_int_equal(node->login_until_s, owner[0] ? 77 : 0);
	return 0;
}

static void test_version_3_knew_no_owners(void **state)
{
	struct node node = make_node(1);

	(void)state;
	assert_int_equal(store_node_put(store, &node), 0);
	to_version_3();
	reopen();
	assert_int_equal(store_node_each(store, check_owner, ""), 0);
	strcpy(node.owner, "alice@example.com");
	node.login_until_s = 77;
	assert_int_equal(store_node_put(store, &node), 0);
	reopen();
	assert_int_equal(node_count(), 1);
	assert_int_equal(store_node_each(store, check_owner, node.owner), 0);
}

static void test_newer_schema(void **state)
{
	struct store *other;

	(void)state;
	execute("PRAGMA user_version = 99");
	store_close(store);
	store = NULL;
	assert_int_equal(store_open(&other, path), -EPROTO);
}

static void test_relays(void **state)
{
	struct store_relay relay = { .secret_len = 16 };
	struct store_relay read;

	(void)state;
	strcpy(relay.relay.name, "fra");
	strcpy(relay.relay.hosts[0], "192.0.2.1");
	relay.relay.host_count = 1;
	assert_int_equal(store_relay_put(store, &relay), 0);
	relay.relay.udp_port = 7;
	assert_int_equal(store_relay_put(store, &relay), 0);
	reopen();
	assert_int_equal(store_relay_each(store, copy_relay, &read), 0);
	assert_int_equal(read.relay.udp_port, 7);
	assert_int_equal(read.secret_len, 16);
	assert_int_equal(store_relay_delete(store, "fra"), 0);
	assert_int_equal(store_relay_delete(store, "fra"), -ENOENT);
}

static void test_relays_and_backup(void **state)
{
	struct store_relay relay = { .secret_len = 16 };
	struct store *copy;
	char copy_path[160];

	(void)state;
	strcpy(relay.relay.name, "fra");
	strcpy(relay.relay.hosts[0], "192.0.2.1");
	strcpy(relay.relay.hosts[1], "2001:db8::1");
	relay.relay.host_count = 2;
	assert_int_equal(store_relay_put(store, &relay), 0);
	snprintf(copy_path, sizeof(copy_path), "%s.copy", path);
	assert_int_equal(store_backup(store, copy_path), 0);
	assert_int_equal(store_relay_delete(store, "fra"), 0);
	assert_int_equal(store_relay_delete(store, "fra"), -ENOENT);
	assert_int_equal(store_open(&copy, copy_path), 0);
	assert_int_equal(store_relay_delete(copy, "fra"), 0);
	store_close(copy);
	snprintf(copy_path, sizeof(copy_path), "%s.copy-wal", path);
	unlink(copy_path);
	snprintf(copy_path, sizeof(copy_path), "%s.copy-shm", path);
	unlink(copy_path);
}

static void test_newer_schema_on_postgres(void **state)
{
	struct store *other;

	(void)state;
	database_run(&database, "UPDATE schema_version SET version = 99");
	assert_int_equal(store_postgres_open(&other, database.place, problem, sizeof(problem)),
			 -EPROTO);
}

static void test_no_network_on_postgres(void **state)
{
	struct store *other;

	(void)state;
	database_clear(&database);
	assert_int_equal(store_postgres_open(&other, database.place, problem, sizeof(problem)),
			 -EUCLEAN);
	assert_int_equal(store_postgres_open(&other, "host=/there/is/none", problem,
					     sizeof(problem)),
			 -ENOTCONN);
	assert_non_null(strstr(problem, "/there/is/none"));
}

static void test_migrated_on_postgres(void **state)
{
	uint64_t value = 0;

	(void)state;
	/* What version 4 added is made anew out of version 3. */
	assert_int_equal(store_set_u64(store, "n", 7), 0);
	store_close(store);
	database_run(
		&database,
		"DO $$ DECLARE t text; BEGIN FOR t IN SELECT tablename FROM pg_tables WHERE"
		" schemaname = 'public' AND tablename NOT IN ('value', 'schema_version')"
		" LOOP EXECUTE 'DROP TABLE ' || quote_ident(t) || ' CASCADE'; END LOOP; END $$;"
		"CREATE TABLE node (device_key BYTEA); CREATE TABLE relay (name TEXT);"
		"CREATE TABLE key (id BYTEA); CREATE TABLE revoked (serial BIGINT);"
		"UPDATE schema_version SET version = 3");
	assert_int_equal(open_again(&store), 0);
	assert_int_equal(store_get_u64(store, "n", &value), 0);
	assert_int_equal(value, 7);
	assert_int_equal(store_get_u64(store, "absent", &value), 0);
}

/* Calls fail at once while it is away, say so, and go on with a new connection. */
static void test_away_and_back(void **state)
{
	struct node node = make_node(1);
	uint64_t value;

	(void)state;
	store_postgres_serve(store);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_node_put(store, &node), 0);
	database_stop(&database);
	/* Within a transaction it is sure that nothing was done. */
	assert_int_equal(store_node_put(store, &node), -ENOTCONN);
	assert_true(store_is_away(store));
	assert_int_equal(store_commit(store), -ENOTCONN);
	store_rollback(store);
	assert_int_equal(store_set_u64(store, "n", 1), -ENOTCONN);
	assert_int_equal(store_begin(store), -ENOTCONN);
	database_start(&database);
	assert_int_equal(store_set_u64(store, "n", 1), -ENOTCONN);
	store_postgres_adopt(store,
			     store_postgres_connect(database.place, problem, sizeof(problem)));
	assert_false(store_is_away(store));
	assert_int_equal(node_count(), 0);
	assert_int_equal(store_set_u64(store, "n", 1), 0);
	/* Between statements of their own nobody knows. */
	database_stop(&database);
	assert_int_equal(store_set_u64(store, "n", 2), -ETIMEDOUT);
	assert_int_equal(store_get_u64(store, "n", &value), -ENOTCONN);
	database_start(&database);
}

/* A one-use key by many at once, each with a connection of its own. */
static void test_one_use_by_many(void **state)
{
	struct store_key key = make_key(1, false);
	pid_t children[8];
	int used = 0;

	(void)state;
	assert_int_equal(store_key_add(store, &key), 0);
	for (int i = 0; i < 8; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			struct store *mine;

			if (store_postgres_open(&mine, database.place, problem, sizeof(problem)) <
			    0)
				_exit(2);
			_exit(store_key_use(mine, key.id, 7) == 0 ? 1 : 0);
		}
	}
	for (int i = 0; i < 8; i++) {
		int status;

		waitpid(children[i], &status, 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
		used += WEXITSTATUS(status);
	}
	assert_int_equal(used, 1);
}

/* From a database into a file and into another database: all is there, and counters go on. */
static void test_backup_and_restore(void **state)
{
	struct store_key key = make_key(1, true);
	struct node node = make_node(1);
	struct store *copy;
	struct node read;
	uint64_t number;
	char copy_path[64] = "/tmp/warren-store-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(copy_path));
	strcat(copy_path, "/copy");
	assert_int_equal(store_key_add(store, &key), 0);
	assert_int_equal(store_node_put(store, &node), 0);
	assert_int_equal(store_set(store, "x", "a\0b", 3), 0);
	assert_int_equal(store_counter_seed(store, "next_serial", 41), 0);
	assert_int_equal(store_backup(store, copy_path), 0);
	store_close(store);
	database_clear(&database);
	assert_int_equal(store_open(&copy, copy_path), 0);
	assert_int_equal(store_get_u64(copy, "next_serial", &number), 0);
	assert_int_equal(number, 41);
	assert_int_equal(store_postgres_create(&store, database.place, problem, sizeof(problem)),
			 0);
	assert_int_equal(store_copy(store, copy, copy), 0);
	assert_int_equal(store_copy_values_to_counters(store), 0);
	store_close(copy);
	assert_int_equal(store_key_use(store, key.id, 1), 0);
	assert_int_equal(store_node_each(store, keep_last, &read), 0);
	assert_memory_equal(&read, &node, sizeof(node));
	assert_int_equal(store_counter_take(store, "next_serial", &number), 0);
	assert_true(number > 41);
	unlink(copy_path);
	*strrchr(copy_path, '/') = '\0';
	assert_int_equal(rmdir(copy_path), 0);
}

static int begin_database(void **state)
{
	(void)state;
	on_postgres = true;
	return 0;
}

static int end_database(void **state)
{
	(void)state;
	database_end(&database);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
#define POSTGRES(name)                                                         \
	{                                                                      \
#name "_on_postgres", name, begin_postgres, end_postgres, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_only_the_owner_may_read_it),
		TEST(test_values),
		TEST(test_keys),
		TEST(test_nodes),
		TEST(test_a_transaction_is_whole_or_not_at_all),
		TEST(test_killed_while_writing),
		TEST(test_damaged_or_foreign_files),
		TEST(test_version_1_with_one_key_thrice),
		TEST(test_version_2_knew_one_kind_of_relay),
		TEST(test_version_3_keeps_all_it_has),
		TEST(test_version_3_knew_no_owners),
		TEST(test_newer_schema),
		TEST(test_relays_and_backup),
	};

	const struct CMUnitTest postgres_tests[] = {
		POSTGRES(test_values),
		POSTGRES(test_keys),
		POSTGRES(test_nodes),
		POSTGRES(test_a_transaction_is_whole_or_not_at_all),
		POSTGRES(test_killed_while_writing),
		POSTGRES(test_relays),
		POSTGRES(test_one_use_by_many),
		POSTGRES(test_away_and_back),
		POSTGRES(test_backup_and_restore),
		cmocka_unit_test_setup_teardown(test_no_network_on_postgres, begin_postgres,
						end_postgres),
		cmocka_unit_test_setup_teardown(test_newer_schema_on_postgres, begin_postgres,
						end_postgres),
		cmocka_unit_test_setup_teardown(test_migrated_on_postgres, begin_postgres,
						end_postgres),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	if (database_begin(&database) < 0) {
		printf("[  SKIPPED ] test_store on PostgreSQL: it is not installed\n");
		return failed;
	}
	return failed + cmocka_run_group_tests(postgres_tests, begin_database, end_database);
}
