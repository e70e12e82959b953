#include "daemon/connection_state.h"

#include "daemon/dataplane.h"
#include "daemon/peer.h"
#include "daemon/relayed.h"
#include "daemon/relays.h"

#define OTHER_RELAY_PENALTY_NS NS_PER_S /* of a relay where the peer is not known to be */

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
void connection_keep_relays(const struct connection *conn)
{
	const struct path_current *current = &conn->choice.current;
	struct relays *relays = conn->mesh->relays;

	relays_want(relays, home_of_peer(conn));
	relays_want(relays, mesh_peer_seen_relay(conn->peer));
	if (current->kind == PATH_RELAY)
		relays_want(relays, current->id);
	relayed_expire(conn->mesh, conn->peer);
}

/* Until that is measured, the peer is taken to be as far from the relay as we are. */
void connection_check_relay(const struct connection *conn)
{
	if (conn->choice.current.kind == PATH_DIRECT)
		relays_unanswered(conn->mesh->relays, home_of_peer(conn));
}

static void offer_relay(struct connection *conn, uint32_t relay, uint64_t penalty_ns)
{
	struct relays *relays = conn->mesh->relays;

	if (relays_is_up(relays, relay) &&
	    !relays_reaches(relays, relay, mesh_peer_key(conn->peer)))
		relayed_ask(conn->mesh, conn->peer, relay);
	else if (relays_is_up(relays, relay))
		pathchoice_relay_up(&conn->choice, relay,
				    2 * relays_rtt_ns(relays, relay) + penalty_ns,
				    connection_now_ns(conn));
}

/*
 * Every relay that may lead to the peer: its home, where it was last heard, and as a last resort
 * any that we are at, because the peer keeps a second one warm as well. One where it is not says
 * so.
 */
void connection_offer_relays(struct connection *conn)
{
	struct relays *relays = conn->mesh->relays;
	uint32_t seen = mesh_peer_seen_relay(conn->peer);
	uint32_t home = home_of_peer(conn);
	uint32_t relay;
	size_t cursor = 0;

	connection_keep_relays(conn);
	offer_relay(conn, home, 0);
	if (seen && seen != home)
		offer_relay(conn, seen, 0);
	while ((relay = relays_next(relays, &cursor))) {
		if (relay != home && relay != seen)
			offer_relay(conn, relay, OTHER_RELAY_PENALTY_NS);
	}
}

void connection_relay_up(struct connection *conn, uint32_t relay)
{
	const struct path_current *current = &conn->choice.current;
	bool was_held = connection_hold(conn);
	struct dp_path path;

	connection_see_obstacle(conn);
	connection_offer_relays(conn);
	/* The same relay may be reached otherwise now: a channel instead of indications. */
	if (current->kind == PATH_RELAY && current->id == relay &&
	    connection_resolve_path(conn, current, &path))
		peer_set_path(connection_wireguard(conn), &path);
	connection_let_go(conn, was_held);
}

void connection_relay_down(struct connection *conn, uint32_t relay)
{
	pathchoice_relay_down(&conn->choice, relay, connection_now_ns(conn));
	connection_advance(conn);
}
