#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "daemon/identity.h"

static char dir[] = "/tmp/warren-identity-XXXXXX";
static char path[64];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/identity", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void survives_a_restart(void **state)
{
	struct identity made, loaded;

	(void)state;
	assert_int_equal(identity_load(&loaded, path), -ENOENT);
	identity_generate(&made);
	assert_int_equal(identity_save(&made, path), 0);
	assert_int_equal(identity_load(&loaded, path), 0);
	assert_memory_equal(&made, &loaded, sizeof(made));
}

/* A key that is to come is kept until it takes the place of the old one. */
static void the_next_key_survives_too(void **state)
{
	struct identity made, loaded, before;

	(void)state;
	identity_generate(&made);
	identity_prepare_next(&made);
	before = made;
	identity_prepare_next(&made);
	assert_memory_equal(&made, &before, sizeof(made));
	assert_int_equal(identity_save(&made, path), 0);
	assert_int_equal(identity_load(&loaded, path), 0);
	assert_memory_equal(&made, &loaded, sizeof(made));
	identity_take_next(&loaded);
	assert_false(loaded.has_next);
	assert_memory_equal(loaded.wg_public, made.next_public, 32);
	assert_memory_equal(loaded.device_public, made.device_public, 32);
	assert_int_equal(identity_save(&loaded, path), 0);
	assert_int_equal(identity_load(&made, path), 0);
	assert_false(made.has_next);
	assert_memory_equal(loaded.wg_public, made.wg_public, 32);
}

static void damage_at_any_byte_is_refused(void **state)
{
	struct identity made, loaded;
	uint8_t *file;
	size_t len, i;

	(void)state;
	identity_generate(&made);
	assert_int_equal(identity_save(&made, path), 0);
	assert_int_equal(file_read(path, 4096, &file, &len), 0);
	for (i = 0; i < len; i++) {
		file[i] ^= 0x40;
		assert_int_equal(file_write_atomic(path, file, len, 0600), 0);
		assert_int_equal(identity_load(&loaded, path), -EBADMSG);
		file[i] ^= 0x40;
	}
	for (i = 0; i < len; i++) {
		assert_int_equal(file_write_atomic(path, file, i, 0600), 0);
		assert_int_equal(identity_load(&loaded, path), -EBADMSG);
	}
	free(file);
}

static void readable_by_others_or_a_link_is_refused(void **state)
{
	struct identity made, loaded;
	char target[80];

	(void)state;
	identity_generate(&made);
	assert_int_equal(identity_save(&made, path), 0);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(identity_load(&loaded, path), -EPERM);
	assert_int_equal(chmod(path, 0600), 0);
	snprintf(target, sizeof(target), "%s/target", dir);
	assert_int_equal(rename(path, target), 0);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(identity_load(&loaded, path), -ELOOP);
	unlink(target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(survives_a_restart),
		cmocka_unit_test(the_next_key_survives_too),
		cmocka_unit_test(damage_at_any_byte_is_refused),
		cmocka_unit_test(readable_by_others_or_a_link_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
