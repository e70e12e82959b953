#ifndef WARREN_PROTO_SIGNING_H
#define WARREN_PROTO_SIGNING_H

#include <stddef.h>
#include <stdint.h>

#include "proto/cert.h"
#include "proto/document.h"

/*
 * Requests for signatures, as they go from the coordinator to admins and back: one JSON text that
 * may travel by file or mail. A request holds what is to be signed, the body of a certificate or of
 * a document; who signs reads what it says from the body itself, never from what the coordinator
 * says of it.
 */

#define SIGNING_CERTIFICATE  0 /* kinds: this, or a document_kind */
#define SIGNING_ID_SIZE      32
#define SIGNING_REQUESTS_MAX 20000
#define SIGNING_TEXT_MAX     (64u << 20) /* bytes of JSON */
#define SIGNING_WHO_MAX      127

struct signing_request {
	int kind;
	uint8_t *body; /* malloc'd */
	size_t body_len;
	uint8_t *previous; /* what is in force, signed; malloc'd, or NULL */
	size_t previous_len;
	char who[SIGNING_WHO_MAX + 1]; /* who asked for it, says the coordinator */
	uint64_t time_s;
	uint8_t set[TRUST_SET_MAX]; /* signatures so far */
	size_t set_len;
};

struct signing_bundle {
	char network_name[NETMAP_NETWORK_NAME_MAX + 1];
	struct trust trust;      /* from the trust document, which the authority signed */
	uint8_t *trust_document; /* malloc'd */
	size_t trust_len;
	uint8_t *new_trust; /* one that is to follow it, or NULL */
	size_t new_trust_len;
	struct signing_request *requests; /* malloc'd */
	size_t count;
};

/* What a request is known by: a hash of kind and body. */
void signing_id(uint8_t id[static SIGNING_ID_SIZE], int kind, const uint8_t *body, size_t len);
/* The domain label of its signatures. */
const char *signing_domain(int kind);

/* JSON text, malloc'd, with a line end. 0 or -ENOMEM. */
int signing_encode(const struct signing_bundle *bundle, char **text, size_t *len);
/*
 * 0 (signing_clear frees), -EBADMSG: malformed, or the trust document does not hold, -ENOMEM.
 * Bodies are as they came: nobody has parsed them yet.
 */
int signing_parse(struct signing_bundle *bundle, const char *text, size_t len);
void signing_clear(struct signing_bundle *bundle);

#endif
