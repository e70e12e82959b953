#include "daemon/name_service.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/mesh.h"

struct name_service {
	struct mesh *mesh;
};

int name_service_new(struct name_service **out, struct mesh *mesh)
{
	struct name_service *service = calloc(1, sizeof(*service));

	if (!service)
		return -ENOMEM;
	service->mesh = mesh;
	*out = service;
	return 0;
}

void name_service_free(struct name_service *service)
{
	free(service);
}

void name_service_begin(struct mesh *mesh)
{
	name_service_refresh(mesh);
}

void name_service_end(struct mesh *mesh)
{
	(void)mesh;
}

void name_service_refresh(struct mesh *mesh)
{
	(void)mesh;
}

void name_service_set_exit(struct mesh *mesh, bool wanted, const struct ip_addr *servers,
			   size_t count)
{
	(void)mesh;
	(void)wanted;
	(void)servers;
	(void)count;
}

void name_service_describe(const struct mesh *mesh, struct name_service_state *state)
{
	(void)mesh;
	*state = (struct name_service_state){ .on = false, .domain = "" };
}
