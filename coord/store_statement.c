#include "coord/store_statement.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "coord/store.h"
#include "coord/store_driver.h"

static void note(struct statement *s, int err)
{
	if (s->err == 0 && err < 0)
		s->err = err;
}

void statement_init(struct statement *s, struct store *store, const char *sql)
{
	*s = (struct statement){ .store = store, .sql = sql };
	s->err = store->driver->prepare(s);
}

static void give(struct statement *s, enum store_kind kind, const void *data, size_t len)
{
	if (s->err == 0)
		note(s, s->store->driver->bind(s, kind, data, len));
	s->parameter++;
}

void statement_u64(struct statement *s, uint64_t value)
{
	uint8_t bytes[8];

	store_be64(bytes, value);
	give(s, STORE_NUMBER, bytes, sizeof(bytes));
}

void statement_text(struct statement *s, const char *text)
{
	give(s, STORE_TEXT, text, strlen(text));
}

void statement_blob(struct statement *s, const void *data, size_t len)
{
	give(s, STORE_BLOB, len ? data : "", len);
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
	int got;

	if (s->err < 0)
		return false;
	got = s->store->driver->step(s);
	s->column = 0;
	note(s, got);
	return got > 0;
}

uint64_t statement_get_u64(struct statement *s)
{
	uint64_t value = 0;

	if (s->err == 0)
		note(s, s->store->driver->number(s, s->column++, &value));
	return value;
}

/* Of the next column; false with err set. */
static bool get_bytes(struct statement *s, const void **data, size_t *len)
{
	if (s->err == 0)
		note(s, s->store->driver->bytes(s, s->column++, data, len));
	return s->err == 0;
}

void statement_get_text(struct statement *s, char *out, size_t size)
{
	const void *text;
	size_t len;

	if (!get_bytes(s, &text, &len))
		return;
	if (len >= size || memchr(text, '\0', len)) {
		note(s, -EUCLEAN);
		return;
	}
	memcpy(out, text, len);
	out[len] = '\0';
}

void statement_get_blob(struct statement *s, uint8_t *out, size_t size, size_t *len)
{
	const void *data;
	size_t got;

	if (!get_bytes(s, &data, &got))
		return;
	if (got > size) {
		note(s, -EUCLEAN);
		return;
	}
	if (got)
		memcpy(out, data, got);
	*len = got;
}

uint8_t *statement_get_copy(struct statement *s, size_t *len)
{
	const void *data;
	uint8_t *copy;
	size_t got;

	if (!get_bytes(s, &data, &got))
		return NULL;
	copy = malloc(got + 1);
	if (!copy) {
		note(s, -ENOMEM);
		return NULL;
	}
	if (got)
		memcpy(copy, data, got);
	copy[got] = '\0';
	*len = got;
	return copy;
}

void statement_get_bytes(struct statement *s, uint8_t *out, size_t len)
{
	size_t got = 0;

	statement_get_blob(s, out, len, &got);
	if (got != len)
		note(s, -EUCLEAN);
}

void statement_get_address(struct statement *s, int family, struct ip_addr *addr)
{
	uint8_t bytes[16];

	statement_get_bytes(s, bytes, family == AF_INET ? 4 : 16);
	if (s->err == 0)
		*addr = addr_from_bytes(family, bytes);
}

void statement_get_labels(struct statement *s, struct labels *labels)
{
	char text[LABELS_TEXT_SIZE] = "";

	statement_get_text(s, text, sizeof(text));
	if (labels_parse(labels, text) < 0)
		note(s, -EUCLEAN);
}

int statement_end(struct statement *s)
{
	s->store->driver->finish(s);
	return s->err;
}

static int run(struct statement *s)
{
	while (statement_row(s))
		;
	return statement_end(s);
}

/* A change on its own, and what the audit log says of it: both or neither. */
static int run_noted(struct statement *s)
{
	int err = store_begin(s->store);

	if (err < 0) {
		statement_end(s);
		return s->err = err;
	}
	err = run(s);
	if (err == 0 && s->changes)
		err = store_commit(s->store);
	else if (err == 0)
		store_rollback(s->store);
	if (err < 0)
		store_rollback(s->store);
	return s->err = err;
}

int statement_run(struct statement *s)
{
	return s->store->note && !s->store->in_transaction ? run_noted(s) : run(s);
}

int statement_run_found(struct statement *s)
{
	int err = statement_run(s);

	return err < 0 ? err : s->changes ? 0 : -ENOENT;
}
