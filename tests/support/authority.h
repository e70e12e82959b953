#ifndef WARREN_TESTS_AUTHORITY_H
#define WARREN_TESTS_AUTHORITY_H

#include <stddef.h>
#include <stdint.h>

#include "proto/cert.h"
#include "proto/netmap.h"

/* A network's authority with fixed keys, and certificates of its numbered nodes. */
struct authority {
	uint8_t key[32];
	uint8_t secret[64];
	uint8_t network_id[CERT_NETWORK_ID_SIZE];
};

void authority_init(struct authority *authority, uint8_t seed);
/* The certificate that node number n has: name nodeN, 100.64.0.N, tag:even or tag:odd, trusted. */
void authority_cert(const struct authority *authority, struct cert *cert, unsigned int n);
/* The same, signed. */
void authority_sign(const struct authority *authority, const struct cert *cert,
		    uint8_t out[static CERT_ENCODED_MAX], size_t *len);
struct netmap_trust authority_trust(const struct authority *authority, unsigned int n);
/* A peer with `rules` rules, ready for a map. */
struct netmap_peer *authority_peer(const struct authority *authority, unsigned int n,
				   unsigned int rules);

#endif
