#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/sign.h"
#include "proto/cert.h"

/* Certificates: what is read can be written, and is read the same again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t seed[32] = { 1 };
	uint8_t again[CERT_ENCODED_MAX];
	uint8_t secret[64];
	struct trust trust;
	uint8_t key[32];
	struct cert second;
	struct cert cert;
	size_t len;

	if (cert_parse(&cert, data, size) < 0)
		return 0;
	sign_key_from_seed(key, secret, seed);
	trust_init(&trust, cert.network_id, key);
	if (cert_sign(again, &len, &cert, secret) < 0 ||
	    cert_verify(&second, again, len, &trust) < 0 ||
	    memcmp(&cert, &second, sizeof(cert)) != 0)
		abort();
	return 0;
}
