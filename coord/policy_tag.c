#include "coord/policy_tag.h"

#include <stdlib.h>

#include "coord/network.h"
#include "crypto/hash.h"

int policy_tag(struct store *store, char tag[static POLICY_TAG_SIZE])
{
	uint8_t hash[HASH_SIZE];
	uint8_t *text;
	size_t len;
	int err = store_get(store, NETWORK_VALUE_POLICY, &text, &len);

	if (err < 0)
		return err;
	hash_blake2s(hash, text, len, NULL, 0);
	free(text);
	encoding_hex(tag, POLICY_TAG_SIZE, hash, 16);
	return 0;
}
