#include "crypto/secret.h"

#include <sodium.h>
#include <string.h>

void *secret_new(size_t len)
{
	void *secret;

	if (sodium_init() < 0)
		return NULL;
	secret = sodium_malloc(len);
	if (secret)
		memset(secret, 0, len);
	return secret;
}

void secret_free(void *secret)
{
	sodium_free(secret);
}
