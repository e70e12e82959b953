#ifndef WARREN_PROTO_CERT_H
#define WARREN_PROTO_CERT_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "proto/route_facts.h"
#include "proto/trust.h"

/*
 * A node's certificate: what the authority says about a device. The encoding is canonical, so the
 * same statement has one byte string only: fields in strictly ascending order, each a u16 number, a
 * u16 length and its bytes; field numbers from 0x8000 on are not critical and skipped when unknown,
 * unknown ones below are refused. The last field is the set of signatures (proto/trust.h) over a
 * domain label and everything before it, the body.
 */

#define CERT_NETWORK_ID_SIZE TRUST_NETWORK_ID_SIZE
#define CERT_NAME_MAX        63 /* bytes: one DNS label, RFC 1035 2.3.4 */
#define CERT_LABEL_MAX       47 /* bytes of a tag or group, without its "tag:" or "group:" */
#define CERT_ROUTES_MAX      32
#define CERT_LABELS_MAX      16 /* tags, and as many groups */
#define CERT_OWNER_MAX       127
#define CERT_ENCODED_MAX     4096
#define CERT_SIGNATURE_SIZE  64
#define CERT_DOMAIN          "warren certificate 1"

struct cert {
	uint8_t network_id[CERT_NETWORK_ID_SIZE];
	uint64_t serial;
	char name[CERT_NAME_MAX + 1];
	uint8_t device_key[32]; /* Ed25519: the node's identity */
	uint8_t box_key[32];    /* X25519: control channel and signals */
	uint8_t wireguard_key[32];
	struct ip_addr address4; /* family 0: none */
	struct ip_addr address6;
	struct prefix routes[CERT_ROUTES_MAX];
	size_t route_count;
	struct route_facts
		route_facts[CERT_ROUTES_MAX]; /* of routes[] by place; read: weights > 0 */
	char tags[CERT_LABELS_MAX][CERT_LABEL_MAX + 1];
	size_t tag_count;
	char groups[CERT_LABELS_MAX][CERT_LABEL_MAX + 1];
	size_t group_count;
	uint64_t not_before_s; /* seconds since 1970, both ends inclusive */
	uint64_t not_after_s;
	char owner[CERT_OWNER_MAX + 1]; /* the user whose machine it is; empty: nobody's */
};

/*
 * Encodes and signs with the authority's Ed25519 secret key (64 bytes, libsodium's form). out holds
 * at least CERT_ENCODED_MAX. 0, or -EINVAL when the struct breaks a rule of the encoding (bad name,
 * too many entries, not_after before not_before).
 */
int cert_sign(uint8_t out[static CERT_ENCODED_MAX], size_t *len, const struct cert *cert,
	      const uint8_t authority_secret[static 64]);

/* The body alone, for others to sign. out holds CERT_ENCODED_MAX. 0 or -EINVAL. */
int cert_encode(uint8_t out[static CERT_ENCODED_MAX], size_t *len, const struct cert *cert);
/* Puts a set of signatures behind a body. 0 or -EINVAL. */
int cert_join(uint8_t out[static CERT_ENCODED_MAX], size_t *len, const uint8_t *body,
	      size_t body_len, const uint8_t *set, size_t set_len);
/* Reads a body alone. 0, -EBADMSG, -EPROTONOSUPPORT. */
int cert_parse_body(struct cert *cert, const uint8_t *body, size_t len);

/* Structure only, no signature. 0 or -EBADMSG; -EPROTONOSUPPORT: an unknown critical field. */
int cert_parse(struct cert *cert, const uint8_t *data, size_t len);

/*
 * Parses and checks the signatures and the network; no time. 0, -EBADMSG, -EPROTONOSUPPORT, -EXDEV:
 * another network's, -EPERM: not signed by the authority, nor by enough signers.
 */
int cert_verify(struct cert *cert, const uint8_t *data, size_t len, const struct trust *trust);

/* 0, -EAGAIN: not valid yet, -EKEYEXPIRED. */
int cert_check_time(const struct cert *cert, uint64_t now_s);

/* Does it say that its node carries just this prefix? */
bool cert_carries(const struct cert *cert, const struct prefix *route);

/* A lower-case DNS label: letters, digits, inner hyphens. */
int cert_name_check(const char *name);
/* A tag or group name: letters, digits, '-', '_', '.', 1 to CERT_LABEL_MAX bytes. 0 or -EINVAL. */
int cert_label_check(const char *label);
/*
 * A user: 1 to CERT_OWNER_MAX visible ASCII bytes, such as a mail address, in lower case, so that
 * one user has one spelling; none of `"`, `\`, `<`, `>`, `,`, `;`, `:`. 0 or -EINVAL.
 */
int cert_owner_check(const char *owner);

#endif
