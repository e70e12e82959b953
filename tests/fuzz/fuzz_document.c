#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/sign.h"
#include "proto/document.h"

/* Documents: what is read can be written, is read the same again, and holds once it is signed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t seed[32] = { 1 };
	struct document second;
	struct document first;
	uint8_t signature[64];
	uint8_t secret[64];
	struct trust trust;
	uint8_t key[32];
	const uint8_t *set;
	uint8_t *again;
	uint8_t *whole;
	size_t body_len = size;
	size_t set_len;
	size_t len;

	if (document_split(data, size, &body_len, &set, &set_len) < 0)
		body_len = size;
	if (document_parse_body(&first, data, body_len) < 0)
		return 0;
	sign_key_from_seed(key, secret, seed);
	trust_init(&trust, first.network_id, key);
	if (document_encode(&first, &again, &body_len) < 0 ||
	    sign_make(signature, secret, document_domain(first.kind), again, body_len) < 0 ||
	    document_join(again, body_len, signature, sizeof(signature), &whole, &len) < 0 ||
	    document_verify(&second, whole, len, &trust) < 0)
		abort();
	if (first.version != second.version || first.relay_count != second.relay_count ||
	    first.device_count != second.device_count || first.policy_len != second.policy_len)
		abort();
	document_clear(&first);
	document_clear(&second);
	free(again);
	free(whole);
	return 0;
}
