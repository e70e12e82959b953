#ifndef WARREN_PROTO_DOCUMENT_H
#define WARREN_PROTO_DOCUMENT_H

#include <stddef.h>
#include <stdint.h>

#include "proto/netmap.h"
#include "proto/trust.h"

/*
 * What holds for a whole network in strict mode, as signed, versioned documents: who signs (trust,
 * by the authority alone), the policy, the relays, the revocations and the names (by t signers).
 * The encoding is canonical and like the certificate's: fields in strictly ascending order, each a
 * u16 number, here a u32 length, and its bytes; numbers from 0x8000 on are skipped when unknown,
 * unknown ones below are refused. The last field is the set of signatures (proto/trust.h) over a
 * domain label of the kind and everything before it, the body.
 */

enum document_kind {
	DOCUMENT_TRUST = 1,
	DOCUMENT_POLICY = 2,
	DOCUMENT_RELAYS = 3,
	DOCUMENT_REVOCATIONS = 4,
	DOCUMENT_NAMES = 5,
	DOCUMENT_KIND_END,
};
#define DOCUMENT_KINDS       5 /* by kind - 1 where an array holds one of each */
#define DOCUMENT_HASH_SIZE   32
#define DOCUMENT_DEVICES_MAX 4096
#define DOCUMENT_ENCODED_MAX (2u << 20)

struct document {
	enum document_kind kind;
	uint8_t network_id[TRUST_NETWORK_ID_SIZE];
	uint64_t version; /* from 1; an older one than held is refused */
	uint64_t made_s;  /* wall clock, for people */
	/* TRUST */
	uint8_t threshold;
	uint8_t signer_count;
	uint8_t signers[TRUST_SIGNERS_MAX][32]; /* ascending */
	uint8_t map_key[32];
	/* POLICY: the text (proto/policy.h), malloc'd with a NUL after it. */
	char *policy;
	size_t policy_len;
	/* NAMES: the text (proto/names_document.h), malloc'd likewise. */
	char *names;
	size_t names_len;
	/* RELAYS, malloc'd. */
	struct netmap_relay *relays;
	size_t relay_count;
	/* REVOCATIONS, malloc'd: devices that are out for good, and single certificates. Ascending.
	 */
	uint8_t (*devices)[32];
	size_t device_count;
	uint64_t *serials;
	size_t serial_count;

	/* After parsing. */
	uint8_t hash[DOCUMENT_HASH_SIZE]; /* of the body: the same whoever signed */
};

/* "policy", "relays" and so on. */
const char *document_kind_name(enum document_kind kind);
/* The domain label of its signatures. */
const char *document_domain(enum document_kind kind);

/* The body, malloc'd; lists are sorted on the way. 0, -EINVAL, -EMSGSIZE, -ENOMEM. */
int document_encode(const struct document *document, uint8_t **body, size_t *len);
/* Reads a body alone. 0 (document_clear frees), -EBADMSG, -EPROTONOSUPPORT, -ENOMEM. */
int document_parse_body(struct document *document, const uint8_t *body, size_t len);
/* Body and signatures as one, malloc'd. 0, -EINVAL: no set, -ENOMEM. */
int document_join(const uint8_t *body, size_t body_len, const uint8_t *set, size_t set_len,
		  uint8_t **data, size_t *len);
/* Where the body ends and the set is; nothing else is looked at. 0 or -EBADMSG. */
int document_split(const uint8_t *data, size_t len, size_t *body_len, const uint8_t **set,
		   size_t *set_len);
/*
 * Reads a signed document and checks everything but its version: form, network, signatures. 0
 * (document_clear frees), -EBADMSG, -EPROTONOSUPPORT, -EXDEV: another network's, -EPERM: not
 * signed by those who may, -ENOMEM.
 */
int document_verify(struct document *document, const uint8_t *data, size_t len,
		    const struct trust *trust);
/* Frees what it holds. Accepts one of zeros. */
void document_clear(struct document *document);

/* Puts a trust document in force; authority and network stay. */
void document_trust(const struct document *document, struct trust *trust);
/* Does a revocations document name this certificate? */
bool document_revokes(const struct document *document, const struct cert *cert);

#endif
