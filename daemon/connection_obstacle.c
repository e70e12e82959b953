#include "daemon/connection_state.h"

#include <sys/socket.h>

#include "daemon/relays.h"
#include "proto/ice_description.h"

#define FAMILY_V4 1u
#define FAMILY_V6 2u

static unsigned int family_of(const struct ip_addr *addr)
{
	return addr->family == AF_INET ? FAMILY_V4 : FAMILY_V6;
}

static unsigned int own_families(const struct local_candidates *candidates)
{
	unsigned int families = 0;
	size_t i;

	for (i = 0; i < candidates->host_count; i++)
		families |= family_of(&candidates->hosts[i].addr);
	return families;
}

static enum path_reason obstacle(const struct connection *conn)
{
	unsigned int own = own_families(&conn->mesh->candidates);

	if (conn->peer_relay_only)
		return PATH_REASON_FORCED;
	if (relays_udp_blocked(conn->mesh->relays) || conn->peer_udp_blocked)
		return PATH_REASON_UDP_BLOCKED;
	if (own && conn->peer_families && !(own & conn->peer_families))
		return PATH_REASON_NO_FAMILY;
	return connection_punch_is_hopeless(conn) ? PATH_REASON_MAPPING : PATH_REASON_NONE;
}

void connection_see_obstacle(struct connection *conn)
{
	pathchoice_set_obstacle(&conn->choice, obstacle(conn), connection_now_ns(conn));
}

void connection_note_description(struct connection *conn, const struct ice_description *d)
{
	size_t i;

	conn->peer_udp_blocked = d->udp_blocked;
	for (i = 0; i < d->count; i++)
		conn->peer_families |= family_of(&d->candidates[i].addr.addr);
	connection_see_obstacle(conn);
}
