#include "daemon/resolve.h"

#include <stdio.h>
#include <string.h>

#include "daemon/local_server.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/verbs.h"
#include "proto/local_api.h"

#define SUFFIX ".internal"

/* name without ".NETWORK.internal" and without a dot at its end, in lower case. */
static void strip_name(char out[static LOCAL_NAME_MAX + 1], const char *name, const char *network)
{
	char suffix[NETMAP_NETWORK_NAME_MAX + sizeof(SUFFIX) + 1];
	size_t len = strlen(name), suffix_len;

	for (size_t i = 0; i <= len; i++)
		out[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 'a' - 'A' : name[i]);
	if (len && out[len - 1] == '.')
		out[--len] = '\0';
	suffix_len = (size_t)snprintf(suffix, sizeof(suffix), ".%s" SUFFIX, network);
	if (len > suffix_len && strcasecmp(out + len - suffix_len, suffix) == 0)
		out[len - suffix_len] = '\0';
}

static int add_address(json_t *array, const struct ip_addr *addr)
{
	char text[ADDR_TEXT_SIZE];

	return addr_len(addr) ? json_array_append_new(array, json_string(addr_format(text, addr)))
			      : 0;
}

/* A node: this one, or a peer, to which policy may let us start nothing. */
static void answer_node(struct local_request *request, const struct cert *cert, bool self,
			bool allowed)
{
	json_t *addresses = json_array();

	add_address(addresses, &cert->address4);
	add_address(addresses, &cert->address6);
	local_reply_end(request, json_pack("{s:o, s:s, s:b, s:b}", "addresses", addresses, "node",
					   cert->name, "self", self, "allowed", allowed));
}

static void answer_address(struct local_request *request, const struct ip_addr *addr)
{
	json_t *addresses = json_array();

	add_address(addresses, addr);
	local_reply_end(request, json_pack("{s:o, s:n, s:b, s:b}", "addresses", addresses, "node",
					   "self", false, "allowed", true));
}

void resolve_handle(void *arg, struct local_request *request)
{
	char label[LOCAL_NAME_MAX + 1];
	const struct mesh_peer *peer;
	struct mesh *mesh = arg;
	struct ip_addr addr;
	const char *name;

	if (local_resolve_decode(&name, local_request_body(request)) < 0) {
		local_reply_error(request, LOCAL_USAGE, "that is neither a name nor an address");
		return;
	}
	if (!verbs_check_up(mesh, request))
		return;
	strip_name(label, name, mesh->membership.network_name);
	peer = mesh_find_peer_text(mesh, label);
	if (peer)
		answer_node(request, &mesh_peer_info(peer)->cert->parsed, false,
			    mesh_peer_info(peer)->may_send);
	else if (addr_parse(&addr, name) == 0)
		answer_address(request, &addr);
	else if (strcmp(label, mesh->membership.cert.name) == 0)
		answer_node(request, &mesh->membership.cert, true, true);
	else
		local_reply_error(request, LOCAL_FAILURE,
				  "no node and no record is called %s; `warren status` lists the "
				  "nodes",
				  name);
}
