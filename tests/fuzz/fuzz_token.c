#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/token.h"

/* Token texts as a user pastes them; one that is accepted must be written back the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	char again[TOKEN_TEXT_SIZE];
	struct token_address address;
	struct token second;
	struct token token;

	memcpy(text, data, size);
	text[size] = '\0';
	if (token_parse(&token, text) == 0 &&
	    (token_format(again, sizeof(again), &token) < 0 || token_parse(&second, again) < 0 ||
	     memcmp(&token, &second, sizeof(token)) != 0))
		abort();
	(void)token_address_parse(&address, text, 443);
	free(text);
	return 0;
}
