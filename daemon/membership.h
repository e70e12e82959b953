#ifndef WARREN_DAEMON_MEMBERSHIP_H
#define WARREN_DAEMON_MEMBERSHIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/cert.h"
#include "proto/netmap.h"
#include "proto/token.h"

/*
 * What this node knows of its network: whom the join token pinned, and once enrolled the authority
 * and the node's own certificate. One record on disk, so that it changes as a whole.
 */
struct membership {
	struct token_address addresses[TOKEN_ADDRESSES_MAX]; /* of the coordinator */
	size_t address_count;
	uint8_t coordinator_key[32];
	uint8_t authority_hash[32];

	bool enrolled; /* what follows is known */
	uint8_t authority_key[32];
	uint8_t network_id[CERT_NETWORK_ID_SIZE];
	char network_name[NETMAP_NETWORK_NAME_MAX + 1];
	uint8_t cert_bytes[CERT_ENCODED_MAX];
	size_t cert_len;
	struct cert cert; /* parsed from cert_bytes */
};

/* Pins what the token says; not enrolled yet. */
void membership_from_token(struct membership *membership, const struct token *token);

/*
 * The coordinator's welcome: the authority must be the pinned one and the certificate this
 * device's. 0; -EPERM: another authority; -EBADMSG: the certificate does not hold or is not for
 * device_key and box_key. Unchanged on failure.
 */
int membership_enrol(struct membership *membership, const uint8_t authority_key[static 32],
		     const uint8_t network_id[static CERT_NETWORK_ID_SIZE],
		     const char *network_name, const uint8_t *cert, size_t cert_len,
		     const uint8_t device_key[static 32], const uint8_t box_key[static 32]);

void membership_trust(const struct membership *membership, struct netmap_trust *trust);

/* 0, -ENOENT, -EBADMSG when damaged, or -errno. */
int membership_load(struct membership *membership, const char *path);
int membership_save(const struct membership *membership, const char *path);

#endif
