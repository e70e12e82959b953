#ifndef WARREN_COORD_SESSIONS_H
#define WARREN_COORD_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coord/health.h"
#include "coord/limits.h"
#include "coord/network.h"
#include "coord/session.h"

/* All connections, and what is told to more than one of them. */

struct cluster;
struct oidc;

struct sessions {
	struct network *network;
	struct cluster *cluster; /* NULL: we are the only coordinator */
	struct oidc *oidc;       /* single sign-on; NULL: not here */
	struct limits limits;
	struct health health;
	struct session *first;
	size_t count;
	bool flush_wanted;    /* something changed that others have to hear */
	bool unsaved;         /* some node is */
	uint64_t looked_s;    /* wall clock, nodes that are away were looked at */
	bool presence_wanted; /* of that: who is online */
	bool presence_held;   /* not to be told in the next flush, but in a later one */
	/* Called when flush_wanted turns true, from whatever code made it so; not to flush within.
	 */
	void (*on_flush_wanted)(void *arg);
	void *arg;
	/* Nodes are told, so that they see whether somebody opens TLS on the way. */
	bool has_tls_key;
	uint8_t tls_key_hash[32];
	uint64_t signals_forwarded;
	uint64_t signals_dropped;
	uint64_t audit_purged_s; /* when the audit log was last cut */
};

/* Something changed that others have to hear. */
void sessions_want_flush(struct sessions *sessions);
/*
 * Maps as deltas, relays, presence: whatever changed since the last flush. Nodes that connected
 * meanwhile come last: when they hold a map, its peers have been sent one that names them, so that
 * they answer a first handshake.
 */
void sessions_flush(struct sessions *sessions, uint64_t now_s);
/* Every second. */
void sessions_tick(struct sessions *sessions, uint64_t now_ns, uint64_t now_s);
/* Stores when nodes were last seen, all of them at once: at every tick, and before the end. */
void sessions_save(struct sessions *sessions);
/* A change could not be stored: stands in health until one can. */
void sessions_store_failed(struct sessions *sessions, int err);
/*
 * Whether to look again at what lasts minutes: every few seconds, because a look at ten thousand
 * nodes costs as much as a hundred of their pings. Notes that it was looked at now.
 */
bool sessions_look_due(uint64_t *looked_s, uint64_t now_s);
/* The node came, went or moved to another relay: its peers will hear. */
void sessions_note_presence(struct sessions *sessions, struct node *node);
/* After network_revoke or before network_drop: tells the node and lets go of it. */
void sessions_cut_off(struct sessions *sessions, struct node *node, const char *text);
/*
 * Deletes a node and tells it why, but only when the store has done it: otherwise it stays, its
 * session too. Frees it.
 */
int sessions_delete(struct sessions *sessions, struct node *node, const char *text, uint64_t now_s);

/* Another coordinator says whether the node answers there: those that wait for that go on or end.
 */
void sessions_probed(struct sessions *sessions, struct node *node, bool alive);
/* A signal that was passed on to another coordinator found nobody. */
void sessions_signal_lost(struct sessions *sessions, const uint8_t from[static 32],
			  const uint8_t to[static 32]);

/* To one session: its relays' credentials. */
void sessions_send_credentials(struct session *session, uint64_t now_s);

#endif
