#include "daemon/connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/dataplane.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/peer.h"
#include "daemon/ping.h"
#include "daemon/relays.h"
#include "daemon/signalling.h"
#include "daemon/stun_index.h"
#include "proto/ice.h"
#include "proto/ice_description.h"

#define OFFER_RETRY_S          5 /* an offer that nobody answered is sent again */
#define OFFER_TRIES_MAX        6
#define PROBE_SIZE             8        /* bytes: a number that comes back */
#define OTHER_RELAY_PENALTY_NS NS_PER_S /* of a relay where the peer is not known to be */
#define PAIR_WATCH_MS          100      /* between two looks whether data that flows is answered */
#define RELAY_WATCH_MS         500 /* between two questions whether the relay in use still lives */

struct connection {
	struct mesh *mesh;
	struct mesh_peer *peer;
	struct ice_agent *ice;         /* NULL while the relay is forced */
	char names[2][ICE_UFRAG_SIZE]; /* of the agent, as mesh->stun lists them; "": none */
	struct pathchoice choice;
	bool described; /* the peer's agent answered */
	unsigned int offers;
	uint64_t offer_due_ns;
	uint64_t wanted_ns; /* when there was a reason last */
	uint64_t watch_due_ns;
	struct loop_timer timer;
	bool held;    /* news may come in now, but are acted on by whoever holds it */
	bool advance; /* there were some */
	struct endpoint direct_remote;
	uint64_t latency_ns; /* of the path in force; 0: unknown */
	uint64_t probe_token;
	uint64_t probe_sent_ns; /* 0: none is awaited */
};

static void advance(struct connection *conn);
static void restart_ice(struct connection *conn);

static uint64_t now_ns(const struct connection *conn)
{
	return loop_now_ns(conn->mesh->loop);
}

static struct peer *wireguard(const struct connection *conn)
{
	return mesh_peer_wireguard(conn->peer);
}

static const struct cert *peer_cert(const struct connection *conn)
{
	return &mesh_peer_info(conn->peer)->cert->parsed;
}

/* --- following the path chooser --- */

static void log_path(const struct connection *conn, const struct path_current *current)
{
	static const char *const kinds[] = { "none", "relay", "direct" };
	char text[ENDPOINT_TEXT_SIZE] = "-";

	if (current->kind == PATH_DIRECT)
		endpoint_format(text, &conn->direct_remote);
	else if (current->kind == PATH_RELAY)
		snprintf(text, sizeof(text), "%s", relays_name(conn->mesh->relays, current->id));
	log_info("path peer=%s kind=%s via=%s reason=%s", peer_cert(conn)->name,
		 kinds[current->kind], text, path_reason_text(current->reason));
}

/* The chooser's path as the data plane knows it. False when it cannot be used after all. */
static bool resolve_path(struct connection *conn, const struct path_current *current,
			 struct dp_path *path)
{
	struct ice_pair_info pair;

	*path = (struct dp_path){ .kind = DP_PATH_NONE };
	switch (current->kind) {
	case PATH_DIRECT:
		if (!conn->ice || !ice_pair_find(conn->ice, current->id, &pair))
			return false;
		path->kind = DP_PATH_UDP;
		path->remote = pair.remote;
		path->local = pair.local.addr;
		conn->direct_remote = pair.remote;
		conn->latency_ns = pair.rtt_ns;
		return true;
	case PATH_RELAY:
		return relays_path(conn->mesh->relays, current->id, mesh_peer_key(conn->peer),
				   path) == 0;
	case PATH_NONE:
		break;
	}
	return true;
}

static void use_path(struct connection *conn, const struct path_current *current)
{
	struct dp_path path;

	if (current->kind == PATH_RELAY)
		conn->latency_ns = 0;
	if (!resolve_path(conn, current, &path))
		return;
	log_path(conn, current);
	peer_set_path(wireguard(conn), &path);
	if (path.kind == DP_PATH_NONE)
		return;
	if (peer_handshake_under_way(wireguard(conn)))
		peer_resend_handshake(wireguard(conn));
	else if (!peer_has_session(wireguard(conn)))
		peer_start_handshake(wireguard(conn));
	if (current->kind == PATH_RELAY) {
		connection_probe(conn);
		conn->watch_due_ns = now_ns(conn);
	}
}

/*
 * The chooser wants to know when data goes unanswered. While data flows every packet goes
 * unanswered for a moment, and a notice for each would keep both threads busy; no step of the
 * chooser comes sooner after it than the next look.
 */
static void watch_pair(struct connection *conn)
{
	const struct path_activity *activity = &conn->choice.activity;

	if (now_ns(conn) < activity->last_tx_data_ns + NS_PER_S)
		conn->watch_due_ns = now_ns(conn) + PAIR_WATCH_MS * NS_PER_MS;
	else
		dataplane_peer_notify(peer_dp(wireguard(conn)), DP_NOTICE_UNANSWERED);
}

static void follow_orders(struct connection *conn)
{
	struct path_order order;
	unsigned int i;

	while (pathchoice_poll(&conn->choice, &order)) {
		switch (order.type) {
		case PATH_ORDER_USE:
			use_path(conn, &order.current);
			break;
		case PATH_ORDER_PROBE:
			for (i = 0; i < order.count && conn->ice; i++)
				ice_probe(conn->ice, order.id, now_ns(conn));
			break;
		case PATH_ORDER_WATCH:
			watch_pair(conn);
			break;
		case PATH_ORDER_RESTART:
			if (conn->ice)
				restart_ice(conn);
			break;
		}
	}
}

/* --- ICE --- */

static void pair_event(struct connection *conn, const struct ice_event *event)
{
	const struct path_pair pair = { event->pair.id, event->pair.class, event->pair.rtt_ns };
	const struct path_current *current = &conn->choice.current;

	switch (event->type) {
	case ICE_EVENT_PAIR_VALID:
		pathchoice_pair_valid(&conn->choice, &pair, now_ns(conn));
		break;
	case ICE_EVENT_PAIR_RTT:
		pathchoice_pair_answered(&conn->choice, pair.id, pair.rtt_ns, now_ns(conn));
		if (current->kind != PATH_DIRECT || current->id != pair.id)
			break;
		conn->latency_ns = pair.rtt_ns;
		if (conn->probe_sent_ns) {
			conn->probe_sent_ns = 0;
			ping_answered(conn->mesh->pings, conn->peer, pair.rtt_ns);
		}
		break;
	case ICE_EVENT_PAIR_LOST:
		pathchoice_pair_lost(&conn->choice, pair.id, now_ns(conn));
		break;
	case ICE_EVENT_FAILED:
		pathchoice_ice_failed(&conn->choice, now_ns(conn));
		break;
	case ICE_EVENT_SELECTED:
	case ICE_EVENT_ROLE:
		break;
	}
}

static void send_description(struct connection *conn, const struct ice_description *d)
{
	char text[ICE_DESCRIPTION_TEXT_MAX];
	size_t len;

	if (ice_description_encode(d, text, sizeof(text), &len) < 0)
		return;
	signalling_send(conn->mesh, conn->peer, d->answers[0] ? SIGNAL_ANSWER : SIGNAL_OFFER, text,
			len, SIGNAL_BY_COORDINATOR);
}

/* Lists the agent under the names that it has now, so that messages find it; "" takes one off. */
static void list_names(struct connection *conn, const char *current, const char *previous)
{
	const char *const names[] = { current, previous };
	size_t i;

	if (strcmp(conn->names[0], current) == 0 && strcmp(conn->names[1], previous) == 0)
		return;
	for (i = 0; i < 2; i++)
		stun_index_remove_name(conn->mesh->stun, conn->names[i]);
	for (i = 0; i < 2; i++) {
		snprintf(conn->names[i], ICE_UFRAG_SIZE, "%s", names[i]);
		if (names[i][0])
			stun_index_add_name(conn->mesh->stun, names[i], mesh_peer_key(conn->peer));
	}
}

static void end_ice(struct connection *conn)
{
	list_names(conn, "", "");
	ice_agent_free(conn->ice);
	conn->ice = NULL;
}

static void drain_ice(struct connection *conn)
{
	const char *previous;
	struct ice_description description;
	struct ice_datagram datagram;
	struct ice_event event;

	if (!conn->ice)
		return;
	previous = ice_previous_ufrag(conn->ice);
	list_names(conn, ice_ufrag(conn->ice), previous ? previous : "");
	while (ice_poll_event(conn->ice, &event))
		pair_event(conn, &event);
	while (ice_poll_description(conn->ice, &description, now_ns(conn)))
		send_description(conn, &description);
	while (ice_poll_output(conn->ice, &datagram)) {
		const struct dp_path path = {
			.kind = DP_PATH_UDP,
			.remote = datagram.remote,
			.local = datagram.local.addr,
		};

		stun_index_note_sent(conn->mesh->stun, datagram.data, datagram.len,
				     mesh_peer_key(conn->peer));
		dataplane_send(conn->mesh->dp, &path, datagram.data, datagram.len, 0);
	}
}

static void start_ice(struct connection *conn)
{
	const struct cert *own = &conn->mesh->membership.cert;
	const struct cert *theirs = peer_cert(conn);
	const struct prefix refused[] = {
		prefix_from_addr(&own->address4, 128),
		prefix_from_addr(&own->address6, 128),
		prefix_from_addr(&theirs->address4, 128),
		prefix_from_addr(&theirs->address6, 128),
	};
	const struct ice_config config = {
		/* Both sides can tell who is smaller, so the roles differ without asking. */
		.controlling = memcmp(own->device_key, theirs->device_key, 32) < 0,
		.rng = conn->mesh->rng,
		.refused = refused,
		.refused_count = sizeof(refused) / sizeof(*refused),
	};

	conn->ice = ice_agent_new(&config, now_ns(conn));
	if (conn->ice)
		local_candidates_give(&conn->mesh->candidates, conn->ice, now_ns(conn));
}

/* --- activity --- */

static void report_activity(struct connection *conn)
{
	struct dp_activity marks;
	struct path_activity activity;
	uint64_t latest_ns;

	dataplane_peer_activity(peer_dp(wireguard(conn)), &marks);
	activity.unanswered_since_ns = marks.unanswered_since_ns;
	activity.last_rx_ns = marks.last_rx_ns;
	activity.last_tx_data_ns = marks.last_tx_data_ns;
	pathchoice_set_activity(&conn->choice, &activity, now_ns(conn));
	pathchoice_set_online(&conn->choice, mesh_peer_online(conn->peer), now_ns(conn));
	latest_ns = marks.last_tx_data_ns > marks.last_rx_data_ns ? marks.last_tx_data_ns
								  : marks.last_rx_data_ns;
	if (latest_ns > conn->wanted_ns)
		conn->wanted_ns = latest_ns;
}

static bool is_idle(const struct connection *conn)
{
	return now_ns(conn) > conn->wanted_ns + CONNECTION_IDLE_S * NS_PER_S;
}

/* Is the relay still there? Asked when data goes unanswered, and again a while later. */
static void watch_relay(struct connection *conn)
{
	if (now_ns(conn) < conn->watch_due_ns)
		return;
	conn->watch_due_ns = CLOCK_NEVER;
	if (conn->choice.current.kind == PATH_RELAY)
		dataplane_peer_notify(peer_dp(wireguard(conn)), DP_NOTICE_UNANSWERED);
}

/* Looks for pairs anew. What the peer's agent said before answers no offer that follows. */
static void restart_ice(struct connection *conn)
{
	conn->described = false;
	conn->offers = 1;
	conn->offer_due_ns = now_ns(conn) + OFFER_RETRY_S * NS_PER_S;
	ice_restart(conn->ice, now_ns(conn));
}

/* The other side, or the way to the coordinator, may have been away when our offer was sent. */
static void repeat_offer(struct connection *conn)
{
	if (!conn->ice || conn->described || now_ns(conn) < conn->offer_due_ns)
		return;
	if (conn->offers++ >= OFFER_TRIES_MAX) {
		conn->offer_due_ns = CLOCK_NEVER;
		return;
	}
	conn->offer_due_ns = now_ns(conn) + OFFER_RETRY_S * NS_PER_S;
	if (conn->offers > 1)
		ice_restart(conn->ice, now_ns(conn));
}

static uint64_t next_deadline(const struct connection *conn)
{
	uint64_t next = conn->wanted_ns + CONNECTION_IDLE_S * NS_PER_S;
	uint64_t choice = pathchoice_next_timeout(&conn->choice);
	uint64_t online = mesh_peer_online_until_ns(conn->peer);
	uint64_t ice = conn->ice ? ice_next_timeout(conn->ice) : CLOCK_NEVER;

	if (online > now_ns(conn) && online < next)
		next = online;
	if (choice < next)
		next = choice;
	if (ice < next)
		next = ice;
	if (conn->ice && !conn->described && conn->offer_due_ns < next)
		next = conn->offer_due_ns;
	if (conn->watch_due_ns < next)
		next = conn->watch_due_ns;
	return next;
}

/* The peer's home relay, or what comes closest to it. */
static uint32_t home_of_peer(const struct connection *conn)
{
	const struct relays *relays = conn->mesh->relays;
	uint32_t seen = mesh_peer_seen_relay(conn->peer);
	uint32_t home = relays_find(relays, mesh_peer_home_relay(conn->peer));

	if (home)
		return home;
	return seen ? seen : relays_home(relays);
}

/*
 * Keeps us registered where packets go now, and where they could go if that ended. The workers do
 * not tell the relays what they send, so this is said again all along.
 */
static void keep_relays(const struct connection *conn)
{
	const struct path_current *current = &conn->choice.current;
	struct relays *relays = conn->mesh->relays;

	relays_want(relays, home_of_peer(conn));
	relays_want(relays, mesh_peer_seen_relay(conn->peer));
	if (current->kind == PATH_RELAY)
		relays_want(relays, current->id);
}

static void advance_once(struct connection *conn)
{
	if (conn->ice)
		ice_expire(conn->ice, now_ns(conn));
	repeat_offer(conn);
	drain_ice(conn);
	pathchoice_expire(&conn->choice, now_ns(conn));
	follow_orders(conn);
	drain_ice(conn); /* probes and restarts that were ordered */
	watch_relay(conn);
	keep_relays(conn);
}

/*
 * Lets time pass for everything that waits, does what came of it, and sets the next alarm. What is
 * done at the relays may bring news of them at once, and these would come back here: they wait
 * until the former order was carried out, or an old path would be set over a new one.
 */
static void advance(struct connection *conn)
{
	if (conn->held) {
		conn->advance = true;
		return;
	}
	report_activity(conn);
	if (is_idle(conn)) {
		mesh_peer_disconnect(conn->peer);
		return;
	}
	conn->held = true;
	do {
		conn->advance = false;
		advance_once(conn);
	} while (conn->advance);
	conn->held = false;
	loop_timer_set(&conn->timer, next_deadline(conn));
}

/* Between the two the relays may be asked for something; then all news are acted on. */
static bool hold(struct connection *conn)
{
	bool was_held = conn->held;

	conn->held = true;
	return was_held;
}

static void let_go(struct connection *conn, bool was_held)
{
	conn->held = was_held;
	advance(conn);
}

static void offer_relay(struct connection *conn, uint32_t relay, uint64_t penalty_ns)
{
	struct relays *relays = conn->mesh->relays;

	if (relays_is_up(relays, relay))
		pathchoice_relay_up(&conn->choice, relay, relays_rtt_ns(relays, relay) + penalty_ns,
				    now_ns(conn));
}

/*
 * Every relay that may lead to the peer: its home, where it was last heard, and as a last resort
 * any that we are at, because the peer keeps a second one warm as well. One where it is not says
 * so.
 */
static void offer_relays(struct connection *conn)
{
	struct relays *relays = conn->mesh->relays;
	uint32_t seen = mesh_peer_seen_relay(conn->peer);
	uint32_t home = home_of_peer(conn);
	uint32_t relay;
	size_t cursor = 0;

	keep_relays(conn);
	offer_relay(conn, home, 0);
	if (seen && seen != home)
		offer_relay(conn, seen, 0);
	while ((relay = relays_next(relays, &cursor))) {
		if (relay != home && relay != seen)
			offer_relay(conn, relay, OTHER_RELAY_PENALTY_NS);
	}
}

static void begin_choice(struct connection *conn, enum path_mode mode)
{
	pathchoice_init(&conn->choice, now_ns(conn));
	pathchoice_set_mode(&conn->choice, mode, now_ns(conn));
	pathchoice_set_online(&conn->choice, mesh_peer_online(conn->peer), now_ns(conn));
	if (relays_udp_blocked(conn->mesh->relays))
		pathchoice_set_obstacle(&conn->choice, PATH_REASON_UDP_BLOCKED, now_ns(conn));
	offer_relays(conn);
}

static void look_for_pairs(struct connection *conn)
{
	conn->described = false;
	conn->offers = 0;
	conn->offer_due_ns = 0;
	start_ice(conn);
}

static void on_timer(void *arg, uint64_t at_ns)
{
	(void)at_ns;
	advance(arg);
}

struct connection *connection_new(struct mesh *mesh, struct mesh_peer *peer, enum path_mode mode)
{
	struct connection *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->mesh = mesh;
	conn->peer = peer;
	conn->wanted_ns = now_ns(conn);
	conn->watch_due_ns = CLOCK_NEVER;
	loop_timer_init(&conn->timer, mesh->loop, on_timer, conn);
	begin_choice(conn, mode);
	if (mode != PATH_MODE_RELAY)
		look_for_pairs(conn);
	loop_timer_set(&conn->timer, now_ns(conn)); /* the caller is not done with us yet */
	return conn;
}

void connection_free(struct connection *conn)
{
	const struct dp_path nowhere = { .kind = DP_PATH_NONE };

	if (!conn)
		return;
	loop_timer_clear(&conn->timer);
	end_ice(conn);
	peer_set_path(wireguard(conn), &nowhere);
	free(conn);
}

void connection_want(struct connection *conn)
{
	conn->wanted_ns = now_ns(conn);
	if (!peer_has_session(wireguard(conn)))
		peer_start_handshake(wireguard(conn));
}

void connection_set_mode(struct connection *conn, enum path_mode mode)
{
	bool was_held = hold(conn);

	pathchoice_set_mode(&conn->choice, mode, now_ns(conn));
	if (mode == PATH_MODE_RELAY) {
		/* No check may go to the peer's address, and no candidate may tell ours. */
		end_ice(conn);
		begin_choice(conn, mode); /* its pairs were the agent's */
	} else if (!conn->ice) {
		look_for_pairs(conn);
	}
	let_go(conn, was_held);
}

/* --- news --- */

void connection_presence_changed(struct connection *conn, bool returned)
{
	bool was_held = hold(conn);

	pathchoice_set_online(&conn->choice, mesh_peer_online(conn->peer), now_ns(conn));
	offer_relays(conn);
	if (returned && !conn->described) {
		conn->offers = 0;
		conn->offer_due_ns = 0;
	}
	let_go(conn, was_held);
}

/*
 * A machine with two daemons has the other one's overlay address on an interface. A path to it
 * would lead through a tunnel, so it is no candidate.
 */
static void leave_out_overlay(const struct mesh *mesh, struct ice_description *description)
{
	size_t i, kept = 0;

	for (i = 0; i < description->count; i++) {
		if (!mesh_find_peer_address(mesh, &description->candidates[i].addr.addr))
			description->candidates[kept++] = description->candidates[i];
	}
	description->count = kept;
}

void connection_describe(struct connection *conn, struct ice_description *description)
{
	if (!conn->ice)
		return; /* the relay is forced: our addresses are not told */
	leave_out_overlay(conn->mesh, description);
	if (ice_input_description(conn->ice, description, now_ns(conn)) == 0)
		conn->described = true;
	advance(conn);
}

bool connection_stun(struct connection *conn, const struct stun_message *msg, const uint8_t *data,
		     size_t len, const struct dp_path *from)
{
	const struct endpoint local = { .addr = from->local,
					.port = dataplane_port(conn->mesh->dp) };
	char ufrag[ICE_UFRAG_SIZE];
	bool ours;

	if (!conn->ice)
		return false;
	if (msg->class == STUN_REQUEST)
		ours = ice_username_ufrag(msg, ufrag) == 0 && ice_owns_ufrag(conn->ice, ufrag);
	else
		ours = ice_owns_transaction(conn->ice, msg->transaction);
	if (!ours)
		return false;
	ice_input(conn->ice, data, len, &local, &from->remote, now_ns(conn));
	advance(conn);
	return true;
}

void connection_heard_elsewhere(struct connection *conn)
{
	pathchoice_heard_elsewhere(&conn->choice, now_ns(conn));
	advance(conn);
}

void connection_unanswered(struct connection *conn)
{
	const struct path_current *current = &conn->choice.current;
	bool was_held = hold(conn);

	if (current->kind == PATH_RELAY) {
		relays_unanswered(conn->mesh->relays, current->id);
		conn->watch_due_ns = now_ns(conn) + RELAY_WATCH_MS * NS_PER_MS;
	}
	let_go(conn, was_held);
}

void connection_relay_up(struct connection *conn, uint32_t relay)
{
	const struct path_current *current = &conn->choice.current;
	bool was_held = hold(conn);
	struct dp_path path;

	pathchoice_set_obstacle(&conn->choice,
				relays_udp_blocked(conn->mesh->relays) ? PATH_REASON_UDP_BLOCKED
								       : PATH_REASON_NONE,
				now_ns(conn));
	offer_relays(conn);
	/* The same relay may be reached otherwise now: a channel instead of indications. */
	if (current->kind == PATH_RELAY && current->id == relay &&
	    resolve_path(conn, current, &path))
		peer_set_path(wireguard(conn), &path);
	let_go(conn, was_held);
}

void connection_relay_down(struct connection *conn, uint32_t relay)
{
	pathchoice_relay_down(&conn->choice, relay, now_ns(conn));
	advance(conn);
}

void connection_candidates_changed(struct connection *conn, bool begin_anew)
{
	if (!conn->ice)
		return;
	local_candidates_give(&conn->mesh->candidates, conn->ice, now_ns(conn));
	if (begin_anew)
		restart_ice(conn);
	advance(conn);
}

/* --- measuring --- */

int connection_probe(struct connection *conn)
{
	const struct path_current *current = &conn->choice.current;
	uint8_t payload[PROBE_SIZE];
	int err;

	if (current->kind == PATH_NONE)
		return -ENOTCONN;
	conn->probe_sent_ns = clock_now_ns();
	if (current->kind == PATH_DIRECT) {
		err = conn->ice ? ice_probe(conn->ice, current->id, now_ns(conn)) : -ENOTCONN;
		drain_ice(conn);
		return err;
	}
	rng_fill(&conn->mesh->rng, &conn->probe_token, sizeof(conn->probe_token));
	store_be64(payload, conn->probe_token);
	return signalling_send(conn->mesh, conn->peer, SIGNAL_PROBE, payload, sizeof(payload),
			       SIGNAL_BY_RELAY);
}

void connection_probe_answered(struct connection *conn, const uint8_t *payload, size_t len)
{
	uint64_t rtt_ns;

	if (len != PROBE_SIZE || !conn->probe_sent_ns || load_be64(payload) != conn->probe_token)
		return;
	rtt_ns = clock_now_ns() - conn->probe_sent_ns;
	conn->probe_sent_ns = 0;
	if (conn->choice.current.kind == PATH_RELAY)
		conn->latency_ns = rtt_ns;
	ping_answered(conn->mesh->pings, conn->peer, rtt_ns);
}

const struct path_current *connection_path(const struct connection *conn)
{
	return &conn->choice.current;
}

const struct endpoint *connection_remote(const struct connection *conn)
{
	return &conn->direct_remote;
}

uint64_t connection_latency_ns(const struct connection *conn)
{
	return conn->latency_ns;
}
