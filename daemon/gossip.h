#ifndef WARREN_DAEMON_GOSSIP_H
#define WARREN_DAEMON_GOSSIP_H

#include <stddef.h>
#include <stdint.h>

#include "io/loop.h"
#include "proto/cert.h"
#include "proto/document.h"

struct mesh;
struct mesh_peer;
struct peer_message_held;

/*
 * Strict mode: nodes tell each other inside their sessions which documents they hold, so that a
 * coordinator that shows an old state to some, or different ones to different nodes, is found out
 * without its help. Who hears that a peer is ahead says so, and who hears that a peer is behind
 * sends it the document, sealed and by relay: a revocation gets about even when the coordinator
 * keeps it. Both happen at most once in GOSSIP_PAUSE_S for each peer, and each document; one too
 * large for a signal is not sent.
 */

#define GOSSIP_GRACE_S 20 /* the coordinator has so long to give what a peer holds */
#define GOSSIP_PAUSE_S 30

struct gossip {
	struct loop_timer timer;
	struct gossip_kind {
		/* The newest that the coordinator gave, or that we held when it let us in. */
		uint64_t given;
	} kinds[DOCUMENT_KIND_END];
	/* Received from a peer, to be looked at when nobody is in the midst of its peers. */
	uint8_t *received;
	size_t received_len;
	char received_from[CERT_NAME_MAX + 1];
	uint64_t connected_ns; /* the coordinator let us in then */
};

/*
 * What each peer says, and was sent last; embedded in it, zeros at first. A peer may lie, so what
 * it says goes with it, and hides nothing that others say.
 */
struct gossip_peer {
	struct gossip_claim {
		/* It says that it holds this one, newer than ours when it first said so. */
		uint64_t ahead;
		uint64_t ahead_ns;
		uint64_t forked; /* another document of this version than we do */
	} claims[DOCUMENT_KIND_END];
	uint64_t sent_ns[DOCUMENT_KIND_END];
	uint64_t told_ns; /* that we are behind */
};

void gossip_init(struct mesh *mesh);
void gossip_clear(struct mesh *mesh);

/* What peers say may have changed with who they are. */
void gossip_peers_changed(struct mesh *mesh);

/* A session is there, or what we hold has changed. */
void gossip_tell(struct mesh *mesh, struct mesh_peer *peer);
void gossip_tell_all(struct mesh *mesh);
/* What a peer says it holds. */
void gossip_heard(struct mesh *mesh, struct mesh_peer *peer, const struct peer_message_held *held);
/* A document that a peer sent. */
void gossip_document(struct mesh *mesh, struct mesh_peer *peer, const uint8_t *data, size_t len);

/* The coordinator has let us in, and has given a document that holds. */
void gossip_connected(struct mesh *mesh);
void gossip_given(struct mesh *mesh, enum document_kind kind, uint64_t version);

#endif
