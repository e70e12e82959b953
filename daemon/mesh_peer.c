#include "daemon/mesh_peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/connection.h"
#include "daemon/dataplane.h"
#include "daemon/device.h"
#include "daemon/mesh.h"
#include "daemon/peer.h"
#include "daemon/ping.h"
#include "daemon/relayed.h"
#include "daemon/relays.h"
#include "daemon/router.h"
#include "daemon/routing.h"
#include "daemon/signalling.h"
#include "daemon/speed_service.h"
#include "daemon/status.h"
#include "daemon/tunnel.h"
#include "proto/filter.h"
#include "proto/ice_description.h"

struct mesh_peer {
	struct mesh *mesh;
	struct netmap_peer *info;
	struct peer *wireguard;
	struct connection *conn; /* NULL while idle */

	bool presence_known; /* the coordinator has spoken of it; what follows is its word */
	bool online;
	char home_relay[NETMAP_RELAY_NAME_MAX + 1];
	uint64_t last_seen_s;
	uint32_t seen_relay; /* through which it spoke to us last; 0: none */
	uint64_t signal_ns;  /* when it signalled last; 0: never */

	struct relayed_peer relayed;
	struct gossip_peer gossip;
	unsigned int route_mtu; /* that its routes say; 0: none */
	uint64_t signal_session;
	uint64_t signal_counter;
	struct signal_replay replay;
};

/* --- WireGuard's side: allowed addresses, rules --- */

/* Its own addresses; prefixes behind it are routing's. former: what it had before, or NULL. */
static int set_allowed_ips(struct mesh_peer *peer, const struct cert *cert,
			   const struct cert *former)
{
	struct dp_peer *dp = peer_dp(peer->wireguard);
	const struct ip_addr *addresses[] = { &cert->address4, &cert->address6 };
	const struct ip_addr *old[] = { former ? &former->address4 : NULL,
					former ? &former->address6 : NULL };
	size_t i;
	int err = 0;

	for (i = 0; i < 2 && err == 0; i++) {
		struct prefix host = prefix_from_addr(addresses[i], 128);

		if (old[i] && addr_len(old[i]) && !addr_equal(old[i], addresses[i])) {
			struct prefix gone = prefix_from_addr(old[i], 128);

			dataplane_allowed_ip_remove(dp, &gone);
		}
		if (addr_len(addresses[i]))
			err = dataplane_allowed_ip_set(dp, &host);
	}
	return err;
}

/* What the map lets the peer start, and what we do ourselves. */
static struct filter_rules *make_rules(const struct mesh *mesh, const struct netmap_peer *info)
{
	const struct cert *cert = &info->cert->parsed;
	const struct ip_addr theirs[] = { cert->address4, cert->address6 };
	const struct netmap_rules *given = info->rules;
	struct filter_rule *list = calloc(given->count + 2u, sizeof(*list));
	struct filter_rules *rules = NULL;
	size_t count = given->count;

	if (!list)
		return NULL;
	memcpy(list, given->list, count * sizeof(*list));
	if (count + 2 <= FILTER_RULES_MAX)
		count += speed_service_rules(mesh, list + count);
	rules = filter_rules_new(list, count, theirs);
	free(list);
	return rules;
}

static int set_rules(struct mesh_peer *peer, const struct netmap_peer *info)
{
	const struct cert *own = &peer->mesh->membership.cert;
	const struct ip_addr ours[] = { own->address4, own->address6 };
	struct filter_rules *rules = make_rules(peer->mesh, info);
	struct filter_rules *lan = NULL;

	if (rules && info->lan)
		lan = filter_rules_new(info->lan->list, info->lan->count, ours);
	if (!rules || (info->lan && !lan)) {
		filter_rules_free(rules);
		return -ENOMEM;
	}
	return dataplane_peer_set_rules(peer_dp(peer->wireguard), rules, lan);
}

static int add_wireguard(struct mesh_peer *peer, const struct netmap_peer *info)
{
	struct mesh *mesh = peer->mesh;
	int err = device_peer_add(mesh->device, info->cert->parsed.wireguard_key, &peer->wireguard);

	if (err < 0)
		return err;
	peer_set_owner(peer->wireguard, peer);
	err = set_rules(peer, info);
	if (err == 0)
		err = set_allowed_ips(peer, &info->cert->parsed, NULL);
	if (err < 0) {
		device_peer_remove(peer->wireguard);
		peer->wireguard = NULL;
	}
	return err;
}

/* --- life --- */

int mesh_peer_new(struct mesh_peer **out, struct mesh *mesh, struct netmap_peer *info)
{
	struct mesh_peer *peer = calloc(1, sizeof(*peer));
	int err;

	if (!peer)
		return -ENOMEM;
	peer->mesh = mesh;
	err = add_wireguard(peer, info);
	if (err < 0) {
		free(peer);
		return err;
	}
	peer->info = netmap_peer_ref(info);
	rng_fill(&mesh->rng, &peer->signal_session, sizeof(peer->signal_session));
	*out = peer;
	return 0;
}

void mesh_peer_free(struct mesh_peer *peer)
{
	if (!peer)
		return;
	mesh_peer_disconnect(peer);
	ping_forget(peer->mesh->pings, peer);
	if (peer->wireguard)
		device_peer_remove(peer->wireguard);
	netmap_peer_unref(peer->info);
	free(peer);
}

int mesh_peer_update(struct mesh_peer *peer, struct netmap_peer *info)
{
	bool rekeyed = memcmp(info->cert->parsed.wireguard_key,
			      peer->info->cert->parsed.wireguard_key, 32) != 0;
	bool had_session = peer_has_session(peer->wireguard);
	int err;

	if (rekeyed) {
		mesh_peer_disconnect(peer);
		device_peer_remove(peer->wireguard);
		peer->wireguard = NULL;
		err = add_wireguard(peer, info);
		had_session = had_session && err == 0;
	} else {
		err = set_rules(peer, info);
		if (err == 0)
			err = set_allowed_ips(peer, &info->cert->parsed, &peer->info->cert->parsed);
	}
	netmap_peer_ref(info);
	netmap_peer_unref(peer->info);
	peer->info = info;
	/* It has the new key by now, or begins as soon as it has; see daemon/rotation.h. */
	if (rekeyed && had_session) {
		mesh_peer_connect(peer);
		peer_start_handshake(peer->wireguard);
	}
	return err;
}

void mesh_peer_refresh_rules(struct mesh_peer *peer)
{
	if (peer->wireguard && set_rules(peer, peer->info) < 0)
		log_error("rules-not-set peer=%s error=\"out of memory\"",
			  peer->info->cert->parsed.name);
}

const struct netmap_peer *mesh_peer_info(const struct mesh_peer *peer)
{
	return peer->info;
}

const uint8_t *mesh_peer_key(const struct mesh_peer *peer)
{
	return peer->info->cert->parsed.device_key;
}

struct peer *mesh_peer_wireguard(const struct mesh_peer *peer)
{
	return peer->wireguard;
}

const char *mesh_peer_home_relay(const struct mesh_peer *peer)
{
	return peer->home_relay;
}

/* The last sign of life that the peer itself gave; 0: none. */
static uint64_t heard_ns(const struct mesh_peer *peer)
{
	uint64_t latest_ns = peer->signal_ns;
	struct dp_activity marks;

	dataplane_peer_activity(peer_dp(peer->wireguard), &marks);
	if (marks.last_rx_ns > latest_ns)
		latest_ns = marks.last_rx_ns;
	if (peer_last_handshake_ns(peer->wireguard) > latest_ns)
		latest_ns = peer_last_handshake_ns(peer->wireguard);
	return latest_ns;
}

uint64_t mesh_peer_online_until_ns(const struct mesh_peer *peer)
{
	uint64_t heard;

	if (!peer->presence_known || peer->online)
		return CLOCK_NEVER;
	heard = heard_ns(peer);
	return heard ? heard + MESH_PEER_HEARD_S * NS_PER_S : 0;
}

bool mesh_peer_online(const struct mesh_peer *peer)
{
	return mesh_peer_online_until_ns(peer) > loop_now_ns(peer->mesh->loop);
}

bool mesh_peer_said_offline(const struct mesh_peer *peer)
{
	return peer->presence_known && !peer->online;
}

uint64_t mesh_peer_latency_ns(const struct mesh_peer *peer)
{
	return peer->conn ? connection_latency_ns(peer->conn) : 0;
}

uint32_t mesh_peer_seen_relay(const struct mesh_peer *peer)
{
	return peer->seen_relay;
}

const struct path_current *mesh_peer_path(const struct mesh_peer *peer)
{
	return peer->conn ? connection_path(peer->conn) : NULL;
}

struct gossip_peer *mesh_peer_gossip(struct mesh_peer *peer)
{
	return &peer->gossip;
}

struct relayed_peer *mesh_peer_relayed(struct mesh_peer *peer)
{
	return &peer->relayed;
}

struct signal_replay *mesh_peer_replay(struct mesh_peer *peer)
{
	return &peer->replay;
}

void mesh_peer_next_signal(struct mesh_peer *peer, uint64_t *session, uint64_t *counter)
{
	*session = peer->signal_session;
	*counter = ++peer->signal_counter;
}

/* --- connecting --- */

void mesh_peer_connect(struct mesh_peer *peer)
{
	enum path_mode mode = settings_path(&peer->mesh->settings, peer->info->cert->parsed.name);

	if (peer->conn)
		connection_want(peer->conn);
	else
		peer->conn = connection_new(peer->mesh, peer, mode);
}

void mesh_peer_disconnect(struct mesh_peer *peer)
{
	struct connection *conn = peer->conn;

	peer->conn = NULL;
	connection_free(conn);
	if (conn)
		relays_release_peer(peer->mesh->relays, mesh_peer_key(peer));
}

void mesh_peer_set_mode(struct mesh_peer *peer, enum path_mode mode)
{
	const uint8_t relay_only = mode == PATH_MODE_RELAY;

	if (peer->conn)
		connection_set_mode(peer->conn, mode);
	/* Else it would go on sending to our address until it finds that nobody answers. */
	signalling_send(peer->mesh, peer, SIGNAL_RELAY_ONLY, &relay_only, sizeof(relay_only),
			SIGNAL_BY_COORDINATOR);
}

bool mesh_peer_may_answer_directly(const struct mesh_peer *peer)
{
	if (peer->conn)
		return connection_may_answer_directly(peer->conn);
	return settings_path(&peer->mesh->settings, peer->info->cert->parsed.name) !=
	       PATH_MODE_RELAY;
}

int mesh_peer_probe(struct mesh_peer *peer)
{
	return peer->conn ? connection_probe(peer->conn) : -ENOTCONN;
}

/* --- news --- */

void mesh_peer_presence(struct mesh_peer *peer, const struct control_presence_entry *entry)
{
	bool returned = entry->online && !peer->online;

	peer->presence_known = true;
	peer->online = entry->online;
	peer->last_seen_s = entry->last_seen_s;
	snprintf(peer->home_relay, sizeof(peer->home_relay), "%s", entry->home_relay);
	if (peer->conn)
		connection_presence_changed(peer->conn, returned);
	routing_peer_changed(peer->mesh, peer);
}

static void take_description(struct mesh_peer *peer, const struct signal *signal)
{
	struct ice_description description;

	if (ice_description_decode(&description, (const char *)signal->payload,
				   signal->payload_len) < 0)
		return;
	mesh_peer_connect(peer);
	if (peer->conn)
		connection_describe(peer->conn, &description);
}

void mesh_peer_signal(struct mesh_peer *peer, const struct signal *signal)
{
	peer->signal_ns = loop_now_ns(peer->mesh->loop);
	switch (signal->kind) {
	case SIGNAL_OFFER:
	case SIGNAL_ANSWER:
	case SIGNAL_CANDIDATES:
		take_description(peer, signal);
		break;
	case SIGNAL_RELAY_ONLY:
		if (peer->conn && signal->payload_len == 1)
			connection_set_peer_relay_only(peer->conn, signal->payload[0] == 1);
		break;
	case SIGNAL_PROBE:
		signalling_send(peer->mesh, peer, SIGNAL_PROBE_ANSWER, signal->payload,
				signal->payload_len, SIGNAL_BY_RELAY);
		break;
	case SIGNAL_PROBE_ANSWER:
		if (peer->conn)
			connection_probe_answered(peer->conn, signal->payload, signal->payload_len);
		break;
	case SIGNAL_DOCUMENT:
		gossip_document(peer->mesh, peer, signal->payload, signal->payload_len);
		break;
	case SIGNAL_RELAYED:
		relayed_receive(peer->mesh, peer, signal->payload, signal->payload_len);
		break;
	default:
		break; /* something newer than this program */
	}
}

bool mesh_peer_stun(struct mesh_peer *peer, const struct stun_message *msg, const uint8_t *data,
		    size_t len, const struct dp_path *from)
{
	return peer->conn && connection_stun(peer->conn, msg, data, len, from);
}

void mesh_peer_session_up(struct mesh_peer *peer)
{
	if (!peer->conn)
		mesh_peer_connect(peer); /* the other side began */
	ping_session_up(peer->mesh->pings, peer);
	gossip_tell(peer->mesh, peer);
	router_tell(peer->mesh, peer);
}

void mesh_peer_heard_elsewhere(struct mesh_peer *peer, bool by_relay)
{
	if (peer->conn && !by_relay)
		connection_heard_directly(peer->conn);
	if (peer->conn)
		connection_heard_elsewhere(peer->conn, by_relay);
}

void mesh_peer_echoed(struct mesh_peer *peer, const struct dp_echo *echo)
{
	if (peer->conn)
		connection_echoed(peer->conn, echo);
}

void mesh_peer_unanswered(struct mesh_peer *peer)
{
	if (peer->conn)
		connection_unanswered(peer->conn);
}

void mesh_peer_suspect(struct mesh_peer *peer)
{
	if (peer->conn)
		connection_heard_elsewhere(peer->conn, false);
}

void mesh_peer_path_mtu(struct mesh_peer *peer, unsigned int mtu)
{
	/* As large as the device's: the routes need not say it. */
	unsigned int route_mtu = mtu < peer->mesh->underlay_mtu ? mtu : 0;

	log_debug("path-mtu peer=%s mtu=%u", peer->info->cert->parsed.name, mtu);
	if (route_mtu == peer->route_mtu)
		return;
	peer->route_mtu = route_mtu;
	tunnel_set_mtu(peer->mesh, peer);
}

void mesh_peer_device_mtu_changed(struct mesh_peer *peer)
{
	unsigned int mtu = dataplane_peer_mtu(peer_dp(peer->wireguard));

	/* What is not known yet will be told. */
	if (mtu)
		mesh_peer_path_mtu(peer, mtu);
}

unsigned int mesh_peer_route_mtu(const struct mesh_peer *peer)
{
	return peer->route_mtu;
}

void mesh_peer_relay_up(struct mesh_peer *peer, uint32_t relay)
{
	if (peer->conn)
		connection_relay_up(peer->conn, relay);
}

void mesh_peer_relay_down(struct mesh_peer *peer, uint32_t relay)
{
	if (peer->conn)
		connection_relay_down(peer->conn, relay);
}

void mesh_peer_seen_at_relay(struct mesh_peer *peer, uint32_t relay)
{
	if (peer->seen_relay == relay)
		return;
	peer->seen_relay = relay;
	if (peer->conn)
		connection_relay_up(peer->conn, relay);
}

void mesh_peer_resolved(struct mesh_peer *peer, const char *name, const struct ip_addr *addr)
{
	if (peer->conn)
		connection_resolved(peer->conn, name, addr);
}

void mesh_peer_candidates_changed(struct mesh_peer *peer)
{
	if (peer->conn)
		connection_candidates_changed(peer->conn);
}

void mesh_peer_resume(struct mesh_peer *peer)
{
	if (peer->conn)
		connection_resume(peer->conn);
}

void mesh_peer_network_changed(struct mesh_peer *peer, bool ways_changed)
{
	if (peer->conn)
		connection_network_changed(peer->conn, ways_changed);
}

/* --- status --- */

static enum status_path status_path(const struct mesh_peer *peer)
{
	const struct path_current *current = mesh_peer_path(peer);
	bool up = peer_has_session(peer->wireguard);

	/* A direct path with a reason is one that failed, kept for want of another. */
	if (current && up && current->kind == PATH_DIRECT && current->reason == PATH_REASON_NONE)
		return STATUS_PATH_DIRECT;
	if (current && up && current->kind == PATH_RELAY)
		return STATUS_PATH_RELAY;
	if (!mesh_peer_online(peer))
		return STATUS_PATH_OFFLINE;
	/* A session that ran out while nobody had anything to say. */
	if (current && current->kind != PATH_NONE && !up &&
	    !peer_handshake_under_way(peer->wireguard))
		return STATUS_PATH_IDLE;
	return current ? STATUS_PATH_CONNECTING : STATUS_PATH_IDLE;
}

static int64_t seconds_since(uint64_t then_ns, uint64_t at_ns)
{
	return then_ns ? (int64_t)((at_ns - then_ns) / NS_PER_S) : -1;
}

void mesh_peer_status(struct mesh_peer *peer, struct status_peer *out)
{
	const struct path_current *current = mesh_peer_path(peer);
	uint64_t wall_s = mesh_wall_s(peer->mesh);
	uint64_t latency_ns = peer->conn ? connection_latency_ns(peer->conn) : 0;
	struct dp_activity marks;

	dataplane_peer_activity(peer_dp(peer->wireguard), &marks);
	out->online = peer->online;
	out->path = status_path(peer);
	out->latency_ms = latency_ns ? (double)latency_ns / NS_PER_MS : STATUS_LATENCY_NONE;
	out->loss_permille = peer->conn ? connection_loss(peer->conn) : 0;
	out->mtu = dataplane_peer_mtu(peer_dp(peer->wireguard));
	out->lanes = dataplane_peer_lanes(peer_dp(peer->wireguard));
	out->last_handshake_s =
		seconds_since(peer_last_handshake_ns(peer->wireguard), clock_now_ns());
	out->last_seen_s = peer->last_seen_s && wall_s >= peer->last_seen_s
				   ? (int64_t)(wall_s - peer->last_seen_s)
				   : -1;
	out->rx_bytes = marks.rx_bytes;
	out->tx_bytes = marks.tx_bytes;
	out->congestion_marked = marks.congestion_marked;
	out->congestion_dropped = marks.congestion_dropped;
	if (out->path == STATUS_PATH_DIRECT)
		out->endpoint = connection_remote(peer->conn);
	if (out->path == STATUS_PATH_RELAY)
		out->relay = relays_name(peer->mesh->relays, current->id);
	if (current && current->reason != PATH_REASON_NONE)
		out->reason = path_reason_text(current->reason);
	if (out->path == STATUS_PATH_OFFLINE)
		out->reason = path_reason_text(PATH_REASON_PEER_OFFLINE);
}
