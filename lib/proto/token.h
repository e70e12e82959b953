#ifndef WARREN_PROTO_TOKEN_H
#define WARREN_PROTO_TOKEN_H

#include <stddef.h>
#include <stdint.h>

/*
 * The join token: one line, `warren1-` and base64url of a version, the coordinator's addresses and
 * X25519 key, the hash of the authority's key, a key id, a secret and a check value. It pins whom a
 * new node trusts before the first packet.
 */

#define TOKEN_VERSION           1
#define TOKEN_ADDRESSES_MAX     8
#define TOKEN_ADDRESS_TEXT_SIZE (TOKEN_HOST_MAX + 10) /* host:port, with brackets and NUL */
#define TOKEN_HOST_MAX          253                   /* bytes of a name, RFC 1035 2.3.4 */
#define TOKEN_KEY_ID_SIZE       8
#define TOKEN_SECRET_SIZE       16
#define TOKEN_TEXT_SIZE         3200 /* the longest token, with NUL */

struct token_address {
	char host[TOKEN_HOST_MAX + 1]; /* a name, or a numeric address without brackets */
	uint16_t port;
};

struct token {
	struct token_address addresses[TOKEN_ADDRESSES_MAX];
	size_t address_count; /* at least 1 */
	uint8_t coordinator_key[32];
	uint8_t authority_hash[32]; /* token_authority_hash of the authority's public key */
	uint8_t key_id[TOKEN_KEY_ID_SIZE];
	uint8_t secret[TOKEN_SECRET_SIZE]; /* the holder wipes the struct with token_clear */
};

/* What authority_hash holds: domain-separated BLAKE2s-256 of an Ed25519 public key. */
void token_authority_hash(uint8_t hash[static 32], const uint8_t authority_key[static 32]);

/* 0, -EINVAL for no or bad addresses, -ENOSPC. */
int token_format(char *out, size_t size, const struct token *token);

/*
 * White space around the token is ignored. 0; -EINVAL: no token at all; -EBADMSG: a token with a
 * typing error or cut short; -EPROTONOSUPPORT: of a newer version than this program knows.
 */
int token_parse(struct token *token, const char *text);

/* One line for people about an error of token_parse: what and what to do. */
const char *token_error_text(int err);

void token_clear(struct token *token);

/*
 * Splits "host", "host:port", "[v6]:port" or a bare v6 address; the port is default_port when there
 * is none. 0 or -EINVAL.
 */
int token_address_parse(struct token_address *address, const char *text, uint16_t default_port);
/* The other way; out is returned. */
const char *token_address_format(char out[static TOKEN_ADDRESS_TEXT_SIZE],
				 const struct token_address *address);

#endif
