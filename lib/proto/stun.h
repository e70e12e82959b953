#ifndef WARREN_PROTO_STUN_H
#define WARREN_PROTO_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"

/*
 * The codec of STUN messages (RFC 8489) with the attributes of ICE (RFC 8445), of NAT behaviour
 * discovery (RFC 5780) and of TURN (RFC 8656) that Warren speaks. Nothing here allocates: a parsed
 * message points into the caller's bytes, a built one is written into the caller's buffer.
 */

#define STUN_HEADER_SIZE      20
#define STUN_TRANSACTION_SIZE 12
#define STUN_COOKIE           0x2112a442u /* RFC 8489 section 5 */
#define STUN_INTEGRITY_SIZE   20
#define STUN_LONG_KEY_SIZE    16
#define STUN_KEY_SIZE         32   /* a node key */
#define STUN_USERNAME_MAX     508  /* RFC 8489 section 14.3: less than 509 bytes */
#define STUN_SIGNED_MAX       2048 /* longest message whose integrity is made or checked */
#define STUN_UNKNOWN_MAX      16   /* unknown attribute types reported in one 420 */

enum stun_class {
	STUN_REQUEST = 0,
	STUN_INDICATION = 1,
	STUN_SUCCESS = 2,
	STUN_ERROR = 3,
};

enum stun_method {
	STUN_BINDING = 0x001,           /* RFC 8489 section 18.2 */
	STUN_ALLOCATE = 0x003,          /* RFC 8656 section 17 */
	STUN_REFRESH = 0x004,           /* RFC 8656 section 17 */
	STUN_SEND = 0x006,              /* RFC 8656 section 17 */
	STUN_DATA = 0x007,              /* RFC 8656 section 17 */
	STUN_CREATE_PERMISSION = 0x008, /* RFC 8656 section 17 */
	STUN_CHANNEL_BIND = 0x009,      /* RFC 8656 section 17 */
	STUN_PROBE = 0x0d7,             /* ours, in the expert-review range: relay_frame.h */
};

/* Below 0x8000 a receiver must understand the attribute or refuse a request that has it. */
enum stun_attr_type {
	STUN_ATTR_MAPPED_ADDRESS = 0x0001,
	STUN_ATTR_CHANGE_REQUEST = 0x0003, /* RFC 5780 section 7.2 */
	STUN_ATTR_USERNAME = 0x0006,
	STUN_ATTR_MESSAGE_INTEGRITY = 0x0008,
	STUN_ATTR_ERROR_CODE = 0x0009,
	STUN_ATTR_UNKNOWN_ATTRIBUTES = 0x000a,
	STUN_ATTR_CHANNEL_NUMBER = 0x000c,   /* RFC 8656 section 18.1 */
	STUN_ATTR_LIFETIME = 0x000d,         /* RFC 8656 section 18.2 */
	STUN_ATTR_XOR_PEER_ADDRESS = 0x0012, /* RFC 8656 section 18.3 */
	STUN_ATTR_DATA = 0x0013,             /* RFC 8656 section 18.4 */
	STUN_ATTR_REALM = 0x0014,
	STUN_ATTR_NONCE = 0x0015,
	STUN_ATTR_XOR_RELAYED_ADDRESS = 0x0016,      /* RFC 8656 section 18.5 */
	STUN_ATTR_REQUESTED_ADDRESS_FAMILY = 0x0017, /* RFC 8656 section 18.6 */
	STUN_ATTR_REQUESTED_TRANSPORT = 0x0019,      /* RFC 8656 section 18.8 */
	STUN_ATTR_MESSAGE_INTEGRITY_SHA256 = 0x001c,
	STUN_ATTR_PASSWORD_ALGORITHM = 0x001d,
	STUN_ATTR_USERHASH = 0x001e,
	STUN_ATTR_XOR_MAPPED_ADDRESS = 0x0020,
	STUN_ATTR_PRIORITY = 0x0024,      /* RFC 8445 section 16.1 */
	STUN_ATTR_USE_CANDIDATE = 0x0025, /* RFC 8445 section 16.1 */
	STUN_ATTR_PADDING = 0x0026,       /* RFC 5780 section 7.6 */
	STUN_ATTR_RESPONSE_PORT = 0x0027, /* RFC 5780 section 7.5 */
	STUN_ATTR_NODE_KEY = 0x574b,      /* ours: 32 bytes, in the expert-review range, required */
	STUN_ATTR_SOFTWARE = 0x8022,
	STUN_ATTR_ALTERNATE_SERVER = 0x8023,
	STUN_ATTR_FINGERPRINT = 0x8028,
	STUN_ATTR_ICE_CONTROLLED = 0x8029,  /* RFC 8445 section 16.1 */
	STUN_ATTR_ICE_CONTROLLING = 0x802a, /* RFC 8445 section 16.1 */
	STUN_ATTR_RESPONSE_ORIGIN = 0x802b, /* RFC 5780 section 7.3 */
	STUN_ATTR_OTHER_ADDRESS = 0x802c,   /* RFC 5780 section 7.4 */
	STUN_ATTR_SECOND_PORT = 0xd74b,     /* ours, in the expert-review range: 32 bits */
	STUN_ATTR_PASS = 0xd74c,            /* ours: a nonce for one request from another address */
	STUN_ATTR_INSTANCE = 0xd74d,        /* ours: 32 bits, one run of a client */
};

enum stun_error_code {
	STUN_ERR_TRY_ALTERNATE = 300,
	STUN_ERR_BAD_REQUEST = 400,
	STUN_ERR_UNAUTHENTICATED = 401,
	STUN_ERR_FORBIDDEN = 403, /* RFC 8656 section 19 */
	STUN_ERR_UNKNOWN_ATTRIBUTE = 420,
	STUN_ERR_ALLOCATION_MISMATCH = 437, /* RFC 8656 section 19 */
	STUN_ERR_STALE_NONCE = 438,
	STUN_ERR_UNSUPPORTED_FAMILY = 440,    /* RFC 8656 section 19 */
	STUN_ERR_WRONG_CREDENTIALS = 441,     /* RFC 8656 section 19 */
	STUN_ERR_UNSUPPORTED_TRANSPORT = 442, /* RFC 8656 section 19 */
	STUN_ERR_ALLOCATION_QUOTA = 486,      /* RFC 8656 section 19 */
	STUN_ERR_ROLE_CONFLICT = 487,         /* RFC 8445 section 16.2 */
	STUN_ERR_SERVER_ERROR = 500,
	STUN_ERR_INSUFFICIENT_CAPACITY = 508, /* RFC 8656 section 19 */
};

/* CHANGE-REQUEST flags (RFC 5780 section 7.2). */
#define STUN_CHANGE_IP   0x4u
#define STUN_CHANGE_PORT 0x2u

/* ---- reading ---- */

/* A view of a well-formed message; valid as long as the bytes it was parsed from. */
struct stun_message {
	const uint8_t *data;
	size_t len;
	enum stun_class class;
	uint16_t method;
	const uint8_t *transaction; /* STUN_TRANSACTION_SIZE bytes */
	size_t attrs_end;     /* attributes count up to here: past it integrity would not hold */
	size_t integrity_at;  /* offset of MESSAGE-INTEGRITY, 0 when absent */
	bool has_fingerprint; /* present, and right */
};

/*
 * Checks the whole structure: leading bits, cookie, length, every attribute's bounds, FINGERPRINT
 * last and right when present. Trailing bytes are an error: a datagram is one message. 0 or
 * -EBADMSG.
 */
int stun_parse(struct stun_message *msg, const uint8_t *data, size_t len);

/*
 * The value of the first attribute of that type, or NULL; *len gets its length without padding.
 * Attributes after MESSAGE-INTEGRITY are not seen (RFC 8489 section 14.5).
 */
const uint8_t *stun_find(const struct stun_message *msg, uint16_t type, size_t *len);
bool stun_has(const struct stun_message *msg, uint16_t type);
/* 0, -ENOENT when absent, -EBADMSG when its length or content is not what the type demands. */
int stun_get_u32(const struct stun_message *msg, uint16_t type, uint32_t *value);
int stun_get_u64(const struct stun_message *msg, uint16_t type, uint64_t *value);
/* Any address attribute; those of the XOR kind are unmasked. */
int stun_get_endpoint(const struct stun_message *msg, uint16_t type, struct endpoint *ep);
/* XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS of an old server. */
int stun_get_mapped(const struct stun_message *msg, struct endpoint *ep);
/* ERROR-CODE as 300 to 699. */
int stun_get_error(const struct stun_message *msg, unsigned int *code);
/* NODE-KEY; *key points into the message. */
int stun_get_node_key(const struct stun_message *msg, const uint8_t **key);
/* CHANNEL-NUMBER. */
int stun_get_channel(const struct stun_message *msg, uint16_t *channel);
/* USERNAME, REALM, NONCE, SOFTWARE as a C string; -ENOSPC when size is short, -EBADMSG with a NUL.
 */
int stun_get_text(const struct stun_message *msg, uint16_t type, char *out, size_t size);

/*
 * Comprehension-required attributes that this codec does not know, up to max of them in types.
 * Returns how many were stored. A request with any is answered with 420.
 */
size_t stun_unknown_attrs(const struct stun_message *msg, uint16_t *types, size_t max);

/* True when MESSAGE-INTEGRITY is there and right. key: the password, or stun_long_term_key. */
bool stun_check_integrity(const struct stun_message *msg, const void *key, size_t key_len);

/* MD5(username ":" realm ":" password), RFC 8489 section 9.2.2. 0 or -EINVAL when too long. */
int stun_long_term_key(uint8_t key[static STUN_LONG_KEY_SIZE], const char *username,
		       const char *realm, const char *password);

/* ---- building ---- */

/* A message under construction. Sticky: what does not fit makes stun_end fail. */
struct stun_builder {
	struct writer w;
};

/* buf is the caller's and lives until the message was used. */
void stun_begin(struct stun_builder *b, uint8_t *buf, size_t cap, enum stun_class class,
		uint16_t method, const uint8_t transaction[static STUN_TRANSACTION_SIZE]);
/* The answer to a request: its method and transaction. */
void stun_begin_response(struct stun_builder *b, uint8_t *buf, size_t cap, enum stun_class class,
			 const struct stun_message *request);
/* len 0 for a flag such as USE-CANDIDATE. Padding is zero. */
void stun_add(struct stun_builder *b, uint16_t type, const void *value, size_t len);
void stun_add_text(struct stun_builder *b, uint16_t type, const char *text);
void stun_add_u32(struct stun_builder *b, uint16_t type, uint32_t value);
void stun_add_u64(struct stun_builder *b, uint16_t type, uint64_t value);
void stun_add_endpoint(struct stun_builder *b, uint16_t type, const struct endpoint *ep);
void stun_add_channel(struct stun_builder *b, uint16_t channel);
/* ERROR-CODE with the usual phrase of the code. */
void stun_add_error(struct stun_builder *b, unsigned int code);
void stun_add_unknown_attrs(struct stun_builder *b, const uint16_t *types, size_t count);
/* MESSAGE-INTEGRITY over what is there so far; only FINGERPRINT may follow. */
void stun_add_integrity(struct stun_builder *b, const void *key, size_t key_len);
/* Always the last. */
void stun_add_fingerprint(struct stun_builder *b);
/* 0 and the message's length, or -ENOSPC. */
int stun_end(struct stun_builder *b, size_t *len);

#endif
