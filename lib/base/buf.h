#ifndef WARREN_BASE_BUF_H
#define WARREN_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Bounded cursors over bytes that somebody else owns. Both are sticky: after the first access that
 * does not fit, `failed` is set, reads give zeros and writes do nothing, so a parser checks once at
 * its end. All integers are big-endian on the wire unless named le.
 */
struct reader {
	const uint8_t *at;
	size_t left;
	bool failed;
};

void reader_init(struct reader *r, const uint8_t *data, size_t len);
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
/* A pointer to len bytes inside the input, or NULL (and failed). */
const uint8_t *reader_bytes(struct reader *r, size_t len);
/* Copies len bytes, zeros when they are not there. */
void reader_copy(struct reader *r, void *out, size_t len);
/* True when nothing failed and every byte was consumed. */
bool reader_done(const struct reader *r);

struct writer {
	uint8_t *start;
	size_t len;
	size_t cap;
	bool failed;
};

void writer_init(struct writer *w, uint8_t *data, size_t cap);
void writer_u8(struct writer *w, uint8_t v);
void writer_u16(struct writer *w, uint16_t v);
void writer_u32(struct writer *w, uint32_t v);
void writer_u64(struct writer *w, uint64_t v);
void writer_bytes(struct writer *w, const void *data, size_t len);
/* Room for len bytes to be filled by the caller, or NULL (and failed). */
uint8_t *writer_reserve(struct writer *w, size_t len);

/* Unaligned loads and stores. */
static inline uint16_t load_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t load_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t load_be64(const uint8_t *p)
{
	return (uint64_t)load_be32(p) << 32 | load_be32(p + 4);
}

static inline uint32_t load_le32(const uint8_t *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static inline uint64_t load_le64(const uint8_t *p)
{
	return (uint64_t)load_le32(p + 4) << 32 | load_le32(p);
}

static inline void store_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void store_be32(uint8_t *p, uint32_t v)
{
	store_be16(p, (uint16_t)(v >> 16));
	store_be16(p + 2, (uint16_t)v);
}

static inline void store_be64(uint8_t *p, uint64_t v)
{
	store_be32(p, (uint32_t)(v >> 32));
	store_be32(p + 4, (uint32_t)v);
}

static inline void store_le32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

static inline void store_le64(uint8_t *p, uint64_t v)
{
	store_le32(p, (uint32_t)v);
	store_le32(p + 4, (uint32_t)(v >> 32));
}

#endif
