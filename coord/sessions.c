#include "coord/sessions.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "coord/approval.h"
#include "coord/audit.h"
#include "coord/mapmaker.h"
#include "coord/presence.h"
#include "proto/turn_credential.h"

#define CREDENTIALS_LIFE_S (24 * 3600)
#define LOOK_S             5

void sessions_want_flush(struct sessions *sessions)
{
	if (sessions->flush_wanted)
		return;
	sessions->flush_wanted = true;
	if (sessions->on_flush_wanted)
		sessions->on_flush_wanted(sessions->arg);
}

void sessions_note_presence(struct sessions *sessions, struct node *node)
{
	node->presence_dirty = true;
	sessions->presence_wanted = true;
	sessions_want_flush(sessions);
}

void sessions_send_credentials(struct session *session, uint64_t now_s)
{
	const struct network *network = session->sessions->network;
	struct control_credential credentials[NETMAP_RELAYS_MAX] = { { .expires_s = 0 } };
	struct control_message message = { .type = CONTROL_RELAYS };

	for (size_t i = 0; i < network->relay_count; i++) {
		const struct store_relay *relay = &network->relays[i];
		struct control_credential *credential = &credentials[i];

		credential->expires_s = now_s + CREDENTIALS_LIFE_S;
		strcpy(credential->relay, relay->relay.name);
		turn_credential_make(credential->username, credential->password, relay->secret,
				     relay->secret_len, session->node->device_key,
				     credential->expires_s);
	}
	message.relays.credentials = credentials;
	message.relays.count = network->relay_count;
	session->credentials_s = now_s;
	session_send(session, &message);
	explicit_bzero(credentials, sizeof(credentials));
}

/* A copy of the map of a node that may be about to get peers that were online before; or NULL. */
static struct netmap *keep_map(const struct network *network, const struct node *node)
{
	return node->map && (network->all_dirty || node->dirty) ? netmap_copy(node->map) : NULL;
}

static void flush_one(struct session *session, uint64_t now_s)
{
	struct network *network = session->sessions->network;
	struct control_message message = { .type = CONTROL_DELTA };
	struct netmap *before = keep_map(network, session->node);
	int err = 0;

	if (session->node->map)
		err = mapmaker_update(network, session->node, false, &message.document.data,
				      &message.document.len);
	if (err < 0) {
		log_error("map-failed node=%s error=\"%s\"", session->node->name, strerror(-err));
		netmap_free(before);
		return;
	}
	if (message.document.data)
		session_send(session, &message);
	if (message.document.data && before && session->state == SESSION_READY)
		presence_tell_added(session, before);
	netmap_free(before);
	control_message_clear(&message);
	if (network->relays_dirty && session->state == SESSION_READY)
		sessions_send_credentials(session, now_s);
}

/* Whether maps may change. Who comes into others' maps that way is online for them from then on. */
static bool any_dirty(struct sessions *sessions)
{
	bool any = sessions->network->all_dirty;
	struct node *node;
	size_t cursor = 0;

	while ((node = network_next(sessions->network, &cursor))) {
		if (!node->dirty)
			continue;
		any = true;
		if (node_is_online(node))
			node->presence_dirty = sessions->presence_wanted = true;
	}
	return any;
}

/* Calls tell for every session that is ready, and that is new here or is not. */
static void tell_all(struct sessions *sessions, bool new, uint64_t now_s,
		     void (*tell)(struct session *session, uint64_t now_s))
{
	struct session *session;
	struct session *next;

	for (session = sessions->first; session; session = next) {
		next = session->next;
		if (session->state == SESSION_READY && session->map_due == new)
			tell(session, now_s);
	}
}

static void tell_new(struct session *session, uint64_t now_s)
{
	session_send_map(session);
	if (session->state == SESSION_READY)
		sessions_send_credentials(session, now_s);
	if (session->state == SESSION_READY)
		presence_tell_all(session);
}

/* Before maps: whose certificates may be signed by those whom a new document names. */
static void tell_documents(struct session *session, uint64_t now_s)
{
	(void)now_s;
	session_send_documents(session);
}

void sessions_flush(struct sessions *sessions, uint64_t now_s)
{
	bool dirty = any_dirty(sessions);

	/* A session that ends meanwhile sets it again. */
	sessions->flush_wanted = false;
	if (sessions->network->strict.documents_dirty)
		tell_all(sessions, false, now_s, tell_documents);
	sessions->network->strict.documents_dirty = false;
	if (dirty && mapmaker_prepare(sessions->network) < 0)
		log_error("maps-not-prepared action=\"see what the next lines say\"");
	if (dirty)
		tell_all(sessions, false, now_s, flush_one);
	tell_all(sessions, true, now_s, tell_new);
	if (dirty)
		mapmaker_settle(sessions->network);
	/* After the maps: news about peers that are in no map yet would be lost. */
	if (sessions->presence_wanted && !sessions->presence_held)
		presence_tell_changes(sessions);
}

static void remove_ephemeral(struct sessions *sessions, uint64_t now_s)
{
	struct node *node;
	size_t cursor = 0;

	while ((node = network_next(sessions->network, &cursor))) {
		if (!node->ephemeral || node_is_online(node) ||
		    now_s < node->last_seen_s + sessions->limits.values[LIMIT_EPHEMERAL_S])
			continue;
		log_info("ephemeral-removed name=%s", node->name);
		audit_note(sessions->network->store, NULL, "ephemeral-remove", node->name, NULL,
			   now_s);
		/* A connection that waits for the death of the last one is no reason to keep it. */
		if (sessions_delete(sessions, node, "this machine was away for too long", now_s) <
		    0)
			log_error("store-failed what=ephemeral-removal");
		audit_forget(sessions->network->store);
		sessions_want_flush(sessions);
	}
}

static int save_nodes(struct network *network)
{
	struct node *node;
	size_t cursor = 0;

	while ((node = network_next(network, &cursor))) {
		int err = node->unsaved ? store_node_seen(network->store, node) : 0;

		if (err < 0)
			return err;
	}
	return 0;
}

void sessions_store_failed(struct sessions *sessions, int err)
{
	health_set(
		&sessions->health, "database", HEALTH_FAILING, clock_wall_s(),
		"it takes no changes: %s; nobody can join: make room, or look at the server's log",
		strerror(-err));
	sessions->unsaved = true; /* tried again at every tick */
}

void sessions_save(struct sessions *sessions)
{
	struct network *network = sessions->network;
	struct node *node;
	size_t cursor = 0;
	int err;

	if (store_is_away(network->store)) {
		health_set(&sessions->health, "database", HEALTH_FAILING, clock_wall_s(),
			   "it is away; tunnels go on, but nothing can be changed until it is "
			   "back");
		sessions->unsaved = true;
		return;
	}
	if (!sessions->unsaved)
		return;
	err = store_begin(network->store);
	if (err == 0 && sessions->health.count > 0)
		err = store_set_u64(network->store, NETWORK_VALUE_PROBE, clock_wall_s());
	if (err == 0)
		err = save_nodes(network);
	if (err == 0)
		err = store_commit(network->store);
	if (err < 0) {
		store_rollback(network->store);
		sessions_store_failed(sessions, err);
		return;
	}
	health_clear(&sessions->health, "database");
	while ((node = network_next(network, &cursor)))
		node->unsaved = false;
	sessions->unsaved = false;
}

bool sessions_look_due(uint64_t *looked_s, uint64_t now_s)
{
	/* Also after the clock was set back. */
	bool due = now_s - *looked_s >= LOOK_S;

	if (due)
		*looked_s = now_s;
	return due;
}

void sessions_tick(struct sessions *sessions, uint64_t now_ns, uint64_t now_s)
{
	struct session *session;
	struct session *next;

	for (session = sessions->first; session; session = next) {
		next = session->next;
		session_tick(session, now_ns, now_s);
	}
	if (sessions_look_due(&sessions->looked_s, now_s)) {
		remove_ephemeral(sessions, now_s);
		approval_expire(sessions, now_s);
	}
	strict_tick(sessions, now_s);
	if (!store_is_away(sessions->network->store) &&
	    network_purge_revoked(sessions->network, now_s) < 0)
		log_error("store-failed what=revoked-purge");
	if (sessions->network->all_dirty)
		sessions_want_flush(sessions);
	sessions_save(sessions);
	audit_tick(sessions, now_s);
}

void sessions_cut_off(struct sessions *sessions, struct node *node, const char *text)
{
	struct control_error error = { .code = CONTROL_ERROR_REVOKED };
	struct session *session;
	struct session *next;

	strncpy(error.text, text, sizeof(error.text) - 1);
	for (session = sessions->first; session; session = next) {
		next = session->next;
		if (session->node == node)
			session_end(session, CONTROL_REVOKED, &error);
	}
	sessions_want_flush(sessions);
}

int sessions_delete(struct sessions *sessions, struct node *node, const char *text, uint64_t now_s)
{
	int err = network_store_delete(sessions->network, node, now_s);

	if (err < 0)
		return err;
	sessions_cut_off(sessions, node, text);
	return network_drop(sessions->network, node);
}
