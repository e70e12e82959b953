#include "base/buf.h"

#include <string.h>

void reader_init(struct reader *r, const uint8_t *data, size_t len)
{
	r->at = data;
	r->left = len;
	r->failed = false;
}

const uint8_t *reader_bytes(struct reader *r, size_t len)
{
	const uint8_t *at = r->at;

	if (r->failed || len > r->left) {
		r->failed = true;
		return NULL;
	}
	r->at += len;
	r->left -= len;
	return at;
}

void reader_copy(struct reader *r, void *out, size_t len)
{
	const uint8_t *at = reader_bytes(r, len);

	if (!at)
		memset(out, 0, len);
	else if (len)
		memcpy(out, at, len);
}

uint8_t reader_u8(struct reader *r)
{
	const uint8_t *at = reader_bytes(r, 1);

	return at ? *at : 0;
}

uint16_t reader_u16(struct reader *r)
{
	const uint8_t *at = reader_bytes(r, 2);

	return at ? load_be16(at) : 0;
}

uint32_t reader_u32(struct reader *r)
{
	const uint8_t *at = reader_bytes(r, 4);

	return at ? load_be32(at) : 0;
}

uint64_t reader_u64(struct reader *r)
{
	const uint8_t *at = reader_bytes(r, 8);

	return at ? load_be64(at) : 0;
}

bool reader_done(const struct reader *r)
{
	return !r->failed && r->left == 0;
}

void writer_init(struct writer *w, uint8_t *data, size_t cap)
{
	w->start = data;
	w->len = 0;
	w->cap = cap;
	w->failed = false;
}

uint8_t *writer_reserve(struct writer *w, size_t len)
{
	uint8_t *at = w->start + w->len;

	if (w->failed || len > w->cap - w->len) {
		w->failed = true;
		return NULL;
	}
	w->len += len;
	return at;
}

void writer_bytes(struct writer *w, const void *data, size_t len)
{
	uint8_t *at = writer_reserve(w, len);

	if (at && len)
		memcpy(at, data, len);
}

void writer_u8(struct writer *w, uint8_t v)
{
	writer_bytes(w, &v, 1);
}

void writer_u16(struct writer *w, uint16_t v)
{
	uint8_t *at = writer_reserve(w, 2);

	if (at)
		store_be16(at, v);
}

void writer_u32(struct writer *w, uint32_t v)
{
	uint8_t *at = writer_reserve(w, 4);

	if (at)
		store_be32(at, v);
}

void writer_u64(struct writer *w, uint64_t v)
{
	uint8_t *at = writer_reserve(w, 8);

	if (at)
		store_be64(at, v);
}
