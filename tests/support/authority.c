#include "tests/support/authority.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "crypto/sign.h"

void authority_init(struct authority *authority, uint8_t seed)
{
	uint8_t bytes[32];

	memset(bytes, seed, sizeof(bytes));
	sign_key_from_seed(authority->key, authority->secret, bytes);
	memset(authority->network_id, seed ^ 0xff, sizeof(authority->network_id));
}

static void make_key(uint8_t key[static 32], char kind, unsigned int n)
{
	memset(key, kind, 32);
	store_be32(key, n);
}

void authority_cert(const struct authority *authority, struct cert *cert, unsigned int n)
{
	*cert = (struct cert){ .serial = 1000 + n,
			       .not_before_s = 1000,
			       .not_after_s = 2000,
			       .tag_count = 1,
			       .group_count = 1 };
	memcpy(cert->network_id, authority->network_id, sizeof(cert->network_id));
	snprintf(cert->name, sizeof(cert->name), "node%u", n);
	make_key(cert->device_key, 'd', n);
	make_key(cert->box_key, 'b', n);
	make_key(cert->wireguard_key, 'w', n);
	cert->address4 = addr_from_v4(0x64400000 + n);
	snprintf(cert->tags[0], sizeof(cert->tags[0]), "%s", n % 2 ? "odd" : "even");
	snprintf(cert->groups[0], sizeof(cert->groups[0]), "trusted");
}

void authority_sign(const struct authority *authority, const struct cert *cert,
		    uint8_t out[static CERT_ENCODED_MAX], size_t *len)
{
	if (cert_sign(out, len, cert, authority->secret) < 0)
		abort();
}

struct netmap_trust authority_trust(const struct authority *authority, unsigned int n)
{
	struct netmap_trust trust = { .refusal = NULL };
	struct cert cert;

	authority_cert(authority, &cert, n);
	trust_init(&trust.trust, authority->network_id, authority->key);
	memcpy(trust.node_key, cert.device_key, sizeof(trust.node_key));
	return trust;
}

struct netmap_peer *authority_peer(const struct authority *authority, unsigned int n,
				   unsigned int rules)
{
	struct filter_rule list[8] = { { .proto = 0 } };
	uint8_t data[CERT_ENCODED_MAX];
	struct netmap_peer *peer;
	struct cert cert;
	size_t len;

	authority_cert(authority, &cert, n);
	authority_sign(authority, &cert, data, &len);
	for (unsigned int i = 0; i < rules && i < 8; i++)
		list[i] = (struct filter_rule){ .dst = prefix_from_addr(&cert.address4, 32),
						.proto = 6,
						.port_low = (uint16_t)(i + 1),
						.port_high = (uint16_t)(i + 80),
						.deny = i % 2 };
	if (netmap_peer_new(&peer, data, len, list, rules < 8 ? rules : 8, n % 2) < 0)
		abort();
	return peer;
}
