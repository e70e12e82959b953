#include "coord/store_signing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coord/store.h"
#include "coord/store_statement.h"

#define COLUMNS "id, kind, subject, body, signatures, created_s, who"

int store_document_put(struct store *store, int kind, uint64_t version, const uint8_t *data,
		       size_t len)
{
	struct statement s;

	statement_init(&s, store,
		       "INSERT INTO document (kind, version, data) VALUES ($1, $2, $3)"
		       " ON CONFLICT (kind) DO UPDATE SET version = excluded.version,"
		       " data = excluded.data");
	statement_u64(&s, (uint64_t)kind);
	statement_u64(&s, version);
	statement_blob(&s, data, len);
	return statement_run(&s);
}

int store_document_each(struct store *store,
			int (*each)(void *arg, int kind, const uint8_t *data, size_t len),
			void *arg)
{
	struct statement s;
	int result = 0;
	int err;

	statement_init(&s, store, "SELECT kind, data FROM document ORDER BY kind");
	while (result == 0 && statement_row(&s)) {
		int kind = (int)statement_get_u64(&s);
		size_t len;
		uint8_t *data = statement_get_copy(&s, &len);

		if (data)
			result = each(arg, kind, data, len);
		free(data);
	}
	err = statement_end(&s);
	return err < 0 ? err : result;
}

int store_request_put(struct store *store, const struct store_request *request)
{
	struct statement s;

	statement_init(&s, store,
		       "INSERT INTO signing_request (" COLUMNS ")"
		       " VALUES ($1, $2, $3, $4, $5, $6, $7)"
		       " ON CONFLICT (kind, subject) DO UPDATE SET id = excluded.id,"
		       " body = excluded.body, signatures = excluded.signatures,"
		       " created_s = excluded.created_s, who = excluded.who");
	statement_blob(&s, request->id, sizeof(request->id));
	statement_u64(&s, (uint64_t)request->request.kind);
	statement_blob(&s, request->subject, sizeof(request->subject));
	statement_blob(&s, request->request.body, request->request.body_len);
	statement_blob(&s, request->request.set, request->request.set_len);
	statement_u64(&s, request->request.time_s);
	statement_text(&s, request->request.who);
	return statement_run(&s);
}

void store_request_clear(struct store_request *request)
{
	free(request->request.body);
	*request = (struct store_request){ .request = { .kind = 0 } };
}

static void read_request(struct statement *s, struct store_request *request)
{
	*request = (struct store_request){ .request = { .kind = 0 } };
	statement_get_bytes(s, request->id, sizeof(request->id));
	request->request.kind = (int)statement_get_u64(s);
	statement_get_bytes(s, request->subject, sizeof(request->subject));
	request->request.body = statement_get_copy(s, &request->request.body_len);
	statement_get_blob(s, request->request.set, sizeof(request->request.set),
			   &request->request.set_len);
	request->request.time_s = statement_get_u64(s);
	statement_get_text(s, request->request.who, sizeof(request->request.who));
}

/* The one row that the statement finds. */
static int read_one(struct statement *s, struct store_request *request)
{
	bool found = statement_row(s);
	int err;

	if (found)
		read_request(s, request);
	err = statement_end(s);
	if (found && err < 0)
		store_request_clear(request);
	return err < 0 || found ? err : -ENOENT;
}

int store_request_find(struct store *store, const uint8_t id[static SIGNING_ID_SIZE],
		       struct store_request *request)
{
	struct statement s;

	statement_init(&s, store, "SELECT " COLUMNS " FROM signing_request WHERE id = $1");
	statement_blob(&s, id, SIGNING_ID_SIZE);
	return read_one(&s, request);
}

int store_request_about(struct store *store, int kind, const uint8_t subject[static 32],
			struct store_request *request)
{
	struct statement s;

	statement_init(&s, store,
		       "SELECT " COLUMNS " FROM signing_request WHERE kind = $1 AND subject = $2");
	statement_u64(&s, (uint64_t)kind);
	statement_blob(&s, subject, 32);
	return read_one(&s, request);
}

int store_request_set(struct store *store, const uint8_t id[static SIGNING_ID_SIZE],
		      const uint8_t *set, size_t set_len)
{
	struct statement s;

	statement_init(&s, store, "UPDATE signing_request SET signatures = $1 WHERE id = $2");
	statement_blob(&s, set, set_len);
	statement_blob(&s, id, SIGNING_ID_SIZE);
	return statement_run_found(&s);
}

int store_request_delete(struct store *store, int kind, const uint8_t subject[static 32])
{
	struct statement s;

	statement_init(&s, store, "DELETE FROM signing_request WHERE kind = $1 AND subject = $2");
	statement_u64(&s, (uint64_t)kind);
	statement_blob(&s, subject, 32);
	return statement_run(&s);
}

int store_request_each(struct store *store, int (*each)(void *arg, struct store_request *request),
		       void *arg)
{
	struct store_request request;
	struct statement s;
	int result = 0;
	int err;

	statement_init(&s, store,
		       "SELECT " COLUMNS " FROM signing_request ORDER BY created_s, kind, subject");
	while (result == 0 && statement_row(&s)) {
		read_request(&s, &request);
		if (s.err == 0)
			result = each(arg, &request);
		store_request_clear(&request);
	}
	err = statement_end(&s);
	return err < 0 ? err : result;
}

int store_request_count(struct store *store, uint64_t *count, uint64_t *oldest_s)
{
	struct statement s;

	*count = *oldest_s = 0;
	statement_init(&s, store,
		       "SELECT COUNT(*), COALESCE(MIN(created_s), 0) FROM signing_request");
	if (statement_row(&s)) {
		*count = statement_get_u64(&s);
		*oldest_s = statement_get_u64(&s);
	}
	return statement_end(&s);
}

int store_device_revoke(struct store *store, const uint8_t device_key[static 32], uint64_t until_s)
{
	struct statement s;

	statement_init(&s, store,
		       "INSERT INTO revoked_device (device_key, until_s) VALUES ($1, $2)"
		       " ON CONFLICT (device_key) DO UPDATE SET until_s = excluded.until_s");
	statement_blob(&s, device_key, 32);
	statement_u64(&s, until_s);
	return statement_run(&s);
}

int store_device_revoked_each(struct store *store, uint64_t now_s,
			      int (*each)(void *arg, const uint8_t device_key[static 32]),
			      void *arg)
{
	uint8_t device_key[32];
	struct statement s;
	int result = 0;
	int err;

	statement_init(&s, store,
		       "SELECT device_key FROM revoked_device WHERE until_s >= $1"
		       " ORDER BY device_key");
	statement_u64(&s, now_s);
	while (result == 0 && statement_row(&s)) {
		statement_get_bytes(&s, device_key, sizeof(device_key));
		if (s.err == 0)
			result = each(arg, device_key);
	}
	err = statement_end(&s);
	return err < 0 ? err : result;
}
