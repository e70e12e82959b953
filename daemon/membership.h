#ifndef WARREN_DAEMON_MEMBERSHIP_H
#define WARREN_DAEMON_MEMBERSHIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/cert.h"
#include "proto/control.h"
#include "proto/netmap.h"
#include "proto/token.h"

#define MEMBERSHIP_TRUST_MAX 2048 /* bytes of a trust document */

/*
 * What this node knows of its network: whom the join token pinned, and once enrolled the authority
 * and the node's own certificate. One record on disk, so that it changes as a whole.
 */
struct membership {
	struct token_address addresses[TOKEN_ADDRESSES_MAX]; /* of the coordinator */
	size_t address_count;
	uint8_t coordinator_key[32];
	uint8_t authority_hash[32];

	bool enrolled;      /* what follows is known */
	struct trust trust; /* in strict mode from trust_document */
	uint8_t trust_document[MEMBERSHIP_TRUST_MAX];
	size_t trust_document_len; /* 0: simple mode */
	char network_name[NETMAP_NETWORK_NAME_MAX + 1];
	uint8_t cert_bytes[CERT_ENCODED_MAX];
	size_t cert_len;
	struct cert cert; /* parsed from cert_bytes */
};

/* Pins what the token says; not enrolled yet. */
void membership_from_token(struct membership *membership, const struct token *token);

/*
 * The coordinator's welcome: the authority must be the pinned one, its trust document (if any) the
 * authority's, and the certificate this device's. An older trust document or certificate than held
 * is left alone, and who has seen a trust document never forgets it. 0; -EPERM: another authority
 * or network; -EKEYREJECTED: the trust document does not hold; -EBADMSG: the certificate does not
 * hold or is not for device_key and box_key; -ESTALE: taken, but for an older certificate or trust
 * document than held. Else unchanged on failure.
 */
int membership_enrol(struct membership *membership, const struct control_welcome *welcome,
		     const uint8_t device_key[static 32], const uint8_t box_key[static 32]);
/* Another certificate of this device. 0, -EBADMSG, -ESTALE: older than the one held. */
int membership_set_certificate(struct membership *membership, const uint8_t *cert, size_t len);
/*
 * Another trust document. 0, also for the one that is held; -ESTALE: older; -EEXIST: of the version
 * held, but another one; -EPERM, -EXDEV, -EBADMSG: not to be believed.
 */
int membership_set_trust(struct membership *membership, const uint8_t *data, size_t len);

/* For reading maps; refusal may be NULL. */
void membership_trust(const struct membership *membership, struct netmap_trust *trust,
		      struct netmap_refusal *refusal);

/* 0, -ENOENT, -EBADMSG when damaged, or -errno. */
int membership_load(struct membership *membership, const char *path);
int membership_save(const struct membership *membership, const char *path);

#endif
