/* Routes in the store, in both databases; and the version of the tables that knew none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "coord/store.h"
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
	if (on_postgres) {
		database_clear(&database);
		return store_postgres_create(&store, database.place, problem, sizeof(problem));
	}
	strcpy(dir, "/tmp/warren-store-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/db", dir);
	return store_create(&store, path);
}

static int end(void **state)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	char file[160];

	(void)state;
	store_close(store);
	for (size_t i = 0; !on_postgres && i < 3; i++) {
		snprintf(file, sizeof(file), "%s%s", path, suffixes[i]);
		unlink(file);
	}
	return on_postgres ? 0 : rmdir(dir);
}

static void open_again(void)
{
	assert_int_equal(on_postgres ? store_postgres_open(&store, database.place, problem,
							   sizeof(problem))
				     : store_open(&store, path),
			 0);
}

static void reopen(void)
{
	store_close(store);
	open_again();
}

/* Behind the store's back, which is closed meanwhile. */
static void change(const char *sql)
{
	sqlite3 *db;

	store_close(store);
	if (on_postgres) {
		database_run(&database, sql);
	} else {
		assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
		assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
		sqlite3_close(db);
	}
	open_again();
}

static struct store_key make_key(void)
{
	struct store_key key = { .reusable = true, .created_s = 1, .expires_s = 100 };

	memset(key.id, 1, sizeof(key.id));
	labels_add(&key.groups, "trusted");
	return key;
}

static struct node make_node(void)
{
	struct node node = { .serial = 1, .cert_len = 3, .created_s = 1, .name = "gw" };

	memset(node.device_key, 1, 32);
	memset(node.box_key, 2, 32);
	memset(node.wireguard_key, 3, 32);
	node.address4 = addr_from_v4(0x64400001u);
	addr_parse(&node.address6, "fd00::1");
	return node;
}

/* Each column of its own. */
static void test_routes(void **state)
{
	struct store_key key = make_key();
	struct node node = make_node();
	struct store_key found;
	struct node read;

	(void)state;
	assert_int_equal(route_list_parse(&key.routes, "10.0.0.0/8 ::/0"), 0);
	assert_int_equal(node_routes_parse_offered(&node.routes,
						   "10.77.1.0/24=192.168.1.0@7 ::/0@100"),
			 0);
	assert_int_equal(node_routes_parse_decided(&node.routes, "+10.77.1.0/24 -::/0"), 0);
	assert_int_equal(route_list_parse(&node.routes.advance, "10.9.0.0/16"), 0);
	assert_int_equal(store_key_add(store, &key), 0);
	assert_int_equal(store_node_put(store, &node), 0);
	reopen();
	assert_int_equal(store_key_find(store, key.id, &found), 0);
	assert_int_equal(found.routes.count, 2);
	assert_int_equal(store_node_find(store, node.device_key, &read), 0);
	assert_true(node_routes_equal(&read.routes, &node.routes));
	/* And what changed in them. */
	node_routes_forget_decision(&node.routes, &node.routes.offered[0]);
	node.routes.offered_count = 1;
	assert_int_equal(store_node_put(store, &node), 0);
	assert_int_equal(store_node_find(store, node.device_key, &read), 0);
	assert_true(node_routes_equal(&read.routes, &node.routes));
}

static void test_version_4_knew_none(void **state)
{
	struct store_key key = make_key();
	struct node node = make_node();
	struct store_key found;
	struct node read;
	char sql[512];

	(void)state;
	assert_int_equal(store_key_add(store, &key), 0);
	assert_int_equal(store_node_put(store, &node), 0);
	snprintf(sql, sizeof(sql),
		 "ALTER TABLE node DROP COLUMN offered; ALTER TABLE node DROP COLUMN decided;"
		 "ALTER TABLE node DROP COLUMN advance; ALTER TABLE key DROP COLUMN routes; %s",
		 on_postgres ? "UPDATE schema_version SET version = 4" : "PRAGMA user_version = 4");
	change(sql);
	assert_int_equal(store_key_find(store, key.id, &found), 0);
	assert_string_equal(found.groups.names[0], "trusted");
	assert_int_equal(found.routes.count, 0);
	assert_int_equal(store_node_find(store, node.device_key, &read), 0);
	assert_memory_equal(&read, &node, sizeof(read));
	assert_int_equal(store_node_put(store, &read), 0);
}

/* Texts that no coordinator writes are damage, and not some route. */
static void test_damage(void **state)
{
	struct node node = make_node();
	struct node read;

	(void)state;
	assert_int_equal(store_node_put(store, &node), 0);
	change("UPDATE node SET offered = '10.0.0.0/8'");
	assert_int_equal(store_node_find(store, node.device_key, &read), -EUCLEAN);
	change("UPDATE node SET offered = '10.0.0.0/8@7', decided = '10.0.0.0/8'");
	assert_int_equal(store_node_find(store, node.device_key, &read), -EUCLEAN);
	change("UPDATE node SET decided = '-10.0.0.0/8'");
	assert_int_equal(store_node_find(store, node.device_key, &read), 0);
	assert_int_equal(read.routes.facts[0].weight, 7);
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
#define POSTGRES(name)                                       \
	{                                                    \
#name "_on_postgres", name, begin, end, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_routes),
		TEST(test_version_4_knew_none),
		TEST(test_damage),
	};
	const struct CMUnitTest postgres_tests[] = {
		POSTGRES(test_routes),
		POSTGRES(test_version_4_knew_none),
		POSTGRES(test_damage),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	if (database_begin(&database) < 0) {
		printf("[  SKIPPED ] test_store_routes on PostgreSQL: it is not installed\n");
		return failed;
	}
	return failed + cmocka_run_group_tests(postgres_tests, begin_database, end_database);
}
