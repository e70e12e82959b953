#include "daemon/rotation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "daemon/control_client.h"
#include "daemon/device.h"
#include "daemon/identity.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/peer.h"

static void ask(struct mesh *mesh)
{
	struct control_message message = { .type = CONTROL_UPDATE };

	if (!mesh->control || control_client_link(mesh->control) != CONTROL_LINK_OK)
		return;
	message.update.has_wireguard_key = true;
	memcpy(message.update.wireguard_key, mesh->identity->next_public, 32);
	control_client_send(mesh->control, &message);
}

int rotation_begin(struct mesh *mesh)
{
	struct identity *identity = mesh->identity;
	bool under_way = identity->has_next;
	int err;

	identity_prepare_next(identity);
	err = identity_save(identity, mesh_path(mesh, "identity").text);
	mesh_saved(mesh, "identity", err);
	if (err < 0) {
		identity->has_next = under_way;
		return err;
	}
	log_info("rotation-asked key=%s", log_key(identity->next_public).text);
	ask(mesh);
	return under_way ? -EINPROGRESS : 0;
}

/* Sessions end with the key; those that were in use begin anew at once. */
static void begin_sessions(struct mesh *mesh, const struct mesh_peer *const *had, size_t count)
{
	struct mesh_peer *peer;
	size_t cursor = 0;

	while ((peer = map_next(mesh->peers, &cursor)))
		for (size_t i = 0; i < count; i++)
			if (had[i] == peer) {
				mesh_peer_connect(peer);
				peer_start_handshake(mesh_peer_wireguard(peer));
			}
}

static size_t with_sessions(struct mesh *mesh, const struct mesh_peer **had)
{
	struct mesh_peer *peer;
	size_t cursor = 0;
	size_t count = 0;

	while ((peer = map_next(mesh->peers, &cursor)))
		if (peer_has_session(mesh_peer_wireguard(peer)))
			had[count++] = peer;
	return count;
}

void rotation_connected(struct mesh *mesh)
{
	rotation_certified(mesh);
	if (mesh->identity->has_next)
		ask(mesh);
}

void rotation_certified(struct mesh *mesh)
{
	struct identity *identity = mesh->identity;
	const struct mesh_peer **had;
	size_t count;

	if (!identity->has_next ||
	    memcmp(mesh->membership.cert.wireguard_key, identity->next_public, 32) != 0)
		return;
	had = calloc(map_count(mesh->peers) + 1, sizeof(*had));
	count = had ? with_sessions(mesh, had) : 0;
	identity_take_next(identity);
	/* When it fails the next start asks for the old key again, and rotates once more. */
	mesh_saved(mesh, "identity", identity_save(identity, mesh_path(mesh, "identity").text));
	device_set_private_key(mesh->device, identity->wg_secret);
	log_info("rotated key=%s", log_key(identity->wg_public).text);
	begin_sessions(mesh, had, count);
	free(had);
}
