/* The store on SQLite: the file itself, transactions and single values. */
#include "coord/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "coord/store_statement.h"

#define SCHEMA_VERSION  4
#define BUSY_TIMEOUT_MS 5000

static const char schema[] =
	"CREATE TABLE value (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;"
	"CREATE TABLE key (id BLOB PRIMARY KEY, secret_hash BLOB NOT NULL, name TEXT NOT NULL,"
	" reusable INTEGER NOT NULL, ephemeral INTEGER NOT NULL, revoked INTEGER NOT NULL,"
	" groups TEXT NOT NULL, tags TEXT NOT NULL, created_s INTEGER NOT NULL,"
	" expires_s INTEGER NOT NULL, uses INTEGER NOT NULL,"
	" CHECK (reusable OR uses <= 1)) STRICT;"
	"CREATE TABLE node (device_key BLOB PRIMARY KEY, box_key BLOB NOT NULL UNIQUE,"
	" wireguard_key BLOB NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE, address4 BLOB NOT NULL UNIQUE,"
	" address6 BLOB NOT NULL UNIQUE, groups TEXT NOT NULL, tags TEXT NOT NULL,"
	" ephemeral INTEGER NOT NULL, revoked INTEGER NOT NULL, created_s INTEGER NOT NULL,"
	" last_seen_s INTEGER NOT NULL, version TEXT NOT NULL, os TEXT NOT NULL,"
	" serial INTEGER NOT NULL UNIQUE, not_before_s INTEGER NOT NULL,"
	" not_after_s INTEGER NOT NULL, cert BLOB NOT NULL,"
	" owner TEXT NOT NULL DEFAULT '', login_until_s INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE TABLE revoked (serial INTEGER PRIMARY KEY, until_s INTEGER NOT NULL) STRICT;"
	"CREATE TABLE relay (name TEXT PRIMARY KEY, hosts TEXT NOT NULL,"
	" udp_port INTEGER NOT NULL, tls_port INTEGER NOT NULL, secret BLOB NOT NULL,"
	" kind INTEGER NOT NULL DEFAULT 0) STRICT;"
	"PRAGMA user_version = 4;";

/*
 * From version 1, which let two nodes have one WireGuard key. Peers obey only one of them, so the
 * older node keeps it; the other one is deleted, its certificate revoked, and it has to join anew.
 */
static const char from_version_1[] =
	"CREATE TEMP TABLE twin AS SELECT device_key, serial, not_after_s FROM node"
	" WHERE EXISTS (SELECT 1 FROM node AS older WHERE older.wireguard_key = node.wireguard_key"
	" AND (older.created_s, older.rowid) < (node.created_s, node.rowid));"
	"INSERT OR REPLACE INTO revoked SELECT serial, not_after_s FROM twin;"
	"DELETE FROM node WHERE device_key IN (SELECT device_key FROM twin);"
	"DROP TABLE twin;"
	"CREATE UNIQUE INDEX node_wireguard_key ON node (wireguard_key);"
	"PRAGMA user_version = 2;";

/* From version 2, whose relays were all of one kind. */
static const char from_version_2[] = "ALTER TABLE relay ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;"
				     "PRAGMA user_version = 3;";

/* From version 3, in which nodes belonged to nobody. */
static const char from_version_3[] =
	"ALTER TABLE node ADD COLUMN owner TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE node ADD COLUMN login_until_s INTEGER NOT NULL DEFAULT 0;"
	"PRAGMA user_version = 4;";

static int execute(struct store *store, const char *sql)
{
	struct statement s = { .db = store->db };

	s.err = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
	return statement_end(&s);
}

/* All of the statements or none. */
static int execute_whole(struct store *store, const char *sql)
{
	int err = store_begin(store);

	if (err < 0)
		return err;
	err = execute(store, sql);
	if (err == 0)
		err = store_commit(store);
	if (err < 0)
		store_rollback(store);
	return err;
}

static int open_database(struct store **out, const char *path, int flags)
{
	struct store *store = calloc(1, sizeof(*store));
	int err;

	if (!store)
		return -ENOMEM;
	if (sqlite3_open_v2(path, &store->db, flags | SQLITE_OPEN_NOFOLLOW, NULL) != SQLITE_OK) {
		store_close(store);
		return -EIO;
	}
	sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
	err = execute(store, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
			     "PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;");
	if (err < 0) {
		store_close(store);
		return err;
	}
	*out = store;
	return 0;
}

int store_create(struct store **out, const char *path)
{
	/* SQLite would give it the umask's mode. */
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct store *store;
	int err;

	if (fd < 0)
		return -errno;
	close(fd);
	err = open_database(&store, path, SQLITE_OPEN_READWRITE);
	if (err < 0)
		return err;
	err = execute_whole(store, schema);
	if (err < 0) {
		store_close(store);
		return err;
	}
	*out = store;
	return 0;
}

static int check_version(struct store *store, uint64_t *out)
{
	struct statement s;
	uint64_t version = 0;
	int err;

	statement_init(&s, store, "PRAGMA user_version");
	if (statement_row(&s))
		version = statement_get_u64(&s);
	err = statement_end(&s);
	if (err < 0)
		return err;
	if (version == 0)
		return -EUCLEAN;
	if (version > SCHEMA_VERSION)
		return -EPROTO;
	*out = version;
	return 0;
}

static int check_integrity(struct store *store)
{
	char text[64] = "";
	struct statement s;
	int err;

	statement_init(&s, store, "PRAGMA quick_check(1)");
	if (statement_row(&s))
		statement_get_text(&s, text, sizeof(text));
	err = statement_end(&s);
	return err == 0 && strcmp(text, "ok") == 0 ? 0 : -EUCLEAN;
}

/* Before SQLite sees the file: it would make a new database out of an empty one. */
static int check_header(const char *path)
{
	static const char magic[] = "SQLite format 3"; /* sqlite.org/fileformat.html, 1.3.1 */
	char header[sizeof(magic)] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = read(fd, header, sizeof(header));
	close(fd);
	return got == sizeof(header) && memcmp(header, magic, sizeof(magic)) == 0 ? 0 : -EUCLEAN;
}

int store_open(struct store **out, const char *path)
{
	uint64_t version = 0;
	struct store *store;
	int err = check_header(path);

	if (err < 0)
		return err;
	err = open_database(&store, path, SQLITE_OPEN_READWRITE);
	if (err < 0)
		return err;
	err = check_version(store, &version);
	if (err == 0)
		err = check_integrity(store);
	if (err == 0 && version == 1)
		err = execute_whole(store, from_version_1);
	if (err == 0 && version <= 2)
		err = execute_whole(store, from_version_2);
	if (err == 0 && version <= 3)
		err = execute_whole(store, from_version_3);
	if (err < 0) {
		store_close(store);
		return err;
	}
	*out = store;
	return 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	sqlite3_close(store->db);
	free(store);
}

int store_backup(struct store *store, const char *path)
{
	struct statement s;

	statement_init(&s, store, "VACUUM INTO ?");
	statement_text(&s, path);
	return statement_run(&s);
}

int store_begin(struct store *store)
{
	return execute(store, "BEGIN IMMEDIATE");
}

int store_commit(struct store *store)
{
	return execute(store, "COMMIT");
}

void store_rollback(struct store *store)
{
	execute(store, "ROLLBACK");
}

int store_get(struct store *store, const char *name, uint8_t **value, size_t *len)
{
	uint8_t *copy = NULL;
	struct statement s;
	int err;

	statement_init(&s, store, "SELECT value FROM value WHERE name = ?");
	statement_text(&s, name);
	if (statement_row(&s)) {
		const void *data = sqlite3_column_blob(s.stmt, 0);

		*len = (size_t)sqlite3_column_bytes(s.stmt, 0);
		copy = calloc(1, *len + 1);
		if (copy && *len)
			memcpy(copy, data, *len);
		if (!copy)
			s.err = SQLITE_NOMEM;
	}
	err = statement_end(&s);
	if (err < 0) {
		free(copy);
		return err;
	}
	if (!copy)
		return -ENOENT;
	*value = copy;
	return 0;
}

int store_set(struct store *store, const char *name, const void *value, size_t len)
{
	struct statement s;

	statement_init(&s, store, "INSERT OR REPLACE INTO value VALUES (?, ?)");
	statement_text(&s, name);
	statement_blob(&s, value, len);
	return statement_run(&s);
}

int store_unset(struct store *store, const char *name)
{
	struct statement s;

	statement_init(&s, store, "DELETE FROM value WHERE name = ?");
	statement_text(&s, name);
	return statement_run(&s);
}

int store_get_u64(struct store *store, const char *name, uint64_t *value)
{
	uint8_t *data;
	size_t len;
	int err = store_get(store, name, &data, &len);

	if (err == -ENOENT) {
		*value = 0;
		return 0;
	}
	if (err < 0)
		return err;
	if (len == 8)
		*value = load_be64(data);
	free(data);
	return len == 8 ? 0 : -EUCLEAN;
}

int store_set_u64(struct store *store, const char *name, uint64_t value)
{
	uint8_t data[8];

	store_be64(data, value);
	return store_set(store, name, data, sizeof(data));
}
