/* The store in an SQLite file. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "coord/store.h"
#include "coord/store_driver.h"

#define BUSY_TIMEOUT_MS 5000

static int to_errno(int err)
{
	switch (err & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return 0;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	default:
		return -EIO;
	}
}

static int sqlite_script(struct store *store, const char *sql)
{
	return to_errno(sqlite3_exec(store->db, sql, NULL, NULL, NULL));
}

static int sqlite_begin(struct store *store)
{
	return sqlite_script(store, "BEGIN IMMEDIATE");
}

static int sqlite_commit(struct store *store)
{
	return sqlite_script(store, "COMMIT");
}

static void sqlite_rollback(struct store *store)
{
	sqlite_script(store, "ROLLBACK");
}

static int sqlite_backup(struct store *store, const char *path)
{
	struct statement s;

	statement_init(&s, store, "VACUUM INTO $1");
	statement_text(&s, path);
	return statement_run(&s);
}

static int sqlite_version(struct store *store, uint64_t *version)
{
	struct statement s;

	statement_init(&s, store, "PRAGMA user_version");
	if (statement_row(&s))
		*version = statement_get_u64(&s);
	return statement_end(&s);
}

static int sqlite_set_version(struct store *store, uint64_t version)
{
	char *sql = sqlite3_mprintf("PRAGMA user_version = %llu", (unsigned long long)version);
	int err = sql ? sqlite_script(store, sql) : -ENOMEM;

	sqlite3_free(sql);
	return err;
}

static void sqlite_close(struct store *store)
{
	sqlite3_close(store->db);
}

static int sqlite_prepare(struct statement *s)
{
	sqlite3_stmt *stmt;
	int err = sqlite3_prepare_v2(s->store->db, s->sql, -1, &stmt, NULL);

	if (err == SQLITE_OK)
		s->driver = stmt;
	return to_errno(err);
}

static int sqlite_bind(struct statement *s, enum store_kind kind, const void *data, size_t len)
{
	int place = s->parameter + 1;

	if (kind == STORE_NUMBER)
		return to_errno(
			sqlite3_bind_int64(s->driver, place, (sqlite3_int64)load_be64(data)));
	if (kind == STORE_TEXT)
		return to_errno(sqlite3_bind_text64(s->driver, place, data, len, SQLITE_TRANSIENT,
						    SQLITE_UTF8));
	return to_errno(sqlite3_bind_blob64(s->driver, place, data, len, SQLITE_TRANSIENT));
}

static int sqlite_step(struct statement *s)
{
	int err = sqlite3_step(s->driver);

	if (err == SQLITE_ROW)
		return 1;
	if (err == SQLITE_DONE)
		s->changes = (uint64_t)sqlite3_changes(s->store->db);
	return to_errno(err);
}

static int sqlite_number(struct statement *s, int column, uint64_t *value)
{
	*value = (uint64_t)sqlite3_column_int64(s->driver, column);
	return 0;
}

static int sqlite_bytes(struct statement *s, int column, const void **data, size_t *len)
{
	int type = sqlite3_column_type(s->driver, column);

	if (type != SQLITE_BLOB && type != SQLITE_TEXT)
		return -EUCLEAN;
	*data = type == SQLITE_TEXT ? sqlite3_column_text(s->driver, column)
				    : sqlite3_column_blob(s->driver, column);
	*len = (size_t)sqlite3_column_bytes(s->driver, column);
	return *len && !*data ? -ENOMEM : 0;
}

static void sqlite_finish(struct statement *s)
{
	sqlite3_finalize(s->driver);
	s->driver = NULL;
}

static const struct store_driver sqlite_driver = {
	.close = sqlite_close,
	.begin = sqlite_begin,
	.commit = sqlite_commit,
	.rollback = sqlite_rollback,
	.backup = sqlite_backup,
	.script = sqlite_script,
	.version = sqlite_version,
	.set_version = sqlite_set_version,
	.prepare = sqlite_prepare,
	.bind = sqlite_bind,
	.step = sqlite_step,
	.number = sqlite_number,
	.bytes = sqlite_bytes,
	.finish = sqlite_finish,
};

static int open_database(struct store **out, const char *path)
{
	struct store *store = calloc(1, sizeof(*store));
	sqlite3 *db = NULL;
	int err;

	if (!store)
		return -ENOMEM;
	store->driver = &sqlite_driver;
	err = to_errno(
		sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, NULL));
	store->db = db;
	if (err == 0) {
		sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
		err = sqlite_script(store, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
					   "PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;");
	}
	if (err < 0) {
		store_close(store);
		return err;
	}
	*out = store;
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

/* Opens what is there, or the empty file that was just made. */
static int open_and_settle(struct store **out, const char *path, bool create)
{
	struct store *store;
	int err = open_database(&store, path);

	if (err < 0)
		return err;
	if (!create)
		err = check_integrity(store);
	if (err == 0)
		err = store_schema_settle(store, create);
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

	if (fd < 0)
		return -errno;
	close(fd);
	return open_and_settle(out, path, true);
}

int store_open(struct store **out, const char *path)
{
	int err = check_header(path);

	return err < 0 ? err : open_and_settle(out, path, false);
}
