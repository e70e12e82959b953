#include "daemon/resolve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/local_server.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/name_lookup.h"
#include "daemon/name_service.h"
#include "daemon/verbs.h"
#include "proto/local_api.h"
#include "proto/names.h"

/* One that waits for a server. */
struct resolve {
	struct mesh *mesh;
	struct local_request *request;
	struct name_lookup *lookup;
	char name[LOCAL_NAME_MAX + 1];
};

/* Whose address it is: a peer's, or ours. */
struct owner {
	const char *node; /* NULL: nobody's */
	bool self;
	bool allowed; /* policy lets us start something towards it, as far as that is known here */
};

static struct owner find_owner(const struct mesh *mesh, const struct ip_addr *addr)
{
	const struct cert *own = &mesh->membership.cert;
	const struct mesh_peer *peer;

	if (addr_equal(addr, &own->address4) || addr_equal(addr, &own->address6))
		return (struct owner){ own->name, true, true };
	peer = mesh_find_peer_address(mesh, addr);
	if (!peer)
		return (struct owner){ NULL, false, true };
	return (struct owner){ mesh_peer_info(peer)->cert->parsed.name, false,
			       mesh_peer_info(peer)->may_send };
}

static json_t *addresses_json(const struct ip_addr *addresses, size_t count)
{
	json_t *array = json_array();
	char text[ADDR_TEXT_SIZE];

	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, json_string(addr_format(text, &addresses[i])));
	return array;
}

static void answer(struct local_request *request, struct mesh *mesh,
		   const struct ip_addr *addresses, size_t count)
{
	const struct names_zone *zone = name_service_zone(mesh);
	struct owner owner = find_owner(mesh, &addresses[0]);
	char name[NAMES_TEXT_NAME_SIZE];
	bool named = zone && names_reverse(zone, &addresses[0], name) == 0;

	local_reply_end(request, json_pack("{s:o, s:s?, s:s?, s:b, s:b}", "addresses",
					   addresses_json(addresses, count), "node", owner.node,
					   "name", named ? name : NULL, "self", owner.self,
					   "allowed", owner.allowed));
}

static void refuse(struct local_request *request, const char *name, int err)
{
	/* A name of the world: the system's resolver is there for it. */
	if (err == -ENOENT && strchr(name, '.'))
		local_reply_end(request, json_pack("{s:[], s:n, s:n, s:b, s:b}", "addresses",
						   "node", "name", "self", 0, "allowed", 1));
	else if (err == -ETIMEDOUT)
		local_reply_error(
			request, LOCAL_FAILURE,
			"%s: no address, or the name server of its domain does not answer", name);
	else if (err == -EINVAL)
		local_reply_error(request, LOCAL_USAGE, "%s is neither a name nor an address",
				  name);
	else
		local_reply_error(request, LOCAL_FAILURE,
				  "no node and no record with an address is called %s; `warren "
				  "status` lists the nodes",
				  name);
}

static void on_lookup(void *arg, const struct ip_addr *addresses, size_t count)
{
	struct resolve *resolve = arg;

	if (count)
		answer(resolve->request, resolve->mesh, addresses, count);
	else
		refuse(resolve->request, resolve->name, -ETIMEDOUT);
	free(resolve);
}

static void on_cancel(void *arg)
{
	struct resolve *resolve = arg;

	name_lookup_free(resolve->lookup);
	free(resolve);
}

static void look_up(struct mesh *mesh, struct local_request *request, const char *name)
{
	struct resolve *resolve = calloc(1, sizeof(*resolve));
	struct ip_addr addresses[NAME_LOOKUP_MAX];
	int n = -ENOMEM;

	if (resolve) {
		resolve->mesh = mesh;
		resolve->request = request;
		strcpy(resolve->name, name);
		n = name_lookup_new(&resolve->lookup, mesh, name, addresses, on_lookup, resolve);
	}
	if (n == -EINPROGRESS) {
		local_request_on_cancel(request, on_cancel, resolve);
		return;
	}
	free(resolve);
	if (n > 0)
		answer(request, mesh, addresses, (size_t)n);
	else
		refuse(request, name, n);
}

void resolve_handle(void *arg, struct local_request *request)
{
	struct mesh *mesh = arg;
	struct mesh_peer *peer;
	struct ip_addr addr;
	const char *name;

	if (local_resolve_decode(&name, local_request_body(request)) < 0) {
		local_reply_error(request, LOCAL_USAGE, "that is neither a name nor an address");
		return;
	}
	if (!verbs_check_up(mesh, request))
		return;
	peer = mesh_find_peer_text(mesh, name);
	if (peer) {
		const struct cert *cert = &mesh_peer_info(peer)->cert->parsed;
		const struct ip_addr both[] = { cert->address4, cert->address6 };
		bool has4 = addr_len(&both[0]), has6 = addr_len(&both[1]);

		answer(request, mesh, has4 ? both : both + 1, (size_t)(has4 + has6));
	} else if (addr_parse(&addr, name) == 0) {
		answer(request, mesh, &addr, 1);
	} else {
		look_up(mesh, request, name);
	}
}
