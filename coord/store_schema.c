/*
 * The tables, and how older ones become them. The texts are SQLite's; for PostgreSQL the words
 * INTEGER, BLOB, AUTOINCREMENT and STRICT are replaced by what it calls them.
 */
#include <errno.h>

#include "coord/store.h"
#include "coord/store_driver.h"

#define SCHEMA_VERSION 5

static const char version_3[] =
	"CREATE TABLE value (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;"
	"CREATE TABLE key (id BLOB PRIMARY KEY, secret_hash BLOB NOT NULL, name TEXT NOT NULL,"
	" reusable INTEGER NOT NULL, ephemeral INTEGER NOT NULL, revoked INTEGER NOT NULL,"
	" groups TEXT NOT NULL, tags TEXT NOT NULL, created_s INTEGER NOT NULL,"
	" expires_s INTEGER NOT NULL, uses INTEGER NOT NULL,"
	" CHECK (reusable <> 0 OR uses <= 1)) STRICT;"
	"CREATE TABLE node (device_key BLOB PRIMARY KEY, box_key BLOB NOT NULL UNIQUE,"
	" wireguard_key BLOB NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE, address4 BLOB NOT NULL UNIQUE,"
	" address6 BLOB NOT NULL UNIQUE, groups TEXT NOT NULL, tags TEXT NOT NULL,"
	" ephemeral INTEGER NOT NULL, revoked INTEGER NOT NULL, created_s INTEGER NOT NULL,"
	" last_seen_s INTEGER NOT NULL, version TEXT NOT NULL, os TEXT NOT NULL,"
	" serial INTEGER NOT NULL UNIQUE, not_before_s INTEGER NOT NULL,"
	" not_after_s INTEGER NOT NULL, cert BLOB NOT NULL) STRICT;"
	"CREATE TABLE revoked (serial INTEGER PRIMARY KEY, until_s INTEGER NOT NULL) STRICT;"
	"CREATE TABLE relay (name TEXT PRIMARY KEY, hosts TEXT NOT NULL,"
	" udp_port INTEGER NOT NULL, tls_port INTEGER NOT NULL, secret BLOB NOT NULL,"
	" kind INTEGER NOT NULL DEFAULT 0) STRICT;";

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
	"CREATE UNIQUE INDEX node_wireguard_key ON node (wireguard_key);";

/* From version 2, whose relays were all of one kind. */
static const char from_version_2[] =
	"ALTER TABLE relay ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;";

/*
 * From version 3. A new database is made the same way, from version 3, so tables and columns of
 * version 4 stand here and nowhere else.
 */
static const char from_version_3[] =
	"ALTER TABLE node ADD COLUMN owner TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE node ADD COLUMN login_until_s INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE node ADD COLUMN state INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE node ADD COLUMN logins INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE node ADD COLUMN key_id TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE key ADD COLUMN uses_max INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE key ADD COLUMN approval INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE key ADD COLUMN for_node TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE key ADD COLUMN created_by TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE key ADD COLUMN used_s INTEGER NOT NULL DEFAULT 0;"
	/* Users who signed in at the provider. */
	"CREATE TABLE account (name TEXT PRIMARY KEY, issuer TEXT NOT NULL, subject TEXT NOT NULL,"
	" revoked INTEGER NOT NULL, created_s INTEGER NOT NULL, seen_s INTEGER NOT NULL) STRICT;"
	/* The coordinators that serve this database, and numbers that they give once. */
	"CREATE TABLE counter (name TEXT PRIMARY KEY, next INTEGER NOT NULL) STRICT;"
	"CREATE TABLE coordinator (address TEXT PRIMARY KEY, relay TEXT NOT NULL,"
	" relay_port INTEGER NOT NULL, seen_s INTEGER NOT NULL) STRICT;"
	"CREATE TABLE api_token (id BLOB PRIMARY KEY, secret_hash BLOB NOT NULL,"
	" name TEXT NOT NULL, admin INTEGER NOT NULL, created_s INTEGER NOT NULL,"
	" created_by TEXT NOT NULL, expires_s INTEGER NOT NULL,"
	" revoked INTEGER NOT NULL) STRICT;"
	/* People who are signed in at the web pages. */
	"CREATE TABLE login (id_hash BLOB PRIMARY KEY, who TEXT NOT NULL, admin INTEGER NOT NULL,"
	" token BLOB NOT NULL, expires_s INTEGER NOT NULL) STRICT;"
	"CREATE TABLE audit (id INTEGER PRIMARY KEY, time_s INTEGER NOT NULL, who TEXT NOT NULL,"
	" origin TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL,"
	" details TEXT NOT NULL) STRICT;"
	/* Strict mode: documents in force, what waits for signatures, devices that are out. */
	"CREATE TABLE document (kind INTEGER PRIMARY KEY, version INTEGER NOT NULL,"
	" data BLOB NOT NULL) STRICT;"
	"CREATE TABLE signing_request (id BLOB PRIMARY KEY, kind INTEGER NOT NULL,"
	" subject BLOB NOT NULL, body BLOB NOT NULL, signatures BLOB NOT NULL,"
	" created_s INTEGER NOT NULL, who TEXT NOT NULL, UNIQUE (kind, subject)) STRICT;"
	"CREATE TABLE revoked_device (device_key BLOB PRIMARY KEY, until_s INTEGER NOT NULL) STRICT;"
	"CREATE INDEX audit_time ON audit (time_s);";

/* From version 4, whose nodes carried nothing for others; likewise for new databases. */
static const char from_version_4[] = "ALTER TABLE node ADD COLUMN offered TEXT NOT NULL DEFAULT '';"
				     "ALTER TABLE node ADD COLUMN decided TEXT NOT NULL DEFAULT '';"
				     "ALTER TABLE node ADD COLUMN advance TEXT NOT NULL DEFAULT '';"
				     "ALTER TABLE key ADD COLUMN routes TEXT NOT NULL DEFAULT '';";

/* By the version that it leaves behind. */
static const char *const migrations[SCHEMA_VERSION] = {
	[1] = from_version_1,
	[2] = from_version_2,
	[3] = from_version_3,
	[4] = from_version_4,
};

/* The next step towards the present version, and the version that it leads to: both or neither. */
static int step(struct store *store, bool create, uint64_t *version)
{
	bool empty;
	int err;

	/* Another coordinator may have been here since it was read. */
	*version = 0;
	err = store->driver->version(store, version);
	empty = *version == 0;
	if (err < 0 || *version >= SCHEMA_VERSION)
		return err;
	if (empty && !create)
		return -EUCLEAN;
	err = store->driver->script(store, empty ? version_3 : migrations[*version]);
	*version = empty ? 3 : *version + 1;
	if (err == 0 && *version == SCHEMA_VERSION && store->driver->settled)
		err = store->driver->settled(store);
	return err < 0 ? err : store->driver->set_version(store, *version);
}

int store_schema_settle(struct store *store, bool create)
{
	uint64_t version = 0;
	int err = store->driver->version(store, &version);

	if (err == 0 && version > SCHEMA_VERSION)
		return -EPROTO;
	while (err == 0 && version < SCHEMA_VERSION) {
		err = store_begin(store);
		if (err < 0)
			return err;
		err = step(store, create, &version);
		if (err == 0)
			err = store_commit(store);
		if (err < 0)
			store_rollback(store);
	}
	return err;
}
