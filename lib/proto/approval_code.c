#include "proto/approval_code.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "crypto/hash.h"

#define LETTERS 8
#define HALF    4

/* Thirty-two that are not taken for one another, read out or written down. */
static const char alphabet[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

void approval_code(char out[static APPROVAL_CODE_SIZE], const uint8_t device_key[static 32],
		   const uint8_t box_key[static 32])
{
	static const char domain[] = "warren approval code 1";
	uint8_t keys[64];
	uint8_t hash[HASH_SIZE];
	uint64_t bits = 0;
	int i;

	memcpy(keys, device_key, 32);
	memcpy(keys + 32, box_key, 32);
	hash_blake2s(hash, domain, sizeof(domain), keys, sizeof(keys));
	for (i = 0; i < 5; i++)
		bits = bits << 8 | hash[i];
	for (i = LETTERS; i > 0; i--) {
		out[i > HALF ? i : i - 1] = alphabet[bits & 31];
		bits >>= 5;
	}
	out[HALF] = '-';
	out[LETTERS + 1] = '\0';
}

int approval_code_parse(char out[static APPROVAL_CODE_SIZE], const char *text)
{
	char code[APPROVAL_CODE_SIZE] = "";
	size_t len = 0;

	for (; *text; text++) {
		char c = (char)toupper((unsigned char)*text);

		if (c == '-' && len == HALF && code[HALF] == '\0') {
			code[len++] = '-';
			continue;
		}
		if (len == HALF)
			code[len++] = '-';
		if (len == LETTERS + 1 || !strchr(alphabet, c))
			return -EINVAL;
		code[len++] = c;
	}
	if (len != LETTERS + 1)
		return -EINVAL;
	memcpy(out, code, sizeof(code));
	return 0;
}
