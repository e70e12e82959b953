#ifndef WARREN_BASE_ENCODING_H
#define WARREN_BASE_ENCODING_H

#include <stddef.h>
#include <stdint.h>

/* Faces over libsodium's constant-time codecs. All decoders refuse trailing garbage. */

#define BASE64_KEY_SIZE  45 /* 32 bytes as padded base64, with NUL */
#define BASE64_SIZE(len) (((len) + 2) / 3 * 4 + 1)
#define HEX_SIZE(len)    ((len)*2 + 1)

/* 32 bytes as standard padded base64, the way wg(8) prints keys. */
void encoding_base64_key(char out[static BASE64_KEY_SIZE], const uint8_t key[static 32]);
/* 0 or -EINVAL unless text is exactly one such key. */
int encoding_base64_key_parse(uint8_t key[static 32], const char *text);

/* Standard padded base64; out holds at least BASE64_SIZE(len). */
void encoding_base64(char *out, size_t out_size, const uint8_t *in, size_t len);
/* Sets *len; 0, -EINVAL on malformed text, -ENOSPC when it does not fit max. */
int encoding_base64_parse(uint8_t *out, size_t max, size_t *len, const char *text);

/* URL-safe, unpadded; same contract as above. */
void encoding_base64url(char *out, size_t out_size, const uint8_t *in, size_t len);
int encoding_base64url_parse(uint8_t *out, size_t max, size_t *len, const char *text);

/* Lower-case hexadecimal; parse wants exactly len bytes. */
void encoding_hex(char *out, size_t out_size, const uint8_t *in, size_t len);
int encoding_hex_parse(uint8_t *out, size_t len, const char *text);

#endif
