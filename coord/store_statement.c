#include "coord/store_statement.h"

#include <errno.h>
#include <string.h>

void statement_init(struct statement *s, struct store *store, const char *sql)
{
	*s = (struct statement){ .db = store->db };
	s->err = sqlite3_prepare_v2(store->db, sql, -1, &s->stmt, NULL);
}

static void note(struct statement *s, int err)
{
	if (s->err == SQLITE_OK)
		s->err = err;
}

void statement_u64(struct statement *s, uint64_t value)
{
	note(s, sqlite3_bind_int64(s->stmt, ++s->parameter, (sqlite3_int64)value));
}

void statement_text(struct statement *s, const char *text)
{
	note(s, sqlite3_bind_text(s->stmt, ++s->parameter, text, -1, SQLITE_TRANSIENT));
}

void statement_blob(struct statement *s, const void *data, size_t len)
{
	note(s,
	     sqlite3_bind_blob64(s->stmt, ++s->parameter, len ? data : "", len, SQLITE_TRANSIENT));
}

void statement_address(struct statement *s, const struct ip_addr *addr)
{
	statement_blob(s, addr->bytes, addr_len(addr));
}

void statement_labels(struct statement *s, const struct labels *labels)
{
	char text[LABELS_TEXT_SIZE];

	labels_format(text, labels);
	statement_text(s, text);
}

bool statement_row(struct statement *s)
{
	int err;

	if (s->err != SQLITE_OK)
		return false;
	err = sqlite3_step(s->stmt);
	s->column = 0;
	if (err != SQLITE_ROW && err != SQLITE_DONE)
		note(s, err);
	return err == SQLITE_ROW;
}

uint64_t statement_get_u64(struct statement *s)
{
	return (uint64_t)sqlite3_column_int64(s->stmt, s->column++);
}

void statement_get_text(struct statement *s, char *out, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(s->stmt, s->column++);

	if (!text || strlen(text) >= size)
		note(s, SQLITE_CORRUPT);
	else
		strcpy(out, text);
}

void statement_get_blob(struct statement *s, uint8_t *out, size_t size, size_t *len)
{
	const void *data = sqlite3_column_blob(s->stmt, s->column);
	size_t got = (size_t)sqlite3_column_bytes(s->stmt, s->column++);

	if (got > size) {
		note(s, SQLITE_CORRUPT);
		return;
	}
	if (got)
		memcpy(out, data, got);
	*len = got;
}

void statement_get_bytes(struct statement *s, uint8_t *out, size_t len)
{
	size_t got = 0;

	statement_get_blob(s, out, len, &got);
	if (got != len)
		note(s, SQLITE_CORRUPT);
}

void statement_get_address(struct statement *s, int family, struct ip_addr *addr)
{
	uint8_t bytes[16];

	statement_get_bytes(s, bytes, family == AF_INET ? 4 : 16);
	if (s->err == SQLITE_OK)
		*addr = addr_from_bytes(family, bytes);
}

void statement_get_labels(struct statement *s, struct labels *labels)
{
	char text[LABELS_TEXT_SIZE] = "";

	statement_get_text(s, text, sizeof(text));
	if (labels_parse(labels, text) < 0)
		note(s, SQLITE_CORRUPT);
}

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

int statement_end(struct statement *s)
{
	sqlite3_finalize(s->stmt);
	s->stmt = NULL;
	return to_errno(s->err);
}

int statement_run(struct statement *s)
{
	while (statement_row(s))
		;
	return statement_end(s);
}
