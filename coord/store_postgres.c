#include "coord/store_postgres.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "coord/store.h"
#include "coord/store_copy.h"
#include "coord/store_driver.h"
#include "coord/store_postgres_text.h"

#define PARAMETERS_MAX 32
#define PREPARED_MAX   256
#define LOCK_KEY       "7160212648127340398" /* any number, the same for all coordinators */

/* pg_type.h of the server: types that have had their numbers for ever. */
#define OID_BYTEA 17
#define OID_INT8  20
#define OID_TEXT  25

struct postgres {
	PGconn *conn; /* NULL: the database is away */
	bool in_transaction;
	uint64_t limit_ns;
	char *prepared[PREPARED_MAX]; /* statement N is called sN */
	size_t prepared_count;
};

struct postgres_statement {
	uint8_t *data; /* all parameters, one behind the other */
	size_t len;
	size_t offsets[PARAMETERS_MAX];
	int lengths[PARAMETERS_MAX];
	Oid types[PARAMETERS_MAX];
	int count;
	PGresult *result; /* NULL: not run yet */
	int row;
};

static void forget_prepared(struct postgres *pg)
{
	while (pg->prepared_count > 0)
		free(pg->prepared[--pg->prepared_count]);
}

static void lose(struct postgres *pg, const char *why)
{
	if (!pg->conn)
		return;
	log_warn("database-away why=\"%s\"", why);
	PQfinish(pg->conn);
	pg->conn = NULL;
	forget_prepared(pg);
}

/* By SQLSTATE (appendix A of the manual). */
static int to_errno(const char *state)
{
	static const struct {
		const char *prefix;
		int err;
	} known[] = {
		{ "23", -EEXIST },     { "40", -EAGAIN },    { "55P03", -EAGAIN },
		{ "57014", -EAGAIN },  { "53100", -ENOSPC }, { "53200", -ENOMEM },
		{ "53", -EAGAIN },     { "25006", -EROFS },  { "XX001", -EUCLEAN },
		{ "XX002", -EUCLEAN }, { "42501", -EACCES },
	};

	for (size_t i = 0; state && i < sizeof(known) / sizeof(known[0]); i++)
		if (strncmp(state, known[i].prefix, strlen(known[i].prefix)) == 0)
			return known[i].err;
	return -EIO;
}

/* The server goes down, or was made to end this connection. */
static bool says_goodbye(const char *state)
{
	return state && (strncmp(state, "57P", 3) == 0 || strncmp(state, "08", 2) == 0 ||
			 strcmp(state, "25P03") == 0);
}

static int result_error(struct postgres *pg, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	ExecStatusType status = PQresultStatus(result);

	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		return 0;
	if (!state || says_goodbye(state)) {
		lose(pg, text ? text : "the connection broke");
		return -ENOTCONN;
	}
	if (to_errno(state) != -EEXIST)
		log_warn("database-refused state=%s text=\"%s\"", state, text ? text : "");
	return to_errno(state);
}

/* Lets bytes go and come until a result is there. */
static int wait_for_result(struct postgres *pg, uint64_t end_ns)
{
	int unsent = PQflush(pg->conn);

	while (unsent > 0 || (unsent == 0 && PQisBusy(pg->conn))) {
		struct pollfd fd = { .fd = PQsocket(pg->conn), .events = POLLIN };
		uint64_t now_ns = clock_now_ns();

		if (now_ns >= end_ns)
			return -ETIMEDOUT;
		if (unsent)
			fd.events |= POLLOUT;
		poll(&fd, 1, (int)((end_ns - now_ns) / NS_PER_MS) + 1);
		if ((fd.revents & ~POLLOUT) && !PQconsumeInput(pg->conn))
			return -ENOTCONN;
		unsent = PQflush(pg->conn);
	}
	return unsent < 0 ? -ENOTCONN : 0;
}

/* After something was sent: all of its results, of which the last or the first bad one counts. */
static int collect(struct postgres *pg, bool sent, PGresult **out)
{
	uint64_t end_ns = clock_now_ns() + pg->limit_ns;
	PGresult *kept = NULL;
	PGresult *result;
	int err = sent ? 0 : -ENOTCONN;

	while (err == 0 && (err = wait_for_result(pg, end_ns)) == 0 &&
	       (result = PQgetResult(pg->conn))) {
		ExecStatusType status = PQresultStatus(kept);

		if (kept && status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
			PQclear(result);
			continue;
		}
		PQclear(kept);
		kept = result;
	}
	if (err < 0) {
		lose(pg, err == -ETIMEDOUT ? "no answer in time" : "the connection broke");
		err = -ENOTCONN;
	} else {
		err = kept ? result_error(pg, kept) : -EIO;
	}
	if (err == 0 && out)
		*out = kept;
	else
		PQclear(kept);
	return err;
}

/* Broken off where nothing says whether it was done. */
static int unknown_outcome(const struct postgres *pg, int err)
{
	return err == -ENOTCONN && !pg->in_transaction ? -ETIMEDOUT : err;
}

static int simple(struct postgres *pg, const char *sql)
{
	if (!pg->conn)
		return -ENOTCONN;
	return collect(pg, PQsendQuery(pg->conn, sql), NULL);
}

static int postgres_script(struct store *store, const char *sql)
{
	char *text = store_postgres_text(sql);
	int err = text ? simple(store->db, text) : -ENOMEM;

	free(text);
	return err;
}

static int postgres_begin(struct store *store)
{
	struct postgres *pg = store->db;
	int err = simple(pg, "BEGIN; SELECT pg_advisory_xact_lock(" LOCK_KEY ")");

	if (err < 0)
		simple(pg, "ROLLBACK");
	pg->in_transaction = err == 0;
	return err;
}

static int postgres_commit(struct store *store)
{
	struct postgres *pg = store->db;
	int err;

	if (!pg->conn)
		return -ENOTCONN;
	pg->in_transaction = false;
	err = unknown_outcome(pg, simple(pg, "COMMIT"));
	return err;
}

static void postgres_rollback(struct store *store)
{
	struct postgres *pg = store->db;

	if (pg->in_transaction)
		simple(pg, "ROLLBACK");
	pg->in_transaction = false;
}

static int postgres_prepare(struct statement *s)
{
	struct postgres *pg = s->store->db;

	if (!pg->conn)
		return -ENOTCONN;
	s->driver = calloc(1, sizeof(struct postgres_statement));
	return s->driver ? 0 : -ENOMEM;
}

static int postgres_bind(struct statement *s, enum store_kind kind, const void *data, size_t len)
{
	static const Oid types[] = { OID_INT8, OID_TEXT, OID_BYTEA };
	struct postgres_statement *p = s->driver;
	uint8_t *grown;

	if (p->count == PARAMETERS_MAX || len > INT32_MAX)
		return -E2BIG;
	grown = realloc(p->data, p->len + len + 1);
	if (!grown)
		return -ENOMEM;
	memcpy(grown + p->len, data, len);
	p->data = grown;
	p->types[p->count] = types[kind];
	p->offsets[p->count] = p->len;
	p->lengths[p->count++] = (int)len;
	p->len += len;
	return 0;
}

/* The number of the text among those that this connection knows, which it is told first. */
static int prepare_once(struct postgres *pg, const char *sql, const struct postgres_statement *p,
			char name[static 16])
{
	size_t i = 0;
	int err;

	while (i < pg->prepared_count && strcmp(pg->prepared[i], sql) != 0)
		i++;
	snprintf(name, 16, "s%zu", i);
	if (i < pg->prepared_count)
		return 0;
	if (i == PREPARED_MAX) {
		name[0] = '\0'; /* the nameless one */
		return collect(pg, PQsendPrepare(pg->conn, "", sql, p->count, p->types), NULL);
	}
	err = collect(pg, PQsendPrepare(pg->conn, name, sql, p->count, p->types), NULL);
	if (err < 0)
		return err;
	pg->prepared[i] = strdup(sql);
	if (!pg->prepared[i])
		return -ENOMEM;
	pg->prepared_count++;
	return 0;
}

static int run(struct statement *s)
{
	struct postgres *pg = s->store->db;
	struct postgres_statement *p = s->driver;
	const char *values[PARAMETERS_MAX];
	int formats[PARAMETERS_MAX];
	char name[16];
	int err = pg->conn ? prepare_once(pg, s->sql, p, name) : -ENOTCONN;

	if (err < 0)
		return err;
	for (int i = 0; i < p->count; i++) {
		values[i] = (const char *)p->data + p->offsets[i];
		formats[i] = 1;
	}
	err = collect(pg,
		      PQsendQueryPrepared(pg->conn, name, p->count, values, p->lengths, formats, 1),
		      &p->result);
	return unknown_outcome(pg, err);
}

static int postgres_step(struct statement *s)
{
	struct postgres_statement *p = s->driver;

	if (!p->result) {
		int err = run(s);

		if (err < 0)
			return err;
		p->row = -1;
	}
	if (++p->row < PQntuples(p->result))
		return 1;
	s->changes = strtoull(PQcmdTuples(p->result), NULL, 10);
	return 0;
}

static int postgres_number(struct statement *s, int column, uint64_t *value)
{
	struct postgres_statement *p = s->driver;
	const uint8_t *data = (const uint8_t *)PQgetvalue(p->result, p->row, column);

	if (!data || PQgetisnull(p->result, p->row, column))
		return -EUCLEAN;
	switch (PQgetlength(p->result, p->row, column)) {
	case 8:
		*value = load_be64(data);
		return 0;
	case 4:
		*value = load_be32(data);
		return 0;
	default:
		return -EUCLEAN;
	}
}

static int postgres_bytes(struct statement *s, int column, const void **data, size_t *len)
{
	struct postgres_statement *p = s->driver;

	if (column >= PQnfields(p->result) || PQgetisnull(p->result, p->row, column))
		return -EUCLEAN;
	*data = PQgetvalue(p->result, p->row, column);
	*len = (size_t)PQgetlength(p->result, p->row, column);
	return 0;
}

static void postgres_finish(struct statement *s)
{
	struct postgres_statement *p = s->driver;

	if (!p)
		return;
	if (p->data)
		explicit_bzero(p->data, p->len);
	free(p->data);
	PQclear(p->result);
	free(p);
	s->driver = NULL;
}

static int postgres_version(struct store *store, uint64_t *version)
{
	struct statement s;
	uint64_t found = 0;
	int err;

	statement_init(&s, store,
		       "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"
		       " AND tablename = 'schema_version'");
	if (statement_row(&s))
		found = statement_get_u64(&s);
	err = statement_end(&s);
	if (err < 0 || !found)
		return err;
	statement_init(&s, store, "SELECT version FROM schema_version");
	if (statement_row(&s))
		*version = statement_get_u64(&s);
	return statement_end(&s);
}

static int postgres_set_version(struct store *store, uint64_t version)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
		 "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL);"
		 "DELETE FROM schema_version; INSERT INTO schema_version VALUES (%llu)",
		 (unsigned long long)version);
	return simple(store->db, sql);
}

static int postgres_settled(struct store *store)
{
	return simple(store->db, store_postgres_following);
}

/* Into a file of SQLite, from which any coordinator can be restored. */
static int postgres_backup(struct store *store, const char *path)
{
	struct postgres *pg = store->db;
	uint64_t limit_ns = pg->limit_ns;
	struct store *copy;
	int err = store_create(&copy, path);

	if (err < 0)
		return err;
	/* Some seconds for very many nodes; meanwhile others change nothing. */
	pg->limit_ns = STORE_POSTGRES_OPEN_LIMIT_MS * NS_PER_MS;
	err = store_copy(copy, store, copy);
	pg->limit_ns = limit_ns;
	if (err == 0)
		err = store_copy_counters_to_values(copy);
	store_close(copy);
	return err;
}

static bool postgres_is_away(const struct store *store)
{
	const struct postgres *pg = store->db;

	return !pg->conn;
}

static void postgres_close(struct store *store)
{
	struct postgres *pg = store->db;

	if (pg) {
		PQfinish(pg->conn);
		forget_prepared(pg);
	}
	free(pg);
}

static const struct store_driver postgres_driver = {
	.shared = true,
	.close = postgres_close,
	.begin = postgres_begin,
	.commit = postgres_commit,
	.rollback = postgres_rollback,
	.is_away = postgres_is_away,
	.backup = postgres_backup,
	.script = postgres_script,
	.version = postgres_version,
	.set_version = postgres_set_version,
	.settled = postgres_settled,
	.prepare = postgres_prepare,
	.bind = postgres_bind,
	.step = postgres_step,
	.number = postgres_number,
	.bytes = postgres_bytes,
	.finish = postgres_finish,
};

/* Without the part of libpq's message that repeats where it connected to; one line. */
static void take_message(char *error, size_t size, const char *message)
{
	snprintf(error, size, "%s", message);
	error[strcspn(error, "\n")] = '\0';
}

/* libpq would print it. What matters comes as an error as well. */
static void ignore_notice(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

PGconn *store_postgres_connect(const char *place, char *error, size_t error_size)
{
	/* A later keyword wins, but the place may have its own limits: it comes last. */
	const char *const keywords[] = { "connect_timeout",
					 "application_name",
					 "tcp_user_timeout",
					 "keepalives_idle",
					 "keepalives_interval",
					 "keepalives_count",
					 "client_encoding",
					 "dbname",
					 NULL };
	const char *const values[] = { "3", "warren-coord", "3000", "5", "2",
				       "3", "UTF8",         place,  NULL };
	PGconn *conn = PQconnectdbParams(keywords, values, 1);
	PGresult *result;

	if (conn)
		PQsetNoticeProcessor(conn, ignore_notice, NULL);
	if (conn && PQstatus(conn) == CONNECTION_OK) {
		/* Tables of ours only, and no statement of ours holds up the others. */
		result = PQexec(conn, "SET statement_timeout = 2500; SET lock_timeout = 2000;"
				      "SET idle_in_transaction_session_timeout = 5000;"
				      "SET client_min_messages = warning");
		if (PQresultStatus(result) == PGRES_COMMAND_OK && PQsetnonblocking(conn, 1) == 0) {
			PQclear(result);
			return conn;
		}
		PQclear(result);
	}
	take_message(error, error_size, conn ? PQerrorMessage(conn) : "out of memory");
	PQfinish(conn);
	return NULL;
}

bool store_postgres_has_password(const char *place)
{
	PQconninfoOption *options = PQconninfoParse(place, NULL);
	bool has = false;

	for (PQconninfoOption *option = options; option && option->keyword; option++)
		if ((strcmp(option->keyword, "password") == 0 ||
		     strcmp(option->keyword, "sslpassword") == 0) &&
		    option->val && option->val[0])
			has = true;
	PQconninfoFree(options);
	return has;
}

static int connect_store(struct store **out, const char *place, char *error, size_t error_size)
{
	struct store *store = calloc(1, sizeof(*store));
	struct postgres *pg = calloc(1, sizeof(*pg));

	if (!store || !pg) {
		free(store);
		free(pg);
		return -ENOMEM;
	}
	*store = (struct store){ .driver = &postgres_driver, .db = pg };
	pg->limit_ns = STORE_POSTGRES_OPEN_LIMIT_MS * NS_PER_MS;
	pg->conn = store_postgres_connect(place, error, error_size);
	if (!pg->conn) {
		store_close(store);
		return -ENOTCONN;
	}
	*out = store;
	return simple(pg, "SET statement_timeout = 30000");
}

static int connect_and_settle(struct store **out, const char *place, bool create, char *error,
			      size_t error_size)
{
	struct store *store = NULL;
	int err;

	error[0] = '\0';
	err = connect_store(&store, place, error, error_size);
	if (err == 0)
		err = store_schema_settle(store, create);
	if (err < 0) {
		store_close(store);
		return err;
	}
	*out = store;
	return 0;
}

int store_postgres_create(struct store **store, const char *place, char *error, size_t error_size)
{
	return connect_and_settle(store, place, true, error, error_size);
}

int store_postgres_open(struct store **store, const char *place, char *error, size_t error_size)
{
	return connect_and_settle(store, place, false, error, error_size);
}

void store_postgres_serve(struct store *store)
{
	struct postgres *pg = store->db;

	pg->limit_ns = STORE_POSTGRES_LIMIT_MS * NS_PER_MS;
	simple(pg, "SET statement_timeout = 2500");
}

void store_postgres_adopt(struct store *store, PGconn *conn)
{
	struct postgres *pg = store->db;

	PQfinish(pg->conn);
	pg->conn = conn;
	forget_prepared(pg);
	pg->in_transaction = false;
}
