#include "base/encoding.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

void encoding_base64_key(char out[static BASE64_KEY_SIZE], const uint8_t key[static 32])
{
	encoding_base64(out, BASE64_KEY_SIZE, key, 32);
}

int encoding_base64_key_parse(uint8_t key[static 32], const char *text)
{
	uint8_t buf[32];
	size_t len;

	if (strlen(text) != BASE64_KEY_SIZE - 1 ||
	    encoding_base64_parse(buf, sizeof(buf), &len, text) < 0 || len != sizeof(buf))
		return -EINVAL;
	memcpy(key, buf, sizeof(buf));
	sodium_memzero(buf, sizeof(buf));
	return 0;
}

static int parse_variant(uint8_t *out, size_t max, size_t *len, const char *text, int variant)
{
	const char *end;
	size_t text_len = strlen(text);

	if (text_len / 4 * 3 > max + 3)
		return -ENOSPC;
	errno = 0;
	if (sodium_base642bin(out, max, text, text_len, NULL, len, &end, variant) != 0)
		return errno == ERANGE ? -ENOSPC : -EINVAL;
	return end == text + text_len ? 0 : -EINVAL;
}

void encoding_base64(char *out, size_t out_size, const uint8_t *in, size_t len)
{
	sodium_bin2base64(out, out_size, in, len, sodium_base64_VARIANT_ORIGINAL);
}

int encoding_base64_parse(uint8_t *out, size_t max, size_t *len, const char *text)
{
	return parse_variant(out, max, len, text, sodium_base64_VARIANT_ORIGINAL);
}

void encoding_base64url(char *out, size_t out_size, const uint8_t *in, size_t len)
{
	sodium_bin2base64(out, out_size, in, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

int encoding_base64url_parse(uint8_t *out, size_t max, size_t *len, const char *text)
{
	return parse_variant(out, max, len, text, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

void encoding_hex(char *out, size_t out_size, const uint8_t *in, size_t len)
{
	sodium_bin2hex(out, out_size, in, len);
}

int encoding_hex_parse(uint8_t *out, size_t len, const char *text)
{
	size_t got;
	const char *end;

	if (strlen(text) != 2 * len ||
	    sodium_hex2bin(out, len, text, 2 * len, NULL, &got, &end) != 0 || got != len)
		return -EINVAL;
	return 0;
}
