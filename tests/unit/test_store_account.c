#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "coord/store.h"
#include "coord/store_account.h"

static char dir[64];
static char path[128];
static struct store *store;

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
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	char file[160];

	(void)state;
	store_close(store);
	for (size_t i = 0; i < 3; i++) {
		snprintf(file, sizeof(file), "%s%s", path, suffixes[i]);
		unlink(file);
	}
	return rmdir(dir);
}

static int join_names(void *arg, const struct store_account *account)
{
	strcat(arg, account->name);
	return 0;
}

static void test_accounts(void **state)
{
	struct store_account bob = { "bob", "https://id", "2", false, 10, 20 };
	struct store_account alice = { "alice", "https://id", "1", true, 11, 21 };
	struct store_account got;
	char names[256] = "";

	(void)state;
	assert_int_equal(store_account_find(store, "bob", &got), -ENOENT);
	assert_int_equal(store_account_put(store, &bob), 0);
	assert_int_equal(store_account_put(store, &alice), 0);
	bob.seen_s = 30;
	bob.created_s = 99; /* stays */
	bob.revoked = true;
	assert_int_equal(store_account_put(store, &bob), 0);
	store_close(store);
	assert_int_equal(store_open(&store, path), 0);
	assert_int_equal(store_account_find(store, "bob", &got), 0);
	assert_string_equal(got.subject, "2");
	assert_true(got.revoked);
	assert_int_equal(got.created_s, 10);
	assert_int_equal(got.seen_s, 30);
	assert_int_equal(store_account_each(store, join_names, names), 0);
	assert_string_equal(names, "alicebob");
	assert_int_equal(store_account_delete(store, "bob"), 0);
	assert_int_equal(store_account_delete(store, "bob"), -ENOENT);
	assert_int_equal(store_account_find(store, "bob", &got), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_accounts, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
