#include "daemon/routing.h"

#include <stdlib.h>

#include "daemon/dataplane.h"
#include "daemon/mesh.h"
#include "kernel-iface/rule.h"

struct routing {
	struct mesh *mesh;
};

struct routing *routing_new(struct mesh *mesh)
{
	struct routing *routing = calloc(1, sizeof(*routing));

	if (routing)
		routing->mesh = mesh;
	return routing;
}

void routing_free(struct routing *routing)
{
	free(routing);
}

void routing_map_changed(struct mesh *mesh)
{
	(void)mesh;
}

void routing_peer_leaves(struct mesh *mesh, const struct mesh_peer *peer)
{
	(void)mesh;
	(void)peer;
}

void routing_network_changed(struct mesh *mesh)
{
	(void)mesh;
}

void routing_restore(struct mesh *mesh)
{
	(void)mesh;
}

void routing_peer_wanted(struct mesh *mesh, struct mesh_peer *peer)
{
	(void)mesh;
	(void)peer;
}

void routing_peer_unanswered(struct mesh *mesh, struct mesh_peer *peer)
{
	(void)mesh;
	(void)peer;
}

void routing_peer_changed(struct mesh *mesh, struct mesh_peer *peer)
{
	(void)mesh;
	(void)peer;
}

void routing_mtu_changed(struct mesh *mesh, const struct mesh_peer *peer)
{
	(void)mesh;
	(void)peer;
}

bool routing_next(const struct mesh *mesh, size_t *cursor, struct routing_view *view)
{
	(void)mesh;
	(void)cursor;
	(void)view;
	return false;
}

struct mesh_peer *routing_exit_peer(const struct mesh *mesh, int family)
{
	(void)mesh;
	(void)family;
	return NULL;
}
