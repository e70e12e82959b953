#include "daemon/exit.h"

#include <stddef.h>

bool exit_wanted(const struct mesh *mesh)
{
	(void)mesh;
	return false;
}

bool exit_keeps_local(const struct mesh *mesh)
{
	(void)mesh;
	return true;
}

bool exit_may_carry(const struct mesh *mesh, const struct cert *cert, const struct prefix *prefix)
{
	(void)mesh;
	(void)cert;
	(void)prefix;
	return false;
}

struct mesh_peer *exit_carrier(const struct mesh *mesh, int family)
{
	(void)mesh;
	(void)family;
	return NULL;
}

void exit_carrier_changed(struct mesh *mesh, int family, struct mesh_peer *peer)
{
	(void)mesh;
	(void)family;
	(void)peer;
}

int exit_begin(struct mesh *mesh)
{
	(void)mesh;
	return 0;
}

void exit_update(struct mesh *mesh)
{
	(void)mesh;
}

void exit_stop(struct mesh *mesh)
{
	(void)mesh;
}

void exit_end(struct mesh *mesh)
{
	(void)mesh;
}

void exit_report(struct route_report *report, const struct mesh *mesh)
{
	(void)report;
	(void)mesh;
}
