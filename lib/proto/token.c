#include "proto/token.h"

#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/encoding.h"
#include "crypto/hash.h"

#define PREFIX     "warren1-"
#define CHECK_SIZE 4
#define BINARY_MAX                                                                 \
	(2 + TOKEN_ADDRESSES_MAX * (TOKEN_HOST_MAX + 3) + 64 + TOKEN_KEY_ID_SIZE + \
	 TOKEN_SECRET_SIZE + CHECK_SIZE)

void token_authority_hash(uint8_t hash[static 32], const uint8_t authority_key[static 32])
{
	static const char domain[] = "warren authority 1";

	hash_blake2s(hash, domain, sizeof(domain), authority_key, 32);
}

static void check_value(uint8_t out[static CHECK_SIZE], const uint8_t *data, size_t len)
{
	static const char domain[] = "warren token check 1";
	uint8_t hash[HASH_SIZE];

	hash_blake2s(hash, domain, sizeof(domain), data, len);
	memcpy(out, hash, CHECK_SIZE);
}

static bool host_valid(const char *host)
{
	size_t len = strlen(host);

	if (len == 0 || len > TOKEN_HOST_MAX || host[0] == '-' || host[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)host[i]) && !strchr(".-:", host[i]))
			return false;
	return true;
}

static bool token_valid(const struct token *token)
{
	if (token->address_count == 0 || token->address_count > TOKEN_ADDRESSES_MAX)
		return false;
	for (size_t i = 0; i < token->address_count; i++)
		if (!host_valid(token->addresses[i].host) || token->addresses[i].port == 0)
			return false;
	return true;
}

int token_format(char *out, size_t size, const struct token *token)
{
	uint8_t data[BINARY_MAX];
	uint8_t check[CHECK_SIZE];
	struct writer w;

	if (!token_valid(token))
		return -EINVAL;
	writer_init(&w, data, sizeof(data));
	writer_u8(&w, TOKEN_VERSION);
	writer_u8(&w, (uint8_t)token->address_count);
	for (size_t i = 0; i < token->address_count; i++) {
		const struct token_address *address = &token->addresses[i];

		writer_u8(&w, (uint8_t)strlen(address->host));
		writer_bytes(&w, address->host, strlen(address->host));
		writer_u16(&w, address->port);
	}
	writer_bytes(&w, token->coordinator_key, 32);
	writer_bytes(&w, token->authority_hash, 32);
	writer_bytes(&w, token->key_id, TOKEN_KEY_ID_SIZE);
	writer_bytes(&w, token->secret, TOKEN_SECRET_SIZE);
	check_value(check, data, w.len);
	writer_bytes(&w, check, CHECK_SIZE);
	if (size <
	    strlen(PREFIX) +
		    sodium_base64_ENCODED_LEN(w.len, sodium_base64_VARIANT_URLSAFE_NO_PADDING)) {
		sodium_memzero(data, sizeof(data));
		return -ENOSPC;
	}
	memcpy(out, PREFIX, strlen(PREFIX));
	encoding_base64url(out + strlen(PREFIX), size - strlen(PREFIX), data, w.len);
	sodium_memzero(data, sizeof(data));
	return 0;
}

static int parse_binary(struct token *token, const uint8_t *data, size_t len)
{
	uint8_t check[CHECK_SIZE];
	struct reader r;

	if (len <= CHECK_SIZE)
		return -EBADMSG;
	len -= CHECK_SIZE;
	check_value(check, data, len);
	if (memcmp(check, data + len, CHECK_SIZE) != 0)
		return -EBADMSG;
	reader_init(&r, data, len);
	if (reader_u8(&r) != TOKEN_VERSION)
		return -EPROTONOSUPPORT;
	token->address_count = reader_u8(&r);
	if (token->address_count > TOKEN_ADDRESSES_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < token->address_count; i++) {
		size_t host_len = reader_u8(&r);

		if (host_len > TOKEN_HOST_MAX)
			return -EBADMSG;
		reader_copy(&r, token->addresses[i].host, host_len);
		token->addresses[i].port = reader_u16(&r);
	}
	reader_copy(&r, token->coordinator_key, 32);
	reader_copy(&r, token->authority_hash, 32);
	reader_copy(&r, token->key_id, TOKEN_KEY_ID_SIZE);
	reader_copy(&r, token->secret, TOKEN_SECRET_SIZE);
	return reader_done(&r) && token_valid(token) ? 0 : -EBADMSG;
}

/* Copies text without the white space around it; the length, or 0 when it is not of our form. */
static size_t trim(char *out, size_t size, const char *text)
{
	size_t len;

	while (isspace((unsigned char)*text))
		text++;
	len = strlen(text);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	if (len >= size)
		return 0;
	memcpy(out, text, len);
	out[len] = '\0';
	return len;
}

/* "warren" digits "-": a token, of whichever version. */
static bool looks_like_token(const char *text)
{
	size_t digits;

	if (strncmp(text, "warren", 6) != 0)
		return false;
	digits = strspn(text + 6, "0123456789");
	return digits > 0 && digits < 5 && text[6 + digits] == '-';
}

int token_parse(struct token *token, const char *text)
{
	char trimmed[TOKEN_TEXT_SIZE];
	uint8_t data[BINARY_MAX];
	struct token parsed = { .address_count = 0 };
	size_t len;
	int err = -EINVAL;

	if (trim(trimmed, sizeof(trimmed), text) == 0 || !looks_like_token(trimmed))
		goto out;
	err = -EPROTONOSUPPORT;
	if (strncmp(trimmed, PREFIX, strlen(PREFIX)) != 0)
		goto out;
	err = -EBADMSG;
	if (encoding_base64url_parse(data, sizeof(data), &len, trimmed + strlen(PREFIX)) < 0)
		goto out;
	err = parse_binary(&parsed, data, len);
	if (err == 0)
		*token = parsed;
out:
	sodium_memzero(trimmed, sizeof(trimmed));
	sodium_memzero(data, sizeof(data));
	token_clear(&parsed);
	return err;
}

const char *token_error_text(int err)
{
	switch (err) {
	case -EBADMSG:
		return "the token is mistyped or cut short: copy the whole line again";
	case -EPROTONOSUPPORT:
		return "the token is of a newer version: update warren on this machine";
	default:
		return "this is not a join token: a token is one line that begins with warren1-";
	}
}

void token_clear(struct token *token)
{
	sodium_memzero(token, sizeof(*token));
}

static int parse_port(uint16_t *port, const char *text)
{
	char *end;
	unsigned long value;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	value = strtoul(text, &end, 10);
	if (*end != '\0' || value == 0 || value > UINT16_MAX)
		return -EINVAL;
	*port = (uint16_t)value;
	return 0;
}

int token_address_parse(struct token_address *address, const char *text, uint16_t default_port)
{
	struct token_address parsed = { .port = default_port };
	const char *host = text;
	const char *end = text + strlen(text);
	const char *port = NULL;
	struct ip_addr bare;

	if (text[0] == '[') {
		host = text + 1;
		end = strchr(text, ']');
		if (!end || (end[1] != '\0' && end[1] != ':'))
			return -EINVAL;
		port = end[1] == ':' ? end + 2 : NULL;
	} else if (addr_parse(&bare, text) < 0 && strchr(text, ':')) {
		end = strchr(text, ':');
		port = end + 1;
	}
	if ((size_t)(end - host) > TOKEN_HOST_MAX)
		return -EINVAL;
	memcpy(parsed.host, host, (size_t)(end - host));
	if ((text[0] == '[' || strchr(parsed.host, ':')) && addr_parse(&bare, parsed.host) < 0)
		return -EINVAL;
	if (!host_valid(parsed.host) || (port && parse_port(&parsed.port, port) < 0))
		return -EINVAL;
	*address = parsed;
	return 0;
}

const char *token_address_format(char out[static TOKEN_ADDRESS_TEXT_SIZE],
				 const struct token_address *address)
{
	bool v6 = strchr(address->host, ':');

	snprintf(out, TOKEN_ADDRESS_TEXT_SIZE, "%s%s%s:%u", v6 ? "[" : "", address->host,
		 v6 ? "]" : "", address->port);
	return out;
}
