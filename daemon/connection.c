#include "daemon/connection_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "daemon/control_client.h"
#include "daemon/dataplane.h"
#include "daemon/peer.h"
#include "daemon/ping.h"
#include "daemon/relayed.h"
#include "daemon/relays.h"
#include "daemon/signalling.h"

#define PROBE_SIZE    8   /* bytes: a number that comes back */
#define PATH_WATCH_MS 100 /* between two looks whether data that flows is answered */

/* --- following the path chooser --- */

static void log_path(const struct connection *conn, const struct path_current *current)
{
	static const char *const kinds[] = { "none", "relay", "direct" };
	char text[ENDPOINT_TEXT_SIZE] = "-";

	if (current->kind == PATH_DIRECT)
		endpoint_format(text, &conn->direct_remote);
	else if (current->kind == PATH_RELAY)
		snprintf(text, sizeof(text), "%s", relays_name(conn->mesh->relays, current->id));
	log_info("path peer=%s kind=%s via=%s reason=%s", connection_peer_cert(conn)->name,
		 kinds[current->kind], text, path_reason_text(current->reason));
}

/* The chooser's path as the data plane knows it. False when it cannot be used after all. */
static bool resolve(struct connection *conn, const struct path_current *current,
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
		path->socket = dataplane_socket_on(conn->mesh->dp, pair.local.port);
		path->ifindex = local_candidates_ifindex(&conn->mesh->candidates, &pair.local.addr);
		return true;
	case PATH_RELAY:
		return relays_path(conn->mesh->relays, current->id, mesh_peer_key(conn->peer),
				   path) == 0;
	case PATH_NONE:
		break;
	}
	return true;
}

bool connection_resolve_path(struct connection *conn, const struct path_current *current,
			     struct dp_path *path)
{
	if (!resolve(conn, current, path))
		return false;
	if (current->kind == PATH_DIRECT) {
		conn->direct_remote = path->remote;
		conn->latency_ns = pathchoice_rtt_ns(&conn->choice);
	}
	return true;
}

static void use_path(struct connection *conn, const struct path_current *current)
{
	const struct dp_path nowhere = { .kind = DP_PATH_NONE };
	struct ice_pair_info pair;
	struct dp_path path;

	if (current->kind == PATH_RELAY)
		conn->latency_ns = 0;
	if (!connection_resolve_path(conn, current, &path)) {
		/* Another way that may be in force yet is not what the user asked for. */
		if (conn->choice.mode == PATH_MODE_RELAY)
			peer_set_path(connection_wireguard(conn), &nowhere);
		return;
	}
	log_path(conn, current);
	if (current->kind == PATH_DIRECT && ice_pair_find(conn->ice, current->id, &pair)) {
		connection_note_route(conn, &pair);
		conn->moved = false;
	}
	peer_set_path(connection_wireguard(conn), &path);
	if (path.kind == DP_PATH_NONE)
		return;
	if (peer_handshake_under_way(connection_wireguard(conn)))
		peer_resend_handshake(connection_wireguard(conn));
	else if (!peer_has_session(connection_wireguard(conn)))
		peer_start_handshake(connection_wireguard(conn));
	if (current->kind == PATH_RELAY)
		connection_probe(conn);
}

/*
 * The chooser wants to know when data goes unanswered. While data flows every packet goes
 * unanswered for a moment, and a notice for each would keep both threads busy; no step of the
 * chooser comes sooner after it than the next look.
 */
static void watch_path(struct connection *conn)
{
	const struct path_activity *activity = &conn->choice.activity;

	conn->watch_due_ns = CLOCK_NEVER;
	if (connection_now_ns(conn) < activity->last_tx_data_ns + NS_PER_S)
		conn->watch_due_ns = connection_now_ns(conn) + PATH_WATCH_MS * NS_PER_MS;
	else
		dataplane_peer_notify(peer_dp(connection_wireguard(conn)), DP_NOTICE_UNANSWERED);
}

/* Is the way open, and does what answers there answer? Of a relay: does it know us still? */
static void probe_path(struct connection *conn, const struct path_order *order)
{
	unsigned int i;

	if (order->kind == PATH_RELAY)
		relays_unanswered(conn->mesh->relays, order->id);
	for (i = 0; order->kind == PATH_DIRECT && i < order->count && conn->ice; i++)
		ice_probe(conn->ice, order->id, connection_now_ns(conn));
}

/* A way that is not there loses it, like any other packet. */
static void echo_path(struct connection *conn, const struct path_order *order)
{
	const struct path_current by = { .kind = order->kind, .id = order->id };
	struct dp_path path;

	if (resolve(conn, &by, &path) && dataplane_peer_echo(peer_dp(connection_wireguard(conn)),
							     &path, order->token) == -ENOKEY)
		pathchoice_echo_unsent(&conn->choice, order->token, connection_now_ns(conn));
}

static void follow_orders(struct connection *conn)
{
	struct path_order order;

	while (pathchoice_poll(&conn->choice, &order)) {
		switch (order.type) {
		case PATH_ORDER_USE:
			use_path(conn, &order.current);
			break;
		case PATH_ORDER_PROBE:
			probe_path(conn, &order);
			connection_check_relay(conn);
			break;
		case PATH_ORDER_ECHO:
			echo_path(conn, &order);
			break;
		case PATH_ORDER_WATCH:
			watch_path(conn);
			break;
		case PATH_ORDER_RESTART:
			if (conn->ice)
				connection_ice_restart(conn);
			break;
		}
	}
}

/* --- activity --- */

static void report_activity(struct connection *conn)
{
	struct dp_activity marks;
	struct path_activity activity;
	uint64_t latest_ns;

	dataplane_peer_activity(peer_dp(connection_wireguard(conn)), &marks);
	activity.silent_since_ns = marks.silent_since_ns;
	activity.last_tx_data_ns = marks.last_tx_data_ns;
	pathchoice_set_activity(&conn->choice, &activity, connection_now_ns(conn));
	pathchoice_set_online(&conn->choice, mesh_peer_online(conn->peer), connection_now_ns(conn));
	latest_ns = marks.last_tx_data_ns > marks.last_rx_data_ns ? marks.last_tx_data_ns
								  : marks.last_rx_data_ns;
	if (latest_ns > conn->wanted_ns)
		conn->wanted_ns = latest_ns;
}

#define IDLE_AGAIN_NS (5 * NS_PER_S) /* until an idle pair that may not end is looked at again */

static uint64_t idle_ns(const struct connection *conn)
{
	return conn->wanted_ns + conn->mesh->config->idle_s * NS_PER_S;
}

/* Without a relay and a coordinator nobody could be told that we look for a path again. */
static bool could_return(const struct connection *conn)
{
	const struct mesh *mesh = conn->mesh;
	size_t cursor = 0;
	uint32_t relay;

	if (conn->choice.current.kind != PATH_DIRECT ||
	    (mesh->control && control_client_alive(mesh->control)))
		return true;
	while ((relay = relays_next(mesh->relays, &cursor))) {
		if (relays_is_up(mesh->relays, relay))
			return true;
	}
	return false;
}

static bool is_idle(const struct connection *conn)
{
	return connection_now_ns(conn) > idle_ns(conn) && could_return(conn);
}

/* Quiet pairs are asked less often: just enough to keep the mappings. */
static void note_quiet(struct connection *conn)
{
	uint64_t quiet_ns = conn->wanted_ns + CONNECTION_QUIET_S * NS_PER_S;

	if (conn->ice)
		ice_set_active(conn->ice, connection_now_ns(conn) < quiet_ns,
			       connection_now_ns(conn));
}

static uint64_t next_deadline(const struct connection *conn)
{
	uint64_t now_ns = connection_now_ns(conn);
	uint64_t next = idle_ns(conn) > now_ns ? idle_ns(conn) : now_ns + IDLE_AGAIN_NS;
	uint64_t choice = pathchoice_next_timeout(&conn->choice);
	uint64_t online = mesh_peer_online_until_ns(conn->peer);
	uint64_t ice = conn->ice ? ice_next_timeout(conn->ice) : CLOCK_NEVER;

	if (online > connection_now_ns(conn) && online < next)
		next = online;
	if (choice < next)
		next = choice;
	if (ice < next)
		next = ice;
	if (conn->ice && !conn->described && conn->offer_due_ns < next)
		next = conn->offer_due_ns;
	if (conn->watch_due_ns < next)
		next = conn->watch_due_ns;
	if (relayed_next_timeout(conn->peer) < next)
		next = relayed_next_timeout(conn->peer);
	return next;
}

static void advance_once(struct connection *conn)
{
	if (connection_now_ns(conn) >= conn->watch_due_ns)
		conn->watch_due_ns = CLOCK_NEVER; /* this is the look */
	if (conn->ice)
		ice_expire(conn->ice, connection_now_ns(conn));
	connection_ice_repeat_offer(conn);
	connection_ice_drain(conn);
	pathchoice_expire(&conn->choice, connection_now_ns(conn));
	follow_orders(conn);
	connection_ice_drain(conn); /* probes and restarts that were ordered */
	connection_keep_relays(conn);
}

/*
 * Lets time pass for everything that waits, does what came of it, and sets the next alarm. What is
 * done at the relays may bring news of them at once, and these would come back here: they wait
 * until the former order was carried out, or an old path would be set over a new one.
 */
void connection_advance(struct connection *conn)
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
	note_quiet(conn);
	conn->held = true;
	do {
		conn->advance = false;
		advance_once(conn);
	} while (conn->advance);
	conn->held = false;
	loop_timer_set(&conn->timer, next_deadline(conn));
}

/* Between the two the relays may be asked for something; then all news are acted on. */
bool connection_hold(struct connection *conn)
{
	bool was_held = conn->held;

	conn->held = true;
	return was_held;
}

void connection_let_go(struct connection *conn, bool was_held)
{
	conn->held = was_held;
	connection_advance(conn);
}

void connection_begin_choice(struct connection *conn, enum path_mode mode)
{
	pathchoice_init(&conn->choice, connection_now_ns(conn));
	pathchoice_set_mode(&conn->choice, mode, connection_now_ns(conn));
	pathchoice_set_online(&conn->choice, mesh_peer_online(conn->peer), connection_now_ns(conn));
	connection_see_obstacle(conn);
	connection_offer_relays(conn);
}

static void on_timer(void *arg, uint64_t at_ns)
{
	(void)at_ns;
	connection_advance(arg);
}

struct connection *connection_new(struct mesh *mesh, struct mesh_peer *peer, enum path_mode mode)
{
	struct connection *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->mesh = mesh;
	conn->peer = peer;
	conn->wanted_ns = connection_now_ns(conn);
	conn->watch_due_ns = CLOCK_NEVER;
	loop_timer_init(&conn->timer, mesh->loop, on_timer, conn);
	conn->mode = mode;
	connection_punch_init(conn);
	connection_begin_choice(conn, mode);
	if (mode != PATH_MODE_RELAY)
		connection_ice_begin(conn);
	loop_timer_set(&conn->timer,
		       connection_now_ns(conn)); /* the caller is not done with us yet */
	return conn;
}

void connection_free(struct connection *conn)
{
	const struct dp_path nowhere = { .kind = DP_PATH_NONE };

	if (!conn)
		return;
	loop_timer_clear(&conn->timer);
	connection_punch_clear(conn);
	connection_ice_end(conn);
	peer_set_path(connection_wireguard(conn), &nowhere);
	free(conn);
}

void connection_want(struct connection *conn)
{
	conn->wanted_ns = connection_now_ns(conn);
	if (!peer_has_session(connection_wireguard(conn)))
		peer_start_handshake(connection_wireguard(conn));
}

/* --- news --- */

void connection_presence_changed(struct connection *conn, bool returned)
{
	bool was_held = connection_hold(conn);

	pathchoice_set_online(&conn->choice, mesh_peer_online(conn->peer), connection_now_ns(conn));
	connection_offer_relays(conn);
	if (returned && !conn->described) {
		conn->offers = 0;
		conn->offer_due_ns = 0;
	}
	connection_let_go(conn, was_held);
}

void connection_heard_elsewhere(struct connection *conn, bool by_relay)
{
	pathchoice_heard_elsewhere(&conn->choice, by_relay, connection_now_ns(conn));
	connection_advance(conn);
}

void connection_unanswered(struct connection *conn)
{
	connection_advance(conn);
}

void connection_echoed(struct connection *conn, const struct dp_echo *echo)
{
	pathchoice_echo_answered(&conn->choice, echo->token, echo->expected, echo->arrived,
				 connection_now_ns(conn));
	if (pathchoice_rtt_ns(&conn->choice))
		conn->latency_ns = pathchoice_rtt_ns(&conn->choice);
	connection_advance(conn);
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
		err = conn->ice ? ice_probe(conn->ice, current->id, connection_now_ns(conn))
				: -ENOTCONN;
		connection_ice_drain(conn);
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

unsigned int connection_loss(const struct connection *conn)
{
	return pathchoice_loss(&conn->choice);
}
