#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/turn_credential.h"

/* A user name as a stranger sends it, and a secret's file. What is accepted is made again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t secret[TURN_SECRET_MIN];
	char username[TURN_USERNAME_SIZE];
	char password[TURN_PASSWORD_SIZE];
	uint8_t node_key[STUN_KEY_SIZE];
	uint8_t again_key[STUN_KEY_SIZE];
	const uint8_t *trimmed;
	uint64_t expiry_s;
	uint64_t again_s;
	size_t len;
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = 0;
	if (turn_credential_parse(text, &expiry_s, node_key) == 0) {
		turn_credential_make(username, password, secret, sizeof(secret), node_key,
				     expiry_s);
		if (turn_credential_parse(username, &again_s, again_key) < 0 ||
		    again_s != expiry_s || memcmp(again_key, node_key, sizeof(node_key)) != 0 ||
		    !turn_credential_check(username, password, secret, sizeof(secret)))
			abort();
	}
	free(text);
	if (turn_secret_trim(&trimmed, &len, data, size, TURN_SECRET_MIN) == 0 &&
	    (trimmed < data || trimmed + len > data + size))
		abort();
	return 0;
}
