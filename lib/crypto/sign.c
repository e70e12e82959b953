#include "crypto/sign.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/rng.h"

void sign_key_new(uint8_t pub[static SIGN_PUBLIC_SIZE], uint8_t secret[static SIGN_SECRET_SIZE],
		  const struct rng *rng)
{
	uint8_t seed[SIGN_SEED_SIZE];

	rng_fill(rng, seed, sizeof(seed));
	sign_key_from_seed(pub, secret, seed);
	sodium_memzero(seed, sizeof(seed));
}

void sign_key_from_seed(uint8_t pub[static SIGN_PUBLIC_SIZE],
			uint8_t secret[static SIGN_SECRET_SIZE],
			const uint8_t seed[static SIGN_SEED_SIZE])
{
	crypto_sign_seed_keypair(pub, secret, seed);
}

/* domain, NUL, message: the domain holds no NUL, so no two pairs give the same bytes. */
static uint8_t *domain_join(const char *domain, const void *msg, size_t len, size_t *total)
{
	size_t domain_len = strlen(domain) + 1;
	uint8_t *joined = malloc(domain_len + len);

	if (!joined)
		return NULL;
	memcpy(joined, domain, domain_len);
	if (len)
		memcpy(joined + domain_len, msg, len);
	*total = domain_len + len;
	return joined;
}

int sign_make(uint8_t sig[static SIGN_SIZE], const uint8_t secret[static SIGN_SECRET_SIZE],
	      const char *domain, const void *msg, size_t len)
{
	size_t total;
	uint8_t *joined = domain_join(domain, msg, len, &total);

	if (!joined)
		return -ENOMEM;
	crypto_sign_detached(sig, NULL, joined, total, secret);
	free(joined);
	return 0;
}

bool sign_verify(const uint8_t sig[static SIGN_SIZE], const uint8_t pub[static SIGN_PUBLIC_SIZE],
		 const char *domain, const void *msg, size_t len)
{
	size_t total;
	uint8_t *joined = domain_join(domain, msg, len, &total);
	bool ok;

	if (!joined)
		return false;
	ok = !crypto_sign_verify_detached(sig, joined, total, pub);
	free(joined);
	return ok;
}
