#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/sign.h"
#include "proto/netmap.h"

#define DOMAIN "warren netmap 2"

/*
 * The input is signed first, so that the parser behind the signature is what gets tested. The same
 * bytes are then tried as a delta on an empty map.
 */
static struct netmap_trust trust;
static uint8_t secret[64];

static void init(void)
{
	static const uint8_t seed[32] = { 1 };

	sign_key_from_seed(trust.trust.authority_key, secret, seed);
	memset(trust.trust.network_id, 'n', sizeof(trust.trust.network_id));
	memset(trust.node_key, 'k', sizeof(trust.node_key));
}

static void try_map(const uint8_t *data, size_t size)
{
	uint8_t *bytes = malloc(size + CERT_SIGNATURE_SIZE);
	uint8_t hash[HASH_SIZE];
	struct netmap *map;
	uint8_t *again;
	size_t len;

	memcpy(bytes, data, size);
	hash_blake2b(hash, data, size);
	if (sign_make(bytes + size, secret, DOMAIN, hash, sizeof(hash)) < 0)
		abort();
	if (netmap_parse(&map, bytes, size + CERT_SIGNATURE_SIZE, &trust) == 0) {
		/* One encoding only. */
		if (netmap_encode(map, &again, &len) < 0 || len != size + CERT_SIGNATURE_SIZE ||
		    memcmp(again, bytes, len) != 0)
			abort();
		free(again);
		netmap_free(map);
	}
	free(bytes);
}

static void try_delta(const uint8_t *data, size_t size)
{
	struct netmap *old = netmap_new();
	struct netmap *map;

	memcpy(old->network_id, trust.trust.network_id, sizeof(old->network_id));
	memcpy(old->node_key, trust.node_key, sizeof(old->node_key));
	old->version = 1;
	if (netmap_apply(&map, old, data, size, &trust) == 0)
		netmap_free(map);
	netmap_free(old);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!secret[0])
		init();
	try_map(data, size);
	try_delta(data, size);
	return 0;
}
