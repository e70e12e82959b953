#include "daemon/connection_state.h"

#include <stdio.h>
#include <string.h>

#include "daemon/dataplane.h"
#include "daemon/ping.h"
#include "daemon/relays.h"
#include "daemon/signalling.h"
#include "daemon/stun_index.h"
#include "proto/ice_description.h"

#define OFFER_RETRY_S   5 /* an offer that nobody answered is sent again */
#define OFFER_TRIES_MAX 6

static void pair_event(struct connection *conn, const struct ice_event *event)
{
	const struct path_pair pair = { event->pair.id, event->pair.class, event->pair.rtt_ns };
	const struct path_current *current = &conn->choice.current;

	switch (event->type) {
	case ICE_EVENT_PAIR_VALID:
		pathchoice_pair_valid(&conn->choice, &pair, connection_now_ns(conn));
		if (conn->leave_previous)
			ice_end_previous(conn->ice);
		conn->leave_previous = false;
		break;
	case ICE_EVENT_PAIR_RTT:
		pathchoice_pair_answered(&conn->choice, pair.id, pair.rtt_ns,
					 connection_now_ns(conn));
		if (current->kind != PATH_DIRECT || current->id != pair.id)
			break;
		conn->latency_ns = pair.rtt_ns;
		if (conn->probe_sent_ns) {
			conn->probe_sent_ns = 0;
			ping_answered(conn->mesh->pings, conn->peer, pair.rtt_ns);
		}
		break;
	case ICE_EVENT_PAIR_LOST:
		pathchoice_pair_lost(&conn->choice, pair.id, connection_now_ns(conn));
		break;
	case ICE_EVENT_FAILED:
		pathchoice_ice_failed(&conn->choice, connection_now_ns(conn));
		break;
	case ICE_EVENT_SELECTED:
	case ICE_EVENT_ROLE:
		return;
	}
	connection_punch_pair_event(conn, event);
}

void connection_ice_tell(struct connection *conn, struct ice_description *d)
{
	char text[ICE_DESCRIPTION_TEXT_MAX];
	size_t len;

	d->udp_blocked = relays_udp_blocked(conn->mesh->relays);
	d->moved = conn->moved;
	d->network = conn->mesh->network_count;
	connection_punch_report(conn, d);
	if (ice_description_encode(d, text, sizeof(text), &len) < 0)
		return;
	signalling_send(conn->mesh, conn->peer, d->answers[0] ? SIGNAL_ANSWER : SIGNAL_OFFER, text,
			len, SIGNAL_BY_BOTH);
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

void connection_ice_end(struct connection *conn)
{
	list_names(conn, "", "");
	connection_forget_hosts(conn);
	ice_agent_free(conn->ice);
	conn->ice = NULL;
	connection_punch_end(conn);
}

void connection_ice_drain(struct connection *conn)
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
	while (ice_poll_description(conn->ice, &description, connection_now_ns(conn))) {
		connection_hide_hosts(conn, &description);
		connection_ice_tell(conn, &description);
	}
	while (ice_poll_output(conn->ice, &datagram)) {
		const struct dp_path path = {
			.kind = DP_PATH_UDP,
			.remote = datagram.remote,
			.local = datagram.local.addr,
			.socket = dataplane_socket_on(conn->mesh->dp, datagram.local.port),
			.masked = conn->masked || relays_masked(conn->mesh->relays),
			.ifindex = local_candidates_ifindex(&conn->mesh->candidates,
							    &datagram.local.addr),
		};

		if (path.ifindex && connection_is_astray(conn, &datagram))
			continue;

		stun_index_note_sent(conn->mesh->stun, datagram.data, datagram.len,
				     mesh_peer_key(conn->peer));
		dataplane_send(conn->mesh->dp, &path, datagram.data, datagram.len, 0, datagram.ttl);
	}
}

static void start_ice(struct connection *conn)
{
	const struct cert *own = &conn->mesh->membership.cert;
	const struct cert *theirs = connection_peer_cert(conn);
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
		.budget = conn->mesh->checks,
	};

	conn->ice = ice_agent_new(&config, connection_now_ns(conn));
	if (!conn->ice)
		return;
	ice_set_signal_rtt(conn->ice, signalling_rtt_ns(conn->mesh));
	local_candidates_give(&conn->mesh->candidates, conn->ice, connection_now_ns(conn));
}

/* Looks for pairs anew. What the peer's agent said before answers no offer that follows. */
void connection_ice_restart(struct connection *conn)
{
	conn->described = false;
	conn->offers = 1;
	conn->offer_due_ns = connection_now_ns(conn) + OFFER_RETRY_S * NS_PER_S;
	ice_set_signal_rtt(conn->ice, signalling_rtt_ns(conn->mesh));
	ice_restart(conn->ice, connection_now_ns(conn));
}

/* The other side, or the way to the coordinator, may have been away when our offer was sent. */
void connection_ice_repeat_offer(struct connection *conn)
{
	if (!conn->ice || conn->described || connection_now_ns(conn) < conn->offer_due_ns)
		return;
	if (conn->offers++ >= OFFER_TRIES_MAX) {
		conn->offer_due_ns = CLOCK_NEVER;
		return;
	}
	conn->offer_due_ns = connection_now_ns(conn) + OFFER_RETRY_S * NS_PER_S;
	if (conn->offers > 1)
		ice_restart(conn->ice, connection_now_ns(conn));
}

void connection_ice_begin(struct connection *conn)
{
	conn->described = false;
	conn->offers = 0;
	conn->offer_due_ns = 0;
	start_ice(conn);
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
	char before[ICE_UFRAG_SIZE];

	/* Who tells addresses takes packets there. */
	connection_set_peer_relay_only(conn, false);
	connection_heard_directly(conn);
	if (!conn->ice)
		return; /* the relay is forced: our addresses are not told */
	snprintf(before, sizeof(before), "%s", ice_ufrag(conn->ice));
	leave_out_overlay(conn->mesh, description);
	connection_look_up_hosts(conn, description);
	if (ice_input_description(conn->ice, description, connection_now_ns(conn)) == 0) {
		conn->described = true;
		connection_punch_note(conn, description);
		connection_note_description(conn, description);
		connection_note_network(conn, description, before);
	}
	connection_advance(conn);
}

bool connection_owns(const struct connection *conn, const struct stun_message *msg)
{
	char ufrag[ICE_UFRAG_SIZE];

	if (msg->class != STUN_REQUEST)
		return ice_owns_transaction(conn->ice, msg->transaction);
	return ice_username_ufrag(msg, ufrag) == 0 && ice_owns_ufrag(conn->ice, ufrag);
}

bool connection_stun(struct connection *conn, const struct stun_message *msg, const uint8_t *data,
		     size_t len, const struct dp_path *from)
{
	const struct endpoint local = {
		.addr = from->local, .port = dataplane_socket_port(conn->mesh->dp, from->socket)
	};

	/* Port 0: what came to a socket that has been released meanwhile. */
	if (!conn->ice || !local.port || !connection_owns(conn, msg))
		return false;
	if (ice_input(conn->ice, data, len, &local, &from->remote, connection_now_ns(conn)) == 0)
		conn->masked = from->masked;
	connection_advance(conn);
	return true;
}

void connection_candidates_changed(struct connection *conn)
{
	if (!conn->ice)
		return;
	local_candidates_give(&conn->mesh->candidates, conn->ice, connection_now_ns(conn));
	connection_reveal_hosts(conn);
	connection_see_obstacle(conn);
	connection_advance(conn);
}
