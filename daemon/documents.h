#ifndef WARREN_DAEMON_DOCUMENTS_H
#define WARREN_DAEMON_DOCUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/document.h"

struct map;
struct mesh;
struct policy;

/*
 * Strict mode: the signed documents that this node obeys, and what it remembers so that older ones
 * are refused: their versions and hashes, the highest map version, and each device's highest
 * certificate serial. All of it is one record, written before what is new is obeyed; when it cannot
 * be written, status says so and the newer document is obeyed all the same, as refusing a
 * revocation would be worse. The trust document itself is in the membership. Where a node has seen
 * a trust document and this record is missing or damaged, it believes nothing: a lost file must not
 * make old documents new.
 */

#define DOCUMENTS_SERIALS_MAX (2 * NETMAP_PEERS_MAX)

struct documents {
	struct documents_held {
		struct document document; /* version 0: none */
		uint8_t *data;            /* as signed */
		size_t len;
	} held[DOCUMENT_KIND_END]; /* not TRUST */
	struct policy *policy;     /* parsed from the policy document */
	struct map *serials;       /* by device key; NULL: none yet */
	uint64_t map_version;
	bool lost; /* was there, and cannot be read any more */
};

/* At the start: what the last run kept. Nothing in simple mode. */
void documents_load(struct mesh *mesh);
/* A new member: nothing that another network may have left counts. 0 or -errno of the file. */
int documents_reset(struct mesh *mesh);
/* Frees all; the file stays. */
void documents_clear(struct documents *documents);

/*
 * A document as received, from the coordinator (peer NULL) or a peer of this name. 0, also when we
 * hold it already; -ESTALE: older than ours; -EEXIST: another one of the same version; -EPERM,
 * -EXDEV, -EBADMSG, -EPROTONOSUPPORT: not to be believed; -EKEYREVOKED: our record is lost. Status
 * says what the coordinator offered.
 */
int documents_receive(struct mesh *mesh, const char *peer, const uint8_t *data, size_t len);
/* A new connection: what the coordinator offered on the last one, maps too, status forgets. */
void documents_forgive(struct mesh *mesh);
/* The versions held, by kind - 1. */
void documents_versions(const struct mesh *mesh, uint64_t versions[static DOCUMENT_KINDS]);
/* The signed bytes of the one held; false when there is none. Borrowed. */
bool documents_signed(const struct mesh *mesh, enum document_kind kind, const uint8_t **data,
		      size_t *len);
/* Of the held one; false when there is none. */
bool documents_hash(const struct mesh *mesh, enum document_kind kind,
		    uint8_t hash[static DOCUMENT_HASH_SIZE]);

/*
 * May this map follow the one in force? 0; -ESTALE: it, or the certificate of the peer that refusal
 * names, is older than what we have seen; -EKEYREVOKED: our record is lost.
 */
int documents_check_map(struct mesh *mesh, const struct netmap *offered,
			struct netmap_refusal *refusal);
/* Remembers its version and serials, on disk. */
void documents_note_map(struct mesh *mesh, const struct netmap *offered);
/*
 * The map in force: in strict mode the offered one's peers, as far as they are not revoked, with
 * the rules that the signed policy makes, and the signed relays; in simple mode a copy. 0 or
 * -ENOMEM.
 */
int documents_govern(struct mesh *mesh, const struct netmap *offered, struct netmap **map);

#endif
