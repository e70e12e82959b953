#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/credentials.h"
#include "daemon/record.h"
#include "daemon/settings.h"

static char dir[] = "/tmp/warren-settings-XXXXXX";
static char path[64];

static void what_was_set_is_there_after_a_restart(void **state)
{
	struct settings settings, loaded;

	(void)state;
	settings_init(&settings);
	settings_init(&loaded);
	assert_int_equal(settings_load(&loaded, path), 0); /* no file: the defaults */
	assert_false(loaded.up);
	settings.up = true;
	assert_int_equal(settings_set_path(&settings, "db1", PATH_MODE_RELAY), 0);
	assert_int_equal(settings_set_path(&settings, "nas", PATH_MODE_DIRECT), 0);
	assert_int_equal(settings_set_path(&settings, "db1", PATH_MODE_AUTO), 0);
	assert_int_equal(settings_save(&settings, path), 0);
	assert_int_equal(settings_load(&loaded, path), 0);
	assert_true(loaded.up);
	assert_int_equal(loaded.path_count, 1);
	assert_int_equal(settings_path(&loaded, "db1"), PATH_MODE_AUTO);
	assert_int_equal(settings_path(&loaded, "nas"), PATH_MODE_DIRECT);
	settings_clear(&settings);
	settings_clear(&loaded);
}

static void the_table_is_bounded(void **state)
{
	struct settings settings;
	char name[SETTINGS_NAME_SIZE + 8];
	unsigned int i;

	(void)state;
	settings_init(&settings);
	for (i = 0; i < SETTINGS_PATHS_MAX; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		assert_int_equal(settings_set_path(&settings, name, PATH_MODE_RELAY), 0);
	}
	assert_int_equal(settings_set_path(&settings, "more", PATH_MODE_RELAY), -ENOSPC);
	assert_int_equal(settings_set_path(&settings, "n5", PATH_MODE_DIRECT), 0);
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(settings_set_path(&settings, name, PATH_MODE_RELAY), -ENOSPC);
	settings_clear(&settings);
}

static void unknown_content_is_refused(void **state)
{
	static const char *const bad[] = { "",
					   "[]",
					   "{}",
					   "{\"up\":1}",
					   "{\"up\":true,\"paths\":{\"a\":\"sideways\"}}",
					   "{\"up\":true,\"paths\":{\"a\":1}}" };
	struct settings settings;
	size_t i;

	(void)state;
	settings_init(&settings);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(record_write(path, "settings", bad[i], strlen(bad[i])), 0);
		assert_int_equal(settings_load(&settings, path), -EBADMSG);
	}
	assert_int_equal(record_write(path, "other", "{\"up\":true}", 11), 0);
	assert_int_equal(settings_load(&settings, path), -EBADMSG);
}

static void credentials_come_back(void **state)
{
	const struct control_credential kept = { "fra", "1:name", "secret", 1234 };
	struct control_credential loaded[2];
	size_t count;

	(void)state;
	assert_int_equal(credentials_save(path, &kept, 1), 0);
	assert_int_equal(credentials_load(path, loaded, 2, &count), 0);
	assert_int_equal(count, 1);
	assert_string_equal(loaded[0].relay, "fra");
	assert_string_equal(loaded[0].username, "1:name");
	assert_string_equal(loaded[0].password, "secret");
	assert_true(loaded[0].expires_s == 1234);
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/settings", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void what_cannot_be_saved_is_not_set(void **state)
{
	struct settings settings;

	(void)state;
	settings_init(&settings);
	assert_int_equal(settings_store_path(&settings, "db1", PATH_MODE_RELAY, path), 0);
	assert_true(settings_store_path(&settings, "db1", PATH_MODE_AUTO, "/nowhere/at/all") < 0);
	assert_int_equal(settings_path(&settings, "db1"), PATH_MODE_RELAY);
	assert_true(settings_store_path(&settings, "nas", PATH_MODE_DIRECT, "/nowhere/at/all") < 0);
	assert_int_equal(settings_path(&settings, "nas"), PATH_MODE_AUTO);
	assert_int_equal(settings_store_path(&settings, "db1", PATH_MODE_AUTO, path), 0);
	assert_int_equal(settings_path(&settings, "db1"), PATH_MODE_AUTO);
	settings_clear(&settings);
}

/* What `set KEY VALUE --OPTION …` stored comes back whole, and every version keeps what it is
 * given. */
static void values_with_options_are_kept(void **state)
{
	struct setting given = { .key = "routes", .value = "10.1.0.0/16" }, found;
	struct setting bad = { .key = "routes", .value = "\xff" };
	struct settings settings, loaded;
	char *text;

	(void)state;
	given.options[given.option_count++] =
		(struct setting_option){ "map", "192.168.1.0/24=10.77.1.0/24" };
	given.options[given.option_count++] = (struct setting_option){ "snat", "no" };
	settings_init(&settings);
	settings_init(&loaded);
	assert_int_equal(settings_get(&settings, "routes", &found), -ENOENT);
	assert_true(settings_yes(&settings, "names", true));
	assert_int_equal(settings_store(&settings, &given, path), 0);
	assert_true(settings_store(&settings, &bad, path) < 0);
	assert_true(settings_store(&settings, &(struct setting){ .key = "x", .value = "1" },
				   "/nowhere/at/all") < 0);
	assert_int_equal(settings_get(&settings, "x", &found), -ENOENT);
	assert_int_equal(settings_load(&loaded, path), 0);
	assert_int_equal(settings_get(&loaded, "routes", &found), 0);
	assert_string_equal(setting_option(&found, "snat", "yes"), "no");
	text = setting_text(&found);
	assert_string_equal(text, "10.1.0.0/16 --map 192.168.1.0/24=10.77.1.0/24 --snat no");
	free(text);
	settings_clear(&settings);
	settings_clear(&loaded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_set_is_there_after_a_restart),
		cmocka_unit_test(what_cannot_be_saved_is_not_set),
		cmocka_unit_test(the_table_is_bounded),
		cmocka_unit_test(unknown_content_is_refused),
		cmocka_unit_test(credentials_come_back),
		cmocka_unit_test(values_with_options_are_kept),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
