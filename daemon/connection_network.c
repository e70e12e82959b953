#include "daemon/connection_state.h"

#include <string.h>

#include "daemon/dataplane.h"
#include "daemon/peer.h"
#include "kernel-iface/route.h"
#include "proto/ice_description.h"

static uint32_t link_of(const struct connection *conn, const struct ip_addr *local)
{
	return local_candidates_ifindex(&conn->mesh->candidates, local);
}

/* Does the kernel still send to the peer from where this pair does? */
static bool is_on_route(const struct connection *conn, const struct ip_addr *local,
			const struct ip_addr *remote)
{
	struct route_choice way;

	return route_choose(conn->mesh->netlink, remote, 0, &way) == 0 &&
	       (addr_equal(&way.source, local) || way.ifindex == link_of(conn, local));
}

/* It does not by itself, but would through the address's own interface. */
static bool has_own_route(const struct connection *conn, const struct ip_addr *local,
			  const struct ip_addr *remote)
{
	uint32_t ifindex = link_of(conn, local);
	struct route_choice way;

	return ifindex && route_choose(conn->mesh->netlink, remote, ifindex, &way) == 0;
}

void connection_note_route(struct connection *conn, const struct ice_pair_info *pair)
{
	conn->on_route = is_on_route(conn, &pair->local.addr, &pair->remote.addr);
}

/* The pair in force, if there is one. */
static bool current_pair(const struct connection *conn, struct ice_pair_info *pair)
{
	const struct path_current *current = &conn->choice.current;

	return current->kind == PATH_DIRECT && ice_pair_find(conn->ice, current->id, pair);
}

/*
 * The pair in force after a change. False when it leads nowhere now: its address is gone, or its
 * interface has no route to the peer any more. With one that is only not the best, it serves until
 * there is a pair by the new network.
 */
static bool still_leads(const struct connection *conn, const struct ice_pair_info *pair)
{
	const struct ip_addr *local = &pair->local.addr, *remote = &pair->remote.addr;
	struct ice_pair_info same;

	return ice_pair_find(conn->ice, pair->id, &same) &&
	       (is_on_route(conn, local, remote) || has_own_route(conn, local, remote) ||
		!conn->on_route);
}

bool connection_is_astray(const struct connection *conn, const struct ice_datagram *datagram)
{
	const struct ip_addr *local = &datagram->local.addr, *remote = &datagram->remote.addr;

	return link_of(conn, local) && !is_on_route(conn, local, remote) &&
	       !(datagram->previous && has_own_route(conn, local, remote));
}

void connection_note_network(struct connection *conn, const struct ice_description *d,
			     const char *before)
{
	bool another = conn->peer_network && d->network != conn->peer_network;

	conn->peer_network = d->network;
	if (!ice_previous_ufrag(conn->ice))
		return;
	if (strcmp(before, ice_ufrag(conn->ice)) != 0)
		conn->leave_previous = true;
	if (d->moved)
		ice_end_previous(conn->ice);
	if (!another)
		return;
	connection_ice_drain(conn);
	pathchoice_restarted(&conn->choice, connection_now_ns(conn));
}

/* Answers may wait unread: the pairs are asked again before anybody judges them. */
void connection_resume(struct connection *conn)
{
	if (!conn->ice)
		return;
	ice_set_active(conn->ice, false, connection_now_ns(conn));
	ice_set_active(conn->ice, true, connection_now_ns(conn));
	connection_ice_drain(conn);
}

void connection_network_changed(struct connection *conn, bool ways_changed)
{
	const uint64_t now_ns = connection_now_ns(conn);
	struct ice_pair_info pair;
	bool was_direct, lost;

	if (!conn->ice)
		return;
	was_direct = current_pair(conn, &pair);
	local_candidates_give(&conn->mesh->candidates, conn->ice, now_ns);
	lost = was_direct && !still_leads(conn, &pair);
	if (ways_changed || lost) {
		conn->moved = lost || !was_direct;
		conn->leave_previous = true;
		connection_punch_network_changed(conn);
		connection_ice_restart(conn);
		if (lost)
			ice_end_previous(conn->ice);
		connection_ice_drain(conn); /* what is lost by this is told to the chooser first */
		pathchoice_restarted(&conn->choice, now_ns);
	}
	connection_advance(conn);
}
