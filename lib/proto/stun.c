#include "proto/stun.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/md5.h"

#define ATTR_HEADER_SIZE 4
#define FINGERPRINT_XOR  0x5354554eu /* RFC 8489 section 14.7 */
#define FINGERPRINT_SIZE 8           /* the whole attribute */
#define FAMILY_V4        1
#define FAMILY_V6        2

static size_t padded(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

/* CRC-32 of ITU V.42, bit by bit: messages are a hundred bytes. */
static uint32_t crc32_v42(const uint8_t *data, size_t len)
{
	uint32_t crc = UINT32_MAX;

	while (len--) {
		crc ^= *data++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
	}
	return ~crc;
}

/* ---- reading ---- */

/* One attribute at offset `at`; the caller knows that it lies within the message. */
static uint16_t attr_type(const struct stun_message *msg, size_t at)
{
	return load_be16(msg->data + at);
}

static size_t attr_len(const struct stun_message *msg, size_t at)
{
	return load_be16(msg->data + at + 2);
}

static size_t attr_next(const struct stun_message *msg, size_t at)
{
	return at + ATTR_HEADER_SIZE + padded(attr_len(msg, at));
}

/* Notes where integrity and fingerprint are. False when they are malformed or misplaced. */
static bool note_attr(struct stun_message *msg, size_t at)
{
	size_t len = attr_len(msg, at);

	switch (attr_type(msg, at)) {
	case STUN_ATTR_MESSAGE_INTEGRITY:
		if (len != STUN_INTEGRITY_SIZE)
			return false;
		if (!msg->integrity_at) {
			msg->integrity_at = at;
			msg->attrs_end = at;
		}
		return true;
	case STUN_ATTR_FINGERPRINT:
		if (len != 4 || at + FINGERPRINT_SIZE != msg->len)
			return false;
		msg->has_fingerprint = true;
		return load_be32(msg->data + at + ATTR_HEADER_SIZE) ==
		       (crc32_v42(msg->data, at) ^ FINGERPRINT_XOR);
	default:
		return true;
	}
}

int stun_parse(struct stun_message *msg, const uint8_t *data, size_t len)
{
	struct stun_message m = { .data = data, .len = len, .attrs_end = len };
	uint16_t type;
	size_t at;

	if (len < STUN_HEADER_SIZE || (data[0] & 0xc0) || load_be32(data + 4) != STUN_COOKIE ||
	    load_be16(data + 2) % 4 || load_be16(data + 2) != len - STUN_HEADER_SIZE)
		return -EBADMSG;
	/* The two class bits are spread over the method's: RFC 8489 section 5, figure 3. */
	type = load_be16(data);
	m.class = (enum stun_class)((type >> 7 & 2) | (type >> 4 & 1));
	m.method = (uint16_t)((type >> 2 & 0xf80) | (type >> 1 & 0x70) | (type & 0xf));
	m.transaction = data + 8;
	for (at = STUN_HEADER_SIZE; at < len; at = attr_next(&m, at)) {
		if (len - at < ATTR_HEADER_SIZE ||
		    padded(attr_len(&m, at)) > len - at - ATTR_HEADER_SIZE || !note_attr(&m, at))
			return -EBADMSG;
	}
	*msg = m;
	return 0;
}

const uint8_t *stun_find(const struct stun_message *msg, uint16_t type, size_t *len)
{
	size_t at;

	for (at = STUN_HEADER_SIZE; at < msg->attrs_end; at = attr_next(msg, at)) {
		if (attr_type(msg, at) != type)
			continue;
		*len = attr_len(msg, at);
		return msg->data + at + ATTR_HEADER_SIZE;
	}
	return NULL;
}

bool stun_has(const struct stun_message *msg, uint16_t type)
{
	size_t len;

	return stun_find(msg, type, &len) != NULL;
}

/* The value of an attribute that must be `want` bytes long. */
static int find_sized(const struct stun_message *msg, uint16_t type, size_t want,
		      const uint8_t **value)
{
	size_t len;
	const uint8_t *at = stun_find(msg, type, &len);

	if (!at)
		return -ENOENT;
	if (len != want)
		return -EBADMSG;
	*value = at;
	return 0;
}

int stun_get_u32(const struct stun_message *msg, uint16_t type, uint32_t *value)
{
	const uint8_t *at;
	int err = find_sized(msg, type, 4, &at);

	if (!err)
		*value = load_be32(at);
	return err;
}

int stun_get_u64(const struct stun_message *msg, uint16_t type, uint64_t *value)
{
	const uint8_t *at;
	int err = find_sized(msg, type, 8, &at);

	if (!err)
		*value = load_be64(at);
	return err;
}

static bool is_xor_address(uint16_t type)
{
	return type == STUN_ATTR_XOR_MAPPED_ADDRESS || type == STUN_ATTR_XOR_PEER_ADDRESS ||
	       type == STUN_ATTR_XOR_RELAYED_ADDRESS;
}

/* Cookie and transaction, the mask of the XOR attributes (RFC 8489 section 14.2). */
static void mask_address(uint8_t *bytes, size_t len, const uint8_t *mask)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] ^= mask[i];
}

int stun_get_endpoint(const struct stun_message *msg, uint16_t type, struct endpoint *ep)
{
	struct endpoint out = { 0 };
	uint8_t bytes[16];
	size_t len, addr_size;
	const uint8_t *at = stun_find(msg, type, &len);

	if (!at)
		return -ENOENT;
	if (len != 8 && len != 20)
		return -EBADMSG;
	if (at[1] != (len == 8 ? FAMILY_V4 : FAMILY_V6))
		return -EBADMSG;
	addr_size = len - 4;
	memcpy(bytes, at + 4, addr_size);
	out.port = load_be16(at + 2);
	if (is_xor_address(type)) {
		mask_address(bytes, addr_size, msg->data + 4);
		out.port ^= (uint16_t)(STUN_COOKIE >> 16);
	}
	out.addr = addr_from_bytes(len == 8 ? AF_INET : AF_INET6, bytes);
	*ep = out;
	return 0;
}

int stun_get_mapped(const struct stun_message *msg, struct endpoint *ep)
{
	int err = stun_get_endpoint(msg, STUN_ATTR_XOR_MAPPED_ADDRESS, ep);

	return err == -ENOENT ? stun_get_endpoint(msg, STUN_ATTR_MAPPED_ADDRESS, ep) : err;
}

int stun_get_error(const struct stun_message *msg, unsigned int *code)
{
	size_t len;
	const uint8_t *at = stun_find(msg, STUN_ATTR_ERROR_CODE, &len);
	unsigned int hundreds;

	if (!at)
		return -ENOENT;
	if (len < 4)
		return -EBADMSG;
	hundreds = at[2] & 7;
	if (hundreds < 3 || hundreds > 6 || at[3] > 99)
		return -EBADMSG;
	*code = hundreds * 100 + at[3];
	return 0;
}

int stun_get_node_key(const struct stun_message *msg, const uint8_t **key)
{
	return find_sized(msg, STUN_ATTR_NODE_KEY, STUN_KEY_SIZE, key);
}

int stun_get_channel(const struct stun_message *msg, uint16_t *channel)
{
	const uint8_t *at;
	int err = find_sized(msg, STUN_ATTR_CHANNEL_NUMBER, 4, &at);

	if (!err)
		*channel = load_be16(at);
	return err;
}

int stun_get_text(const struct stun_message *msg, uint16_t type, char *out, size_t size)
{
	size_t len;
	const uint8_t *at = stun_find(msg, type, &len);

	if (!at)
		return -ENOENT;
	if (len >= size)
		return -ENOSPC;
	if (memchr(at, '\0', len))
		return -EBADMSG;
	memcpy(out, at, len);
	out[len] = '\0';
	return 0;
}

static bool is_known_required(uint16_t type)
{
	static const uint16_t known[] = {
		STUN_ATTR_MAPPED_ADDRESS,
		STUN_ATTR_CHANGE_REQUEST,
		STUN_ATTR_USERNAME,
		STUN_ATTR_MESSAGE_INTEGRITY,
		STUN_ATTR_ERROR_CODE,
		STUN_ATTR_UNKNOWN_ATTRIBUTES,
		STUN_ATTR_CHANNEL_NUMBER,
		STUN_ATTR_LIFETIME,
		STUN_ATTR_XOR_PEER_ADDRESS,
		STUN_ATTR_DATA,
		STUN_ATTR_REALM,
		STUN_ATTR_NONCE,
		STUN_ATTR_XOR_RELAYED_ADDRESS,
		STUN_ATTR_REQUESTED_ADDRESS_FAMILY,
		STUN_ATTR_REQUESTED_TRANSPORT,
		STUN_ATTR_MESSAGE_INTEGRITY_SHA256,
		STUN_ATTR_XOR_MAPPED_ADDRESS,
		STUN_ATTR_PRIORITY,
		STUN_ATTR_USE_CANDIDATE,
		STUN_ATTR_PADDING,
		STUN_ATTR_RESPONSE_PORT,
		STUN_ATTR_NODE_KEY,
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i] == type)
			return true;
	}
	return false;
}

size_t stun_unknown_attrs(const struct stun_message *msg, uint16_t *types, size_t max)
{
	size_t at, count = 0;

	for (at = STUN_HEADER_SIZE; at < msg->attrs_end && count < max; at = attr_next(msg, at)) {
		uint16_t type = attr_type(msg, at);

		if (type < 0x8000 && !is_known_required(type))
			types[count++] = type;
	}
	return count;
}

/* ---- integrity ---- */

/*
 * HMAC over the message up to `at`, as if the integrity attribute that begins there were its last
 * (RFC 8489 section 14.5): the length field is adjusted in a copy. False when too long for it.
 */
static bool integrity_at(uint8_t mac[static STUN_INTEGRITY_SIZE], const uint8_t *data, size_t at,
			 const void *key, size_t key_len)
{
	uint8_t copy[STUN_SIGNED_MAX];

	if (at > sizeof(copy))
		return false;
	memcpy(copy, data, at);
	store_be16(copy + 2,
		   (uint16_t)(at + ATTR_HEADER_SIZE + STUN_INTEGRITY_SIZE - STUN_HEADER_SIZE));
	hash_hmac_sha1(mac, key, key_len, copy, at);
	return true;
}

bool stun_check_integrity(const struct stun_message *msg, const void *key, size_t key_len)
{
	uint8_t mac[STUN_INTEGRITY_SIZE];

	if (!msg->integrity_at || !integrity_at(mac, msg->data, msg->integrity_at, key, key_len))
		return false;
	return sodium_memcmp(mac, msg->data + msg->integrity_at + ATTR_HEADER_SIZE, sizeof(mac)) ==
	       0;
}

int stun_long_term_key(uint8_t key[static STUN_LONG_KEY_SIZE], const char *username,
		       const char *realm, const char *password)
{
	char text[2 * STUN_USERNAME_MAX + 512];
	int len = snprintf(text, sizeof(text), "%s:%s:%s", username, realm, password);
	int err = -EINVAL;

	if (len >= 0 && (size_t)len < sizeof(text))
		err = md5_hash(key, text, (size_t)len);
	sodium_memzero(text, sizeof(text));
	return err;
}

/* ---- building ---- */

void stun_begin(struct stun_builder *b, uint8_t *buf, size_t cap, enum stun_class class,
		uint16_t method, const uint8_t transaction[static STUN_TRANSACTION_SIZE])
{
	unsigned int bits = (unsigned int)class, m = method;

	writer_init(&b->w, buf, cap);
	writer_u16(&b->w, (uint16_t)((m & 0xf80) << 2 | (m & 0x70) << 1 | (m & 0xf) |
				     (bits & 2) << 7 | (bits & 1) << 4));
	writer_u16(&b->w, 0);
	writer_u32(&b->w, STUN_COOKIE);
	writer_bytes(&b->w, transaction, STUN_TRANSACTION_SIZE);
}

void stun_begin_response(struct stun_builder *b, uint8_t *buf, size_t cap, enum stun_class class,
			 const struct stun_message *request)
{
	stun_begin(b, buf, cap, class, request->method, request->transaction);
}

/* The header's length follows every attribute, which integrity and fingerprint rely on. */
static void update_length(struct stun_builder *b)
{
	if (b->w.len - STUN_HEADER_SIZE > UINT16_MAX)
		b->w.failed = true;
	if (!b->w.failed)
		store_be16(b->w.start + 2, (uint16_t)(b->w.len - STUN_HEADER_SIZE));
}

void stun_add(struct stun_builder *b, uint16_t type, const void *value, size_t len)
{
	static const uint8_t zero[4];

	if (len > UINT16_MAX)
		b->w.failed = true;
	writer_u16(&b->w, type);
	writer_u16(&b->w, (uint16_t)len);
	writer_bytes(&b->w, value, len);
	writer_bytes(&b->w, zero, padded(len) - len);
	update_length(b);
}

void stun_add_text(struct stun_builder *b, uint16_t type, const char *text)
{
	stun_add(b, type, text, strlen(text));
}

void stun_add_u32(struct stun_builder *b, uint16_t type, uint32_t value)
{
	uint8_t bytes[4];

	store_be32(bytes, value);
	stun_add(b, type, bytes, sizeof(bytes));
}

void stun_add_u64(struct stun_builder *b, uint16_t type, uint64_t value)
{
	uint8_t bytes[8];

	store_be64(bytes, value);
	stun_add(b, type, bytes, sizeof(bytes));
}

void stun_add_endpoint(struct stun_builder *b, uint16_t type, const struct endpoint *ep)
{
	size_t addr_size = addr_len(&ep->addr);
	uint8_t value[20] = { 0 };
	uint16_t port = ep->port;

	if (!addr_size || b->w.failed) {
		b->w.failed = true;
		return;
	}
	value[1] = addr_size == 4 ? FAMILY_V4 : FAMILY_V6;
	memcpy(value + 4, ep->addr.bytes, addr_size);
	if (is_xor_address(type)) {
		mask_address(value + 4, addr_size, b->w.start + 4);
		port ^= (uint16_t)(STUN_COOKIE >> 16);
	}
	store_be16(value + 2, port);
	stun_add(b, type, value, 4 + addr_size);
}

void stun_add_channel(struct stun_builder *b, uint16_t channel)
{
	stun_add_u32(b, STUN_ATTR_CHANNEL_NUMBER, (uint32_t)channel << 16);
}

static const char *error_phrase(unsigned int code)
{
	switch (code) {
	case STUN_ERR_TRY_ALTERNATE:
		return "Try Alternate";
	case STUN_ERR_BAD_REQUEST:
		return "Bad Request";
	case STUN_ERR_UNAUTHENTICATED:
		return "Unauthenticated";
	case STUN_ERR_FORBIDDEN:
		return "Forbidden";
	case STUN_ERR_UNKNOWN_ATTRIBUTE:
		return "Unknown Attribute";
	case STUN_ERR_ALLOCATION_MISMATCH:
		return "Allocation Mismatch";
	case STUN_ERR_STALE_NONCE:
		return "Stale Nonce";
	case STUN_ERR_UNSUPPORTED_FAMILY:
		return "Address Family not Supported";
	case STUN_ERR_WRONG_CREDENTIALS:
		return "Wrong Credentials";
	case STUN_ERR_UNSUPPORTED_TRANSPORT:
		return "Unsupported Transport Protocol";
	case STUN_ERR_ALLOCATION_QUOTA:
		return "Allocation Quota Reached";
	case STUN_ERR_ROLE_CONFLICT:
		return "Role Conflict";
	case STUN_ERR_INSUFFICIENT_CAPACITY:
		return "Insufficient Capacity";
	default:
		return "Server Error";
	}
}

void stun_add_error(struct stun_builder *b, unsigned int code)
{
	const char *phrase = error_phrase(code);
	uint8_t value[4 + 64] = { [2] = (uint8_t)(code / 100), [3] = (uint8_t)(code % 100) };
	size_t len = strlen(phrase);

	memcpy(value + 4, phrase, len);
	stun_add(b, STUN_ATTR_ERROR_CODE, value, 4 + len);
}

void stun_add_unknown_attrs(struct stun_builder *b, const uint16_t *types, size_t count)
{
	uint8_t value[2 * STUN_UNKNOWN_MAX];

	if (count > STUN_UNKNOWN_MAX)
		count = STUN_UNKNOWN_MAX;
	for (size_t i = 0; i < count; i++)
		store_be16(value + 2 * i, types[i]);
	stun_add(b, STUN_ATTR_UNKNOWN_ATTRIBUTES, value, 2 * count);
}

void stun_add_integrity(struct stun_builder *b, const void *key, size_t key_len)
{
	uint8_t mac[STUN_INTEGRITY_SIZE];

	if (b->w.failed || !integrity_at(mac, b->w.start, b->w.len, key, key_len)) {
		b->w.failed = true;
		return;
	}
	stun_add(b, STUN_ATTR_MESSAGE_INTEGRITY, mac, sizeof(mac));
}

void stun_add_fingerprint(struct stun_builder *b)
{
	size_t at = b->w.len;

	stun_add_u32(b, STUN_ATTR_FINGERPRINT, 0);
	if (!b->w.failed)
		store_be32(b->w.start + at + ATTR_HEADER_SIZE,
			   crc32_v42(b->w.start, at) ^ FINGERPRINT_XOR);
}

int stun_end(struct stun_builder *b, size_t *len)
{
	if (b->w.failed)
		return -ENOSPC;
	*len = b->w.len;
	return 0;
}
