/* Paths that a user forced, at this end or at the other. */
#include "daemon/connection_state.h"

#include "daemon/signalling.h"

/* A peer that goes on sending directly is told again, but not for every packet. */
#define TELL_AGAIN_NS NS_PER_S

static bool is_relay_only(const struct connection *conn)
{
	return conn->mode == PATH_MODE_RELAY || conn->peer_relay_only;
}

/* Who insists on a direct path has none while the peer insists on the relay. */
static enum path_mode effective_mode(const struct connection *conn)
{
	return is_relay_only(conn) && conn->mode != PATH_MODE_DIRECT ? PATH_MODE_RELAY : conn->mode;
}

static void apply(struct connection *conn)
{
	bool was_held = connection_hold(conn);

	if (is_relay_only(conn)) {
		/* No check may go to the peer's address, and no candidate may tell ours. */
		connection_ice_end(conn);
		connection_begin_choice(conn,
					effective_mode(conn)); /* its pairs were the agent's */
	} else {
		pathchoice_set_mode(&conn->choice, conn->mode, connection_now_ns(conn));
		connection_see_obstacle(conn);
		if (!conn->ice) {
			connection_punch_begin_anew(conn);
			connection_ice_begin(conn);
		}
	}
	connection_let_go(conn, was_held);
}

void connection_set_mode(struct connection *conn, enum path_mode mode)
{
	if (conn->mode == mode)
		return;
	conn->mode = mode;
	apply(conn);
}

void connection_set_peer_relay_only(struct connection *conn, bool relay_only)
{
	if (conn->peer_relay_only == relay_only)
		return;
	conn->peer_relay_only = relay_only;
	apply(conn);
}

void connection_heard_directly(struct connection *conn)
{
	const uint8_t relay_only = 1;

	if (conn->mode != PATH_MODE_RELAY ||
	    (conn->told_ns && connection_now_ns(conn) < conn->told_ns + TELL_AGAIN_NS))
		return;
	conn->told_ns = connection_now_ns(conn);
	signalling_send(conn->mesh, conn->peer, SIGNAL_RELAY_ONLY, &relay_only, sizeof(relay_only),
			SIGNAL_BY_COORDINATOR);
}

bool connection_may_answer_directly(const struct connection *conn)
{
	return !is_relay_only(conn);
}
