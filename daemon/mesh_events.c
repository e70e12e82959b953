#include "daemon/mesh_events.h"

#include "base/map.h"
#include "daemon/coordination.h"
#include "daemon/dataplane.h"
#include "daemon/device.h"
#include "daemon/enrolment.h"
#include "daemon/gossip.h"
#include "daemon/mdns_service.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/peer.h"
#include "daemon/portmap.h"
#include "daemon/relayed.h"
#include "daemon/relays.h"
#include "daemon/routing.h"
#include "daemon/signalling.h"
#include "daemon/stun_index.h"
#include "daemon/timestamp.h"
#include "proto/demux.h"
#include "proto/stun.h"

/* --- from the device --- */

static void on_peer_wanted(void *arg, struct peer *wireguard)
{
	routing_peer_wanted(arg, peer_owner(wireguard));
	mesh_peer_connect(peer_owner(wireguard));
}

static void on_session_up(void *arg, struct peer *wireguard)
{
	mesh_peer_session_up(peer_owner(wireguard));
	routing_peer_changed(arg, peer_owner(wireguard));
}

/*
 * Where a packet came from moves no path here: the chooser goes by checks that were answered, and
 * an authentic packet that came through a relay shows that the peer is there.
 */
static void on_peer_seen(void *arg, struct peer *wireguard, const struct dp_path *from)
{
	struct mesh *mesh = arg;
	uint8_t key[32];
	uint32_t relay = 0;

	if (from->kind == DP_PATH_STREAM)
		relay = relays_stream_relay(mesh->relays, from->stream);
	else if (from->channel)
		relays_channel_peer(mesh->relays, &from->remote, from->channel, key, &relay);
	if (relay)
		mesh_peer_seen_at_relay(peer_owner(wireguard), relay);
	mesh_peer_heard_elsewhere(peer_owner(wireguard), relay != 0);
}

/* What comes directly from a peer that is to be reached by relay alone is not answered directly. */
static bool on_may_answer(void *arg, struct peer *wireguard, const struct dp_path *from)
{
	(void)arg;
	return from->kind != DP_PATH_UDP || from->channel ||
	       mesh_peer_may_answer_directly(peer_owner(wireguard));
}

static void on_activity(void *arg, struct peer *wireguard, unsigned int notices)
{
	if (!(notices & DP_NOTICE_UNANSWERED))
		return;
	mesh_peer_unanswered(peer_owner(wireguard));
	routing_peer_unanswered(arg, peer_owner(wireguard));
}

/* Anybody can say that something is from a peer: only what holds shows where the peer is. */
static void take_relayed_signal(struct mesh *mesh, uint32_t relay,
				const uint8_t node_key[static 32], const uint8_t *data, size_t len)
{
	struct mesh_peer *peer = mesh_find_peer(mesh, node_key);

	if (peer && signalling_receive(mesh, node_key, data, len))
		mesh_peer_seen_at_relay(peer, relay);
}

static void on_other_message(void *arg, const uint8_t *data, size_t len, const struct dp_path *from)
{
	struct mesh *mesh = arg;
	struct stun_message msg;
	struct mesh_peer *peer;
	const uint8_t *owner;
	uint8_t key[32];
	uint32_t relay;

	if (from->channel) {
		if (relays_channel_peer(mesh->relays, &from->remote, from->channel, key, &relay))
			take_relayed_signal(mesh, relay, key, data, len);
		return;
	}
	if (relays_input(mesh->relays, data, len, from) ||
	    portmap_input(mesh->portmap, data, len) || stun_parse(&msg, data, len) < 0)
		return;
	owner = stun_index_find(mesh->stun, &msg);
	peer = owner ? mesh_find_peer(mesh, owner) : NULL;
	if (peer)
		mesh_peer_stun(peer, &msg, data, len, from);
}

static void on_stream_output(void *arg, uint32_t stream, const uint8_t *data, size_t len)
{
	struct mesh *mesh = arg;

	relays_output(mesh->relays, stream, data, len);
}

static void on_save_timestamp(void *arg, const uint8_t stamp[static 12])
{
	struct mesh *mesh = arg;

	mesh_saved(mesh, "timestamp", timestamp_save(mesh_path(mesh, "timestamp").text, stamp));
}

static void on_path_mtu(void *arg, struct peer *wireguard, unsigned int mtu)
{
	(void)arg;
	mesh_peer_path_mtu(peer_owner(wireguard), mtu);
}

static void on_echo(void *arg, struct peer *wireguard, const struct dp_echo *echo)
{
	(void)arg;
	mesh_peer_echoed(peer_owner(wireguard), echo);
}

static void on_documents(void *arg, struct peer *wireguard, const struct peer_message_held *held)
{
	gossip_heard(arg, peer_owner(wireguard), held);
}

static void on_routes(void *arg, struct peer *wireguard, uint32_t serial, uint32_t down)
{
	routing_peer_routes(arg, peer_owner(wireguard), serial, down);
}

const struct device_ops mesh_device_ops = {
	.peer_wanted = on_peer_wanted,
	.session_up = on_session_up,
	.peer_seen = on_peer_seen,
	.may_answer = on_may_answer,
	.activity = on_activity,
	.path_mtu = on_path_mtu,
	.echo = on_echo,
	.documents = on_documents,
	.routes = on_routes,
	.save_timestamp = on_save_timestamp,
	.other_message = on_other_message,
	.stream_output = on_stream_output,
};

/* --- from the relays --- */

/* Tells every peer; news from a relay concern them all. */
static void for_each_peer(struct mesh *mesh, void (*tell)(struct mesh_peer *peer, uint32_t relay),
			  uint32_t relay)
{
	struct mesh_peer *peer;
	size_t cursor = 0;

	while ((peer = map_next(mesh->peers, &cursor)))
		tell(peer, relay);
}

static void show_refusal(struct mesh *mesh)
{
	unsigned int code = 0;
	uint32_t relay = relays_refused(mesh->relays, &code);

	if (!relay)
		mesh_set_health(mesh, HEALTH_CREDENTIALS, NULL);
	else if (code == STUN_ERR_UNAUTHENTICATED || code == STUN_ERR_WRONG_CREDENTIALS)
		mesh_set_health(mesh, HEALTH_CREDENTIALS,
				"relay %s refuses our credentials (%u): its secret is not the one "
				"that the coordinator has, or a clock is wrong",
				relays_name(mesh->relays, relay), code);
	else if (code == STUN_ERR_FORBIDDEN)
		mesh_set_health(mesh, HEALTH_CREDENTIALS,
				"relay %s has this node registered from elsewhere: either that was "
				"before a restart and passes, or this disk is a copy",
				relays_name(mesh->relays, relay));
	else
		mesh_set_health(mesh, HEALTH_CREDENTIALS, "relay %s does not take us (%u)",
				relays_name(mesh->relays, relay), code);
}

static void on_relay_refused(void *arg, uint32_t relay, unsigned int code)
{
	(void)relay;
	(void)code;
	show_refusal(arg);
}

static void show_udp(struct mesh *mesh)
{
	const char *transport = NULL;
	uint32_t relay;
	size_t cursor = 0;

	/* Then one at least is up otherwise. */
	while (relays_udp_blocked(mesh->relays) && !transport &&
	       (relay = relays_next(mesh->relays, &cursor)))
		transport = relays_transport(mesh->relays, relay);
	mesh_set_health(mesh, HEALTH_UDP,
			transport ? "udp is blocked here; everything goes by relay over %s" : NULL,
			transport);
}

static void on_relay_up(void *arg, uint32_t relay)
{
	struct mesh *mesh = arg;

	mesh_set_health(mesh, HEALTH_RELAY, NULL);
	show_refusal(mesh);
	relayed_tell_all(mesh, relay);
	show_udp(mesh);
	for_each_peer(mesh, mesh_peer_relay_up, relay);
	portmap_relay_up(mesh->portmap);
	enrolment_relay_up(mesh->enrolment);
}

static void on_relay_down(void *arg, uint32_t relay)
{
	struct mesh *mesh = arg;

	show_udp(mesh);
	for_each_peer(mesh, mesh_peer_relay_down, relay);
}

static void on_relay_channel(void *arg, uint32_t relay, const uint8_t node_key[static 32])
{
	struct mesh_peer *peer = mesh_find_peer(arg, node_key);

	if (peer)
		mesh_peer_relay_up(peer, relay);
}

static void on_relay_absent(void *arg, uint32_t relay, const uint8_t node_key[static 32])
{
	struct mesh_peer *peer = mesh_find_peer(arg, node_key);

	if (peer)
		mesh_peer_relay_down(peer, relay);
}

static void on_relay_data(void *arg, uint32_t relay, const uint8_t node_key[static 32],
			  const uint8_t *data, size_t len)
{
	struct mesh *mesh = arg;
	struct mesh_peer *peer = mesh_find_peer(mesh, node_key);
	struct dp_path from;

	if (!peer)
		return;
	if (demux_datagram(data, len) != DEMUX_WIREGUARD)
		take_relayed_signal(mesh, relay, node_key, data, len);
	else if (relays_path(mesh->relays, relay, node_key, &from) == 0)
		dataplane_input(mesh->dp, data, len, &from);
}

static void on_relay_mapped(void *arg, const struct endpoint *mapped, const struct endpoint *base,
			    const struct ip_addr *server)
{
	struct mesh *mesh = arg;
	struct mesh_peer *peer;
	size_t cursor = 0;

	if (!local_candidates_mapped(&mesh->candidates, mapped, base, server))
		return;
	while ((peer = map_next(mesh->peers, &cursor)))
		mesh_peer_candidates_changed(peer);
}

static void on_relay_seen(void *arg, const struct endpoint *mapped, const struct endpoint *base,
			  const struct endpoint *server)
{
	struct mesh *mesh = arg;

	nat_mapping_observe(&mesh->nat, base, server, mapped, loop_now_ns(mesh->loop));
}

static void on_relay_home(void *arg, uint32_t relay)
{
	struct mesh *mesh = arg;

	if (!relay && mesh->map && mesh->map->relay_count)
		mesh_set_health(mesh, HEALTH_RELAY,
				"no relay answers; peers behind hard NATs cannot be reached");
	coordination_tell_home_relay(mesh);
}

const struct relays_ops mesh_relays_ops = {
	.up = on_relay_up,
	.down = on_relay_down,
	.channel = on_relay_channel,
	.absent = on_relay_absent,
	.refused = on_relay_refused,
	.data = on_relay_data,
	.mapped = on_relay_mapped,
	.seen = on_relay_seen,
	.home = on_relay_home,
};

/* --- names --- */

static void on_resolved(void *arg, const char *name, const struct ip_addr *addr)
{
	struct mesh *mesh = arg;
	struct mesh_peer *peer;
	size_t cursor = 0;

	while ((peer = map_next(mesh->peers, &cursor)))
		mesh_peer_resolved(peer, name, addr);
}

const struct mdns_service_ops mesh_mdns_ops = {
	.resolved = on_resolved,
};
