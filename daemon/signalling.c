#include "daemon/signalling.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/control_client.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/relays.h"

static int send_by_coordinator(struct mesh *mesh, struct mesh_peer *peer, uint8_t *sealed,
			       size_t len)
{
	struct control_message message = { .type = CONTROL_SIGNAL };

	if (!mesh->control || control_client_link(mesh->control) != CONTROL_LINK_OK)
		return -ENOTCONN;
	memcpy(message.signal.node_key, mesh_peer_key(peer), 32);
	message.signal.data = sealed;
	message.signal.len = len;
	return control_client_send(mesh->control, &message);
}

static int send_by_relay(struct mesh *mesh, struct mesh_peer *peer, const uint8_t *sealed,
			 size_t len)
{
	const struct path_current *path = mesh_peer_path(peer);
	uint32_t relay = path && path->kind == PATH_RELAY
				 ? path->id
				 : relays_find(mesh->relays, mesh_peer_home_relay(peer));

	if (!relay)
		relay = relays_home(mesh->relays);
	return relay ? relays_send(mesh->relays, relay, mesh_peer_key(peer), sealed, len)
		     : -ENOTCONN;
}

int signalling_send(struct mesh *mesh, struct mesh_peer *peer, enum signal_kind kind,
		    const void *payload, size_t len, enum signal_route route)
{
	uint8_t sealed[SIGNAL_SEALED_MAX];
	struct signal signal = {
		.kind = (uint8_t)kind,
		.time_s = mesh_wall_s(mesh),
		.payload = payload,
		.payload_len = len,
	};
	int by_relay = -ENOTCONN;
	size_t sealed_len;
	int err;

	memcpy(signal.network_id, mesh->membership.trust.network_id, sizeof(signal.network_id));
	memcpy(signal.from, mesh->identity->device_public, 32);
	memcpy(signal.to, mesh_peer_key(peer), 32);
	mesh_peer_next_signal(peer, &signal.session, &signal.counter);
	err = signal_seal(sealed, sizeof(sealed), &sealed_len, &signal, mesh->identity->box_secret,
			  mesh_peer_info(peer)->cert->parsed.box_key, &mesh->rng);
	if (err < 0)
		return err;
	/* The second to arrive is refused as a replay. */
	if (route == SIGNAL_BY_BOTH)
		by_relay = send_by_relay(mesh, peer, sealed, sealed_len);
	if (route != SIGNAL_BY_RELAY && send_by_coordinator(mesh, peer, sealed, sealed_len) == 0)
		return 0;
	return route == SIGNAL_BY_BOTH ? by_relay : send_by_relay(mesh, peer, sealed, sealed_len);
}

uint64_t signalling_rtt_ns(const struct mesh *mesh)
{
	double latency_ms = 0;

	if (mesh->control && control_client_link(mesh->control) == CONTROL_LINK_OK)
		latency_ms = control_client_latency_ms(mesh->control);
	if (latency_ms > 0)
		return (uint64_t)(latency_ms * NS_PER_MS);
	return relays_rtt_ns(mesh->relays, relays_home(mesh->relays));
}

bool signalling_receive(struct mesh *mesh, const uint8_t node_key[static 32], const uint8_t *data,
			size_t len)
{
	struct mesh_peer *peer = mesh_find_peer(mesh, node_key);
	uint8_t plain[SIGNAL_SEALED_MAX];
	struct signal expect = { 0 };
	struct signal signal;

	if (!peer)
		return false;
	memcpy(expect.network_id, mesh->membership.trust.network_id, sizeof(expect.network_id));
	memcpy(expect.from, node_key, 32);
	memcpy(expect.to, mesh->identity->device_public, 32);
	if (signal_open(&signal, plain, data, len, mesh->identity->box_secret,
			mesh_peer_info(peer)->cert->parsed.box_key, &expect) < 0 ||
	    !signal_replay_check(mesh_peer_replay(peer), &signal, mesh_wall_s(mesh)))
		return false;
	mesh_peer_signal(peer, &signal);
	return true;
}
