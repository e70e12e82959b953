#include "coord/backup.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "coord/data_dir.h"
#include "coord/database_place.h"
#include "coord/network.h"
#include "coord/options.h"
#include "coord/store_copy.h"
#include "coord/store_postgres.h"

#define FILE_MAX     65536
#define BACKUP_MAX   (4ul << 30)
#define EPOCH_LEAP   1000
#define SERIAL_LEAP  (1u << 24)
#define VERSION_LEAP 1000 /* of documents in strict mode */

static const char *const files[] = { DATA_DIR_COORDINATOR, DATA_DIR_AUTHORITY, DATA_DIR_TLS_CERT,
				     DATA_DIR_TLS_KEY };

/* The name of the value that holds a file. */
static void value_name(char out[static 64], const char *file)
{
	snprintf(out, 64, "file:%s", file);
}

/* In strict mode it is not here, and not looked for. */
static bool is_away(struct store *store, const char *file)
{
	uint8_t *key;
	size_t len;

	if (strcmp(file, DATA_DIR_AUTHORITY) != 0 ||
	    store_get(store, STRICT_VALUE_AUTHORITY, &key, &len) < 0)
		return false;
	free(key);
	return true;
}

static int pack_file(struct store *copy, const char *dir, const char *file)
{
	char path[PATH_MAX];
	char name[64];
	uint8_t *data;
	size_t len;
	int err = data_dir_path(path, dir, file);

	if (is_away(copy, file))
		return 0;
	if (err == 0)
		err = file_read(path, FILE_MAX, &data, &len);
	if (err < 0)
		return err;
	value_name(name, file);
	err = store_set(copy, name, data, len);
	file_free_secret(data, len);
	return err;
}

int backup_write(struct network *network, const char *dir, const char *path)
{
	struct store *copy;
	int err;

	if (access(path, F_OK) == 0)
		return -EEXIST;
	err = store_backup(network->store, path);
	if (err == 0)
		err = store_open(&copy, path);
	if (err == 0) {
		for (size_t i = 0; err == 0 && i < sizeof(files) / sizeof(files[0]); i++)
			err = pack_file(copy, dir, files[i]);
		store_close(copy);
	}
	if (err < 0)
		unlink(path);
	return err;
}

static int unpack_file(struct store *copy, const char *dir, const char *file)
{
	char path[PATH_MAX];
	char name[64];
	uint8_t *data;
	size_t len;
	int err;

	if (is_away(copy, file))
		return 0;
	value_name(name, file);
	err = store_get(copy, name, &data, &len);
	if (err < 0)
		return err;
	err = data_dir_path(path, dir, file);
	if (err == 0)
		err = file_write_atomic(path, data, len, 0600);
	sodium_memzero(data, len);
	free(data);
	return err < 0 ? err : store_unset(copy, name);
}

/*
 * Nodes refuse maps older than they hold, and what was handed out since the backup was made is
 * known to them but not to it: so versions and serials go on from where nobody can have come.
 */
static int leap(struct store *copy, uint64_t now_s)
{
	uint64_t epoch;
	uint64_t serial;
	int err = store_get_u64(copy, NETWORK_VALUE_EPOCH, &epoch);

	if (err == 0)
		err = store_get_u64(copy, NETWORK_VALUE_SERIAL, &serial);
	if (err == 0)
		err = store_set_u64(copy, NETWORK_VALUE_EPOCH,
				    epoch < now_s ? now_s : epoch + EPOCH_LEAP);
	if (err == 0)
		err = store_set_u64(copy, NETWORK_VALUE_SERIAL, serial + SERIAL_LEAP);
	return err < 0 ? err : strict_leap(copy, VERSION_LEAP);
}

/* The database gets its name last, so that a network is there whole or not at all. */
static int unpack(const char *dir, struct store *target, const uint8_t *data, size_t len)
{
	char making[PATH_MAX];
	char path[PATH_MAX];
	struct store *copy;
	int err = data_dir_path(making, dir, DATA_DIR_DATABASE ".new");

	if (err == 0)
		err = data_dir_path(path, dir, DATA_DIR_DATABASE);
	if (err == 0)
		err = file_write_atomic(making, data, len, 0600);
	if (err == 0)
		err = store_open(&copy, making);
	if (err < 0)
		return err;
	for (size_t i = 0; err == 0 && i < sizeof(files) / sizeof(files[0]); i++)
		err = unpack_file(copy, dir, files[i]);
	if (err == 0)
		err = leap(copy, clock_wall_s());
	if (err == 0 && target)
		err = store_copy(target, copy, copy);
	if (err == 0 && target)
		err = store_copy_values_to_counters(target);
	store_close(copy);
	if (err == 0 && target)
		unlink(making);
	else if (err == 0 && rename(making, path) < 0)
		err = -errno;
	return err;
}

/* The database to restore into; NULL in *target: none, but a file. The exit code. */
static int open_target(struct store **target, const struct options *options)
{
	char error[256] = "";
	uint8_t *id;
	size_t len;
	char *place;
	int err = database_place(&place, options);

	*target = NULL;
	if (err != 0 || !place)
		return err;
	err = store_postgres_create(target, place, error, sizeof(error));
	database_place_free(place);
	if (err == 0 && store_get(*target, NETWORK_VALUE_ID, &id, &len) == 0) {
		free(id);
		store_close(*target);
		fputs("warren-coord: there is a network in the database already; nothing was "
		      "changed; choose another --database\n",
		      stderr);
		return 1;
	}
	if (err == 0)
		return 0;
	fprintf(stderr, "warren-coord: cannot use the database: %s; nothing was changed\n",
		error[0] ? error : strerror(-err));
	return 1;
}

static bool is_there(const char *dir, const char *file)
{
	char path[PATH_MAX];

	return data_dir_path(path, dir, file) == 0 && access(path, F_OK) == 0;
}

int backup_restore(const struct options *options)
{
	struct store *target;
	uint8_t *data;
	size_t len;
	int err = file_make_dir(options->data);

	if (err < 0) {
		fprintf(stderr, "warren-coord: %s: %s\n", options->data, strerror(-err));
		return 1;
	}
	if (is_there(options->data, DATA_DIR_DATABASE) ||
	    is_there(options->data, DATA_DIR_AUTHORITY)) {
		fprintf(stderr,
			"warren-coord: %s: there is a network already; nothing was changed; choose "
			"another --data DIR\n",
			options->data);
		return 1;
	}
	err = file_read(options->arguments[0], BACKUP_MAX, &data, &len);
	if (err == -ENOENT) {
		fprintf(stderr, "warren-coord: %s: there is no such file; nothing was changed\n",
			options->arguments[0]);
		return 1;
	}
	if (err == 0 && open_target(&target, options) != 0) {
		file_free_secret(data, len);
		return 1;
	}
	if (err == 0) {
		err = unpack(options->data, target, data, len);
		file_free_secret(data, len);
		store_close(target);
	}
	if (err == 0)
		return 0;
	fprintf(stderr, "warren-coord: %s: %s\n", options->arguments[0],
		err == -EUCLEAN || err == -ENOENT ? "is no backup, or a damaged one"
						  : strerror(-err));
	return 1;
}
