#include "coord/session.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "coord/approval.h"
#include "coord/certificate.h"
#include "coord/cluster.h"
#include "coord/enrolment.h"
#include "coord/follow.h"
#include "coord/login_ticket.h"
#include "coord/mapmaker.h"
#include "coord/oidc.h"
#include "coord/report.h"
#include "coord/session_routes.h"
#include "coord/sessions.h"
#include "proto/control_channel.h"

#define CREDENTIALS_RENEW_S (8 * 3600)
#define ENROL_TRIES_MAX     8

static uint64_t limit(const struct session *session, enum limit which)
{
	return session->sessions->limits.values[which];
}

struct session *session_new(struct sessions *sessions, const struct session_ops *ops, void *arg,
			    uint64_t now_ns)
{
	struct session *session;

	if (sessions->count >= sessions->limits.values[LIMIT_CONNECTIONS])
		return NULL;
	session = calloc(1, sizeof(*session));
	if (!session)
		return NULL;
	if (control_channel_new_coordinator(&session->channel,
					    sessions->network->coordinator_secret,
					    &sessions->network->rng, CONTROL_NODE_MAX) < 0) {
		free(session);
		return NULL;
	}
	session->sessions = sessions;
	session->ops = ops;
	session->arg = arg;
	session->deadline_ns = now_ns + sessions->limits.values[LIMIT_GREETING_S] * NS_PER_S;
	session->messages.updated_ns = session->changes.updated_ns = now_ns;
	session->next = sessions->first;
	if (session->next)
		session->next->previous = session;
	sessions->first = session;
	sessions->count++;
	return session;
}

static void leave_node(struct session *session)
{
	struct node *node = session->node;

	session->node = NULL;
	if (!node || node->session != session)
		return;
	node->session = NULL;
	node->home_relay[0] = '\0';
	report_forget(node);
	node->last_seen_s = clock_wall_s();
	log_info("node-offline name=%s key=%s", node->name, log_key(node->device_key).text);
	node->unsaved = session->sessions->unsaved = true;
	cluster_tell(session->sessions->cluster, node);
	sessions_note_presence(session->sessions, node);
}

void session_free(struct session *session)
{
	if (!session)
		return;
	leave_node(session);
	if (session->previous)
		session->previous->next = session->next;
	else
		session->sessions->first = session->next;
	if (session->next)
		session->next->previous = session->previous;
	session->sessions->count--;
	control_channel_free(session->channel);
	free(session);
}

static void hang_up(struct session *session)
{
	if (session->state == SESSION_ENDED)
		return;
	leave_node(session);
	session->state = SESSION_ENDED;
	session->ops->close(session->arg);
}

/* Hands what the channel has to the socket. */
static void pump(struct session *session)
{
	const uint8_t *frame;
	size_t len;

	while (session->state != SESSION_ENDED &&
	       control_channel_poll_frame(session->channel, &frame, &len))
		if (session->ops->send(session->arg, frame, len) < 0)
			hang_up(session);
}

void session_send(struct session *session, const struct control_message *message)
{
	char *json;
	size_t len;
	int err;

	if (session->state == SESSION_ENDED)
		return;
	err = control_encode(message, &json, &len);
	if (err == 0) {
		err = control_channel_send(session->channel, json, len);
		free(json);
	}
	if (err < 0)
		hang_up(session);
	else
		pump(session);
}

void session_end(struct session *session, enum control_type type, const struct control_error *error)
{
	struct control_message message = { .type = type, .error = *error };

	session_send(session, &message);
	hang_up(session);
}

static void end_with(struct session *session, enum control_error_code code, const char *text)
{
	struct control_error error;

	enrolment_refuse(&error, code, text);
	session_end(session, CONTROL_ERROR, &error);
}

/* Takes one from the bucket; false when it is empty. */
static bool rate_take(struct session_rate *rate, double per_s, double burst, uint64_t now_ns)
{
	rate->level -= (double)(now_ns - rate->updated_ns) / (double)NS_PER_S * per_s;
	rate->updated_ns = now_ns;
	if (rate->level < 0)
		rate->level = 0;
	if (rate->level + 1 > burst)
		return false;
	rate->level += 1;
	return true;
}

void session_send_certificate(struct session *session)
{
	struct control_message message = { .type = CONTROL_CERTIFICATE };

	if (session->state != SESSION_READY)
		return;
	message.document.data = session->node->cert;
	message.document.len = session->node->cert_len;
	session_send(session, &message);
	if (session->state == SESSION_READY && session->node->routes.offered_count > 0)
		session_send_routes(session, "");
}

static void send_welcome(struct session *session, uint64_t now_s)
{
	const struct network *network = session->sessions->network;
	struct control_message message = { .type = CONTROL_WELCOME };
	struct control_welcome *welcome = &message.welcome;

	memcpy(welcome->authority_key, network->authority_key, 32);
	memcpy(welcome->network_id, network->id, sizeof(welcome->network_id));
	strcpy(welcome->network_name, network->name);
	welcome->certificate = session->node->cert;
	welcome->certificate_len = session->node->cert_len;
	if (network->strict.on) {
		welcome->trust = network->strict.documents[DOCUMENT_TRUST].data;
		welcome->trust_len = network->strict.documents[DOCUMENT_TRUST].len;
		session->documents[DOCUMENT_TRUST - 1] = network->strict.trust.version;
	}
	welcome->time_s = now_s;
	welcome->address_count = network->address_count;
	memcpy(welcome->addresses, network->addresses, sizeof(welcome->addresses));
	welcome->has_ticket = true;
	login_ticket_make(&welcome->ticket, network, session->node);
	welcome->has_tls_key = session->sessions->has_tls_key;
	memcpy(welcome->tls_key_hash, session->sessions->tls_key_hash, 32);
	session_send(session, &message);
}

void session_send_documents(struct session *session)
{
	const struct strict *strict = &session->sessions->network->strict;

	for (int kind = DOCUMENT_TRUST; strict->on && kind < DOCUMENT_KIND_END; kind++) {
		const struct strict_document *held = &strict->documents[kind];
		struct control_message message = { .type = CONTROL_DOCUMENT };

		if (session->state != SESSION_READY ||
		    session->documents[kind - 1] >= held->version)
			continue;
		message.document.data = held->data;
		message.document.len = held->len;
		session->documents[kind - 1] = held->version;
		session_send(session, &message);
	}
}

static void send_whole_map(struct session *session)
{
	struct control_message message = { .type = CONTROL_MAP };
	struct node *node = session->node;
	int err = mapmaker_build(session->sessions->network, node);

	if (err == 0)
		err = netmap_encode(node->map, &message.document.data, &message.document.len);
	if (err < 0) {
		log_error("map-failed node=%s error=\"%s\"", node->name, strerror(-err));
		end_with(session, CONTROL_ERROR_INTERNAL,
			 "the coordinator cannot make this machine's map; see its log");
		return;
	}
	session_send(session, &message);
	control_message_clear(&message);
}

void session_send_map(struct session *session)
{
	struct control_message message = { .type = CONTROL_DELTA };
	struct node *node = session->node;

	session->map_due = false;
	if (session->map_version == 0 || !node->map || node->map->version != session->map_version ||
	    mapmaker_update(session->sessions->network, node, true, &message.document.data,
			    &message.document.len) < 0) {
		send_whole_map(session);
		return;
	}
	if (message.document.data)
		session_send(session, &message);
	control_message_clear(&message);
}

void session_send_pending(struct session *session, const struct control_pending *pending)
{
	const struct control_message message = { .type = CONTROL_PENDING, .pending = *pending };

	session_send(session, &message);
}

static void become_ready(struct session *session, uint64_t now_s)
{
	struct node *node = session->node;

	session->state = SESSION_READY;
	node->last_seen_s = now_s;
	log_info("node-online name=%s key=%s", node->name, log_key(node->device_key).text);
	send_welcome(session, now_s);
	session_send_documents(session);
	session->map_due = true;
	sessions_note_presence(session->sessions, node);
}

static void become_waiting(struct session *session)
{
	struct control_pending pending;

	session->state = SESSION_WAITING;
	log_info("node-waits name=%s key=%s", session->node->name,
		 log_key(session->node->device_key).text);
	approval_describe(session->node, &pending);
	if (session->node->state == NODE_WAITS_SIGN_IN)
		oidc_describe(session->sessions->oidc, session->node, &pending);
	session_send_pending(session, &pending);
}

/* Its node's only connection from now on. */
static void take_over(struct session *session, uint64_t now_ns, uint64_t now_s)
{
	struct node *node = session->node;

	if (node->session)
		hang_up(node->session);
	node->session = session;
	node->elsewhere = NULL;
	cluster_tell(session->sessions->cluster, node);
	session->deadline_ns = now_ns + limit(session, LIMIT_SILENCE_S) * NS_PER_S;
	if (node_is_pending(node))
		become_waiting(session);
	else
		become_ready(session, now_s);
}

void session_let_in(struct session *session, uint64_t now_s)
{
	if (session->state == SESSION_WAITING)
		become_ready(session, now_s);
}

void session_shut_out(struct session *session, uint64_t now_s)
{
	struct node *node = session->node;

	if (session->state != SESSION_READY)
		return;
	node->last_seen_s = now_s;
	node->home_relay[0] = '\0';
	session->map_due = false;
	session->map_version = 0; /* let in again it is sent all of its map */
	sessions_note_presence(session->sessions, node);
	become_waiting(session);
}

void session_ping(struct session *session)
{
	struct control_message ping = { .type = CONTROL_PING };

	session_send(session, &ping);
}

void session_moved(struct session *session)
{
	log_info("node-moved name=%s to=another-coordinator", session->node->name);
	hang_up(session);
}

/*
 * Is its node connected already, here or at another coordinator? Then only if that connection is
 * dead may this one replace it.
 */
static bool must_probe(const struct session *session, const struct control_message *message)
{
	const struct node *node = session->node;
	const uint8_t *hash = node->elsewhere_hash;

	if (!node_is_online(node))
		return false;
	if (node->session)
		hash = control_channel_handshake_hash(node->session->channel);
	/* The same process dialled again, because its address or its way here changed. */
	return message->type != CONTROL_LOGIN || !message->login.has_replaces ||
	       sodium_memcmp(message->login.replaces, hash, sizeof(message->login.replaces)) != 0;
}

static void probe_other(struct session *session, uint64_t now_ns, uint64_t now_s)
{
	struct node *node = session->node;

	if (!node->session && !cluster_ask(session->sessions->cluster, node)) {
		take_over(session, now_ns, now_s);
		return;
	}
	session->state = SESSION_PROBING;
	session->deadline_ns = now_ns + SESSION_PROBE_S * NS_PER_S;
	if (node->session)
		session_ping(node->session);
}

void sessions_probed(struct sessions *sessions, struct node *node, bool alive)
{
	struct session *session = sessions->first;
	struct session *next;

	for (; session; session = next) {
		next = session->next;
		if (session->state != SESSION_PROBING || session->node != node)
			continue;
		if (alive) {
			log_warn("copy-refused name=%s key=%s", node->name,
				 log_key(node->device_key).text);
			node->copy_refused_s = clock_wall_s();
			end_with(session, CONTROL_ERROR_DUPLICATE,
				 "another machine is connected with this identity; on a cloned "
				 "machine run warren logout and join again");
		} else {
			take_over(session, clock_now_ns(), clock_wall_s());
		}
	}
}

/* It answered: whoever waits for its death is refused, here and at another coordinator. */
static void answer_probes(struct session *session)
{
	sessions_probed(session->sessions, session->node, true);
	cluster_answer(session->sessions->cluster, session);
}

/* A name or address may have been given by another coordinator a moment ago: then another one. */
static int enrol_among_others(struct session *session, const struct control_enrol *enrol,
			      const uint8_t box_key[static 32], uint64_t now_s,
			      struct control_error *error)
{
	struct sessions *sessions = session->sessions;
	int err = enrolment_enrol(sessions, enrol, box_key, now_s, &session->node, error);

	for (int i = 0;
	     i < ENROL_TRIES_MAX && err == -EEXIST && store_is_shared(sessions->network->store) &&
	     follow_catch_up(sessions, now_s) == 0;
	     i++)
		err = enrolment_enrol(sessions, enrol, box_key, now_s, &session->node, error);
	return err;
}

static int greet(struct session *session, const struct control_message *message, uint64_t now_s,
		 struct control_error *error)
{
	struct network *network = session->sessions->network;
	const uint8_t *hash = control_channel_handshake_hash(session->channel);
	const uint8_t *box_key = control_channel_remote_key(session->channel);
	bool enrol = message->type == CONTROL_ENROL;
	const uint8_t *device_key = enrol ? message->enrol.device_key : message->login.device_key;
	int err;

	if (!control_proof_verify(enrol ? message->enrol.proof : message->login.proof, device_key,
				  hash))
		return enrolment_refuse(error, CONTROL_ERROR_BAD_PROOF,
					"this machine could not prove its identity; run warren "
					"logout and join again");
	if (enrol)
		return enrol_among_others(session, &message->enrol, box_key, now_s, error);
	session->map_version = message->login.map_version;
	memcpy(session->documents, message->login.documents, sizeof(session->documents));
	err = enrolment_login(network, &message->login, box_key, now_s, &session->node, error);
	/* It refuses older ones; a number that leaves no room above it is nobody's. */
	if (err == 0 && session->map_version <= INT64_MAX)
		session->node->map_floor = session->map_version;
	return err;
}

static void handle_greeting(struct session *session, const struct control_message *message,
			    uint64_t now_ns, uint64_t now_s)
{
	struct control_error error;

	if (message->type != CONTROL_ENROL && message->type != CONTROL_LOGIN) {
		end_with(session, CONTROL_ERROR_MALFORMED, "the first message is enrol or login");
		return;
	}
	if (greet(session, message, now_s, &error) < 0) {
		log_info("refused code=%s", control_error_name(error.code));
		session_end(session, CONTROL_ERROR, &error);
		return;
	}
	if (session->ops->trust)
		session->ops->trust(session->arg);
	sessions_want_flush(session->sessions);
	if (must_probe(session, message))
		probe_other(session, now_ns, now_s);
	else
		take_over(session, now_ns, now_s);
}

static void answer_signal(struct session *session, const uint8_t node_key[static 32],
			  enum control_error_code code, const char *text)
{
	struct control_message message = { .type = CONTROL_ERROR };

	session->sessions->signals_dropped++;
	/* Who sends and does not read hears no more of it. */
	if (session->ops->queued(session->arg) > limit(session, LIMIT_SIGNAL_QUEUE))
		return;
	enrolment_refuse(&message.error, code, text);
	memcpy(message.error.node_key, node_key, 32);
	session_send(session, &message);
}

int session_deliver(struct session *session, const uint8_t from[static 32], const uint8_t *data,
		    size_t len)
{
	struct control_message forward = { .type = CONTROL_SIGNAL };

	if (session->ops->queued(session->arg) > limit(session, LIMIT_SIGNAL_QUEUE))
		return -ENOBUFS;
	memcpy(forward.signal.node_key, from, 32);
	forward.signal.data = (uint8_t *)data;
	forward.signal.len = len;
	session->sessions->signals_forwarded++;
	session_send(session, &forward);
	return 0;
}

/* To where its node is connected. */
static int pass_on(struct session *session, const struct node *to,
		   const struct control_signal *signal)
{
	const uint8_t *from = session->node->device_key;

	if (to->session)
		return session_deliver(to->session, from, signal->data, signal->len);
	return cluster_signal(session->sessions->cluster, from, to, signal->data, signal->len);
}

static void handle_signal(struct session *session, const struct control_message *message)
{
	const uint8_t *key = message->signal.node_key;
	struct node *peer = network_find(session->sessions->network, key);
	int err = -ENOTCONN;

	/* The same answer for no such peer and for one that policy hides. */
	if (peer && session->node->map && netmap_find_peer(session->node->map, key))
		err = pass_on(session, peer, &message->signal);
	if (err == -ENOBUFS)
		answer_signal(session, key, CONTROL_ERROR_PEER, "the peer does not keep up");
	else if (err < 0)
		answer_signal(session, key, CONTROL_ERROR_PEER, "no such peer, or it is offline");
}

void sessions_signal_lost(struct sessions *sessions, const uint8_t from[static 32],
			  const uint8_t to[static 32])
{
	struct node *node = network_find(sessions->network, from);

	if (node && node->session && node->session->state == SESSION_READY)
		answer_signal(node->session, to, CONTROL_ERROR_PEER,
			      "no such peer, or it is offline");
}

static void change_wireguard_key(struct session *session, const uint8_t key[static 32],
				 uint64_t now_s)
{
	struct node *node = session->node;
	struct control_error error;
	int err;

	if (memcmp(node->wireguard_key, key, 32) == 0)
		return;
	err = network_rekey(session->sessions->network, node, key, now_s);
	if (err < 0) {
		log_warn("key-refused node=%s error=\"%s\"", node->name, strerror(-err));
		enrolment_explain(&error, err);
		session_end(session, CONTROL_ERROR, &error);
		return;
	}
	sessions_want_flush(session->sessions);
	session_send_certificate(session);
}

static void handle_update(struct session *session, const struct control_update *update,
			  uint64_t now_s)
{
	struct node *node = session->node;

	if (update->has_home_relay && strcmp(node->home_relay, update->home_relay) != 0) {
		strcpy(node->home_relay, update->home_relay);
		cluster_tell(session->sessions->cluster, node);
		sessions_note_presence(session->sessions, node);
	}
	if (update->has_facts) {
		memcpy(node->version, update->facts.version, sizeof(node->version));
		memcpy(node->os, update->facts.os, sizeof(node->os));
	}
	if (update->ticket_number == node->logins + 1) {
		node->logins = update->ticket_number;
		/* With the next tick: until then the one before is good too. */
		node->unsaved = session->sessions->unsaved = true;
	}
	if (update->has_wireguard_key)
		change_wireguard_key(session, update->wireguard_key, now_s);
	if (update->has_routes && session->state == SESSION_READY)
		session_take_routes(session, update, now_s);
}

static void handle_ping(struct session *session, const struct control_ping *ping, uint64_t now_s)
{
	struct control_message pong = { .type = CONTROL_PONG };

	pong.ping.sent_ns = ping->sent_ns;
	pong.ping.time_s = now_s;
	pong.ping.report = session->sessions->network->report_paths;
	session_send(session, &pong);
}

/* Messages that cost a signature or a write have a bucket of their own. */
static bool may_change(struct session *session, enum control_type type, uint64_t now_ns)
{
	return (type != CONTROL_UPDATE && type != CONTROL_RESYNC && type != CONTROL_REPORT) ||
	       rate_take(&session->changes, (double)limit(session, LIMIT_CHANGES_PER_MINUTE) / 60,
			 (double)limit(session, LIMIT_CHANGES_BURST), now_ns);
}

static void answer_too_many(struct session *session)
{
	if (session->state == SESSION_READY)
		answer_signal(session, session->node->device_key, CONTROL_ERROR_RATE,
			      "too many messages; this one was dropped");
}

static void handle_ready(struct session *session, struct control_message *message, uint64_t now_ns,
			 uint64_t now_s)
{
	if (!may_change(session, message->type, now_ns)) {
		answer_too_many(session);
		return;
	}
	switch (message->type) {
	case CONTROL_UPDATE:
		handle_update(session, &message->update, now_s);
		break;
	case CONTROL_REPORT:
		report_take(session->sessions->network, session->node, &message->report, now_s);
		break;
	case CONTROL_RESYNC:
		if (!session->map_due)
			send_whole_map(session);
		break;
	case CONTROL_PING:
		handle_ping(session, &message->ping, now_s);
		break;
	case CONTROL_PONG:
		answer_probes(session);
		break;
	case CONTROL_SIGNAL:
		handle_signal(session, message);
		break;
	default:
		end_with(session, CONTROL_ERROR_MALFORMED, "a node does not send this message");
		break;
	}
}

/* Whatever else it says is of no use yet: it says it again when it is welcome. */
static void handle_waiting(struct session *session, const struct control_message *message,
			   uint64_t now_s)
{
	if (message->type == CONTROL_PING)
		handle_ping(session, &message->ping, now_s);
	else if (message->type == CONTROL_PONG)
		answer_probes(session);
}

static bool is_settled(const struct session *session)
{
	return session->state == SESSION_READY || session->state == SESSION_WAITING;
}

static void handle(struct session *session, const char *json, size_t len, uint64_t now_ns,
		   uint64_t now_s)
{
	struct control_message message;
	int err;

	/* Before it is parsed, which is most of what it costs. */
	if (is_settled(session) &&
	    !rate_take(&session->messages, (double)limit(session, LIMIT_MESSAGES_PER_S),
		       (double)limit(session, LIMIT_MESSAGES_BURST), now_ns)) {
		answer_too_many(session);
		return;
	}
	err = control_parse(&message, json, len);
	if (err == -EPROTONOSUPPORT && is_settled(session))
		return; /* from a newer node */
	if (err == -EPROTONOSUPPORT) {
		end_with(session, CONTROL_ERROR_VERSION,
			 "this protocol version is not spoken here; update the older side");
		return;
	}
	if (err < 0) {
		end_with(session, CONTROL_ERROR_MALFORMED, "a message that cannot be understood");
		return;
	}
	if (session->state == SESSION_GREETING)
		handle_greeting(session, &message, now_ns, now_s);
	else if (session->state == SESSION_WAITING)
		handle_waiting(session, &message, now_s);
	else if (session->state == SESSION_READY)
		handle_ready(session, &message, now_ns, now_s);
	control_message_clear(&message);
}

void session_input(struct session *session, const uint8_t *frame, size_t len, uint64_t now_ns,
		   uint64_t now_s)
{
	char *json;
	size_t json_len;
	int err;

	if (session->state == SESSION_ENDED)
		return;
	err = control_channel_input(session->channel, frame, len);
	if (err < 0) {
		log_debug("frame-refused error=\"%s\"", strerror(-err));
		hang_up(session);
		return;
	}
	pump(session);
	if (is_settled(session))
		session->deadline_ns = now_ns + limit(session, LIMIT_SILENCE_S) * NS_PER_S;
	if (control_channel_poll_message(session->channel, &json, &json_len))
		handle(session, json, json_len, now_ns, now_s);
}

static void renew(struct session *session, uint64_t now_s)
{
	struct network *network = session->sessions->network;
	struct node *node = session->node;

	if (now_s >= session->credentials_s + CREDENTIALS_RENEW_S || now_s < session->credentials_s)
		sessions_send_credentials(session, now_s);
	if (!store_is_away(network->store))
		session_review_routes(session, now_s);
	/* In strict mode admins are asked, see strict_tick. */
	if (session->state != SESSION_READY || network->strict.on ||
	    !certificate_is_due(node, now_s))
		return;
	if (network_rekey(network, node, node->wireguard_key, now_s) < 0) {
		log_error("store-failed node=%s what=certificate", node->name);
		return;
	}
	sessions_want_flush(session->sessions);
	session_send_certificate(session);
}

void session_tick(struct session *session, uint64_t now_ns, uint64_t now_s)
{
	bool late = now_ns >= session->deadline_ns;

	if (late && session->state == SESSION_PROBING)
		take_over(session, now_ns, now_s);
	else if (late)
		hang_up(session);
	else if (session->state == SESSION_READY && sessions_look_due(&session->looked_s, now_s))
		renew(session, now_s);
}
