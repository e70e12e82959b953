#ifndef WARREN_PROTO_TRUST_H
#define WARREN_PROTO_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Whom a node believes. In simple mode that is the network's authority alone, whose key the
 * coordinator holds. In strict mode the authority's key is with the admins; a trust document that
 * it signed names n signers, of whom t together say what it would say itself, and the key that the
 * coordinator signs each node's list of peers with. What the authority itself signs always counts:
 * it could name other signers at any time.
 *
 * A statement carries its signatures as a set: either 64 bytes, the authority's signature, or 1 to
 * TRUST_SIGNATURES_MAX entries of a public key and a signature, ascending by key, so that nobody
 * signs twice.
 */

#define TRUST_NETWORK_ID_SIZE 16
#define TRUST_SIGNERS_MAX     8
#define TRUST_SIGNATURES_MAX  8
#define TRUST_ENTRY_SIZE      (32 + 64)
#define TRUST_SET_MAX         (TRUST_SIGNATURES_MAX * TRUST_ENTRY_SIZE)

struct trust {
	uint8_t network_id[TRUST_NETWORK_ID_SIZE];
	uint8_t authority_key[32]; /* Ed25519 */
	uint64_t version;          /* of the trust document; 0: simple mode, the rest is unused */
	uint8_t threshold;         /* 1 to signer_count; 0 when there are none */
	uint8_t signer_count;      /* 0: the authority signs everything */
	uint8_t signers[TRUST_SIGNERS_MAX][32]; /* ascending */
	uint8_t map_key[32];                    /* signs maps, and nothing else */
};

/* Simple mode. */
void trust_init(struct trust *trust, const uint8_t network_id[static TRUST_NETWORK_ID_SIZE],
		const uint8_t authority_key[static 32]);
static inline bool trust_is_strict(const struct trust *trust)
{
	return trust->version > 0;
}

/* May this key sign here (the authority, or a signer)? */
bool trust_is_signer(const struct trust *trust, const uint8_t key[static 32]);

/* Is this a set in form: 64 bytes, or entries in ascending order? Nothing is said of signatures. */
bool trust_set_valid(const uint8_t *set, size_t len);
/*
 * Do the signatures suffice for the message under this domain? Every one of them must be of a
 * signer and hold. 0 or -EPERM.
 */
int trust_check(const struct trust *trust, const char *domain, const void *message, size_t len,
		const uint8_t *set, size_t set_len);
/* The same for what the authority alone may say: the trust document. */
int trust_check_authority(const uint8_t authority_key[static 32], const char *domain,
			  const void *message, size_t len, const uint8_t *set, size_t set_len);
/* A map's one signature: the authority's, in strict mode also the map key's. */
bool trust_check_map(const struct trust *trust, const char *domain, const void *message, size_t len,
		     const uint8_t signature[static 64]);

/*
 * Adds a signature to a set of entries (*set_len 0: a new one), in its place; one of the same key
 * is replaced. 0 or -ENOSPC.
 */
int trust_set_add(uint8_t set[static TRUST_SET_MAX], size_t *set_len, const uint8_t key[static 32],
		  const uint8_t signature[static 64]);
/* Drops entries that are no signers' or do not hold. Returns how many signers' are left. */
size_t trust_set_trim(const struct trust *trust, const char *domain, const void *message,
		      size_t len, uint8_t set[static TRUST_SET_MAX], size_t *set_len);

#endif
