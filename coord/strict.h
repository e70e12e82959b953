#ifndef WARREN_COORD_STRICT_H
#define WARREN_COORD_STRICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/document.h"
#include "proto/signing.h"

struct labels;
struct network;
struct node;
struct sessions;
struct store;
struct store_request;

/*
 * Strict mode: the authority's key is not here. Certificates and the network's documents are asked
 * for as requests, which admins sign elsewhere, and come into force when t of them have. A network
 * that has entered strict mode does not leave it: nodes would not follow.
 */

#define STRICT_LIFE_S     (180ull * 86400) /* of certificates, unless export says otherwise */
#define STRICT_LIFE_MIN_S 10
#define STRICT_LOOK_S     3600 /* how often what is due for renewal is looked at */

struct strict {
	bool on;
	struct trust trust;
	uint8_t map_secret[64]; /* Ed25519: signs nodes' lists of peers */
	uint64_t life_s;
	struct strict_document {
		uint64_t version; /* 0: none in force */
		uint8_t *data;
		size_t len;
	} documents[DOCUMENT_KIND_END];
	bool documents_dirty; /* connected nodes have to be sent some */
	uint64_t looked_s;
};

/* Values in the store. */
#define STRICT_VALUE_AUTHORITY "authority_public"
#define STRICT_VALUE_MAP_KEY   "map_key"
#define STRICT_VALUE_LIFE      "certificate_life"
#define STRICT_VALUE_VERSION   "document_version_" /* with the kind's name: the highest asked for */

/* After the network's values: 0, also in simple mode; -EUCLEAN. */
int strict_load(struct network *network);
void strict_clear(struct strict *strict);

/* How strict mode begins. */
struct strict_export {
	const char *path; /* where the authority's key goes: absolute, and not there yet */
	uint8_t signers[TRUST_SIGNERS_MAX][32];
	uint8_t signer_count;
	uint8_t threshold;
	uint64_t life_s;
};
/*
 * Signs what there is one last time, moves the key to the file and forgets it. 0; -EALREADY: it is
 * strict; -EEXIST: the file is there; -EINVAL: bad signers or threshold; or another error, after
 * which nothing has changed.
 */
int strict_export(struct network *network, const struct strict_export *wanted, uint64_t now_s);

/*
 * Asks for a certificate as the struct says now; one that is asked for already is left alone. 0 or
 * the store's error.
 */
int strict_request_certificate(struct network *network, const struct node *wanted, uint64_t now_s);
/*
 * The same for the routes that the node may carry now: whatever else is asked for stays so, and
 * when nothing is wanted any more the request goes.
 */
int strict_request_routes(struct network *network, const struct node *node, uint64_t now_s);
/* Asks for a policy, whose text was checked. who: for the signers. */
int strict_request_policy(struct network *network, const char *text, size_t len, const char *who,
			  uint64_t now_s);
/* The names document likewise. */
int strict_request_names(struct network *network, const char *text, size_t len, const char *who,
			 uint64_t now_s);
/* The text that was asked for last, else the one in force, else ""; malloc'd. 0 or -ENOMEM. */
int strict_latest_names(const struct network *network, char **text, size_t *len);
/* The versions that are asked for next are higher by this, in a database that was set back. */
int strict_leap(struct store *store, uint64_t versions);
/* What another coordinator changed in a shared database. */
int strict_follow(struct network *network);
/* Asks for a document that says what the one in force says. */
int strict_request_again(struct network *network, enum document_kind kind, uint64_t now_s);
/*
 * Asks for what the network's state wants and nobody has asked for: relays, revocations,
 * certificates of nodes that wait. Cheap when nothing changed.
 */
int strict_reconcile(struct network *network, uint64_t now_s);
/* From time to time: renewals; reconcile. */
void strict_tick(struct sessions *sessions, uint64_t now_s);

/* Everything that waits, for signing_encode; signing_clear frees. */
int strict_bundle(const struct network *network, struct signing_bundle *bundle);

/*
 * Adds a signature to a request. *text says what became of it. 0: noted; 1: in force now; -ENOENT:
 * no such request (any more), -EPERM: no signer's or wrong, -EEXIST: the name or key is another
 * node's by now, or the store's error.
 */
int strict_sign(struct sessions *sessions, const uint8_t id[static SIGNING_ID_SIZE],
		const uint8_t key[static 32], const uint8_t signature[static 64], uint64_t now_s,
		char *text, size_t text_size);
/* Another trust document. 0, -EPERM, -EXDEV, -EBADMSG, -ESTALE, or the store's error. */
int strict_set_trust(struct sessions *sessions, const uint8_t *data, size_t len, uint64_t now_s);

/* "certificate of db1", "policy v3"; false: the body cannot be read. */
bool strict_describe(const struct signing_request *request, char *out, size_t size);
/* How many of the trust's signers have signed it. */
size_t strict_signatures(const struct network *network, const struct signing_request *request);

#endif
