/* What nodes tell of their paths and their health: path list. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coord/admin_reply.h"
#include "coord/report.h"
#include "coord/sessions.h"

#define PATHS_MAX 2000 /* in one answer */

struct listing {
	struct admin_request *request;
	json_t *array;
	size_t count;
	size_t total;
};

static void print_path(struct admin_request *request, const struct node *node,
		       const struct node *peer, const struct control_report_peer *path,
		       const char *kind)
{
	char latency[24] = "-";

	if (path && path->latency_us)
		snprintf(latency, sizeof(latency), "%.1fms", (double)path->latency_us / 1e3);
	fprintf(request->out, "%-20s  %-20s  %-10s  %-16s  %-9s  %s\n", node->name, peer->name,
		kind, path && path->relay[0] ? path->relay : "-", latency,
		path && path->reason[0] ? path->reason : "-");
}

/* back: what the peer itself says of the way to the node, or NULL. */
static json_t *path_json(const struct node *node, const struct node *peer,
			 const struct control_report_peer *path, const char *kind,
			 const struct control_report_peer *back)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:o,s:o}", "node", node->name, "peer", peer->name,
			 "path", kind, "relay", path ? path->relay : "", "reason",
			 path ? path->reason : "", "latency_ms",
			 path && path->latency_us ? json_real((double)(path->latency_us / 100) / 10)
						  : json_null(),
			 "peer_path",
			 back ? json_string(control_report_path_name(back->path)) : json_null());
}

static void list_path(struct listing *listing, const struct node *node, const struct node *peer)
{
	const struct control_report_peer *path = report_find(node, peer->device_key);
	const struct control_report_peer *back = report_find(peer, node->device_key);
	const struct control_report_peer *either = path ? path : back;
	const char *kind = either                 ? control_report_path_name(either->path)
			   : node_is_online(peer) ? "idle"
						  : "offline";

	listing->total++;
	if (listing->count == PATHS_MAX)
		return;
	listing->count++;
	if (listing->request->json)
		json_array_append_new(listing->array, path_json(node, peer, either, kind, back));
	else
		print_path(listing->request, node, peer, either, kind);
}

/* Every pair that at least one of the two told of, once. */
static void list_all(struct listing *listing)
{
	const struct network *network = listing->request->sessions->network;
	const struct node *node;
	size_t cursor = 0;

	while ((node = network_next(network, &cursor))) {
		for (size_t i = 0; i < node->report.peer_count; i++) {
			const uint8_t *key = node->report.peers[i].node_key;
			const struct node *peer = network_find(network, key);

			if (peer && (memcmp(node->device_key, key, 32) < 0 ||
				     !report_find(peer, node->device_key)))
				list_path(listing, node, peer);
			if (listing->count == PATHS_MAX)
				return;
		}
	}
}

static bool is_told(const struct node *node, const struct node *peer)
{
	return report_find(node, peer->device_key) || report_find(peer, node->device_key);
}

/* All that the node may talk to: first those that it does talk to. */
static void list_of_node(struct listing *listing, const struct node *node)
{
	const struct network *network = listing->request->sessions->network;

	for (int told = 1; told >= 0; told--) {
		for (size_t i = 0; node->map && i < node->map->peer_count; i++) {
			const struct cert *cert = &node->map->peers[i]->cert->parsed;
			const struct node *peer = network_find(network, cert->device_key);

			if (peer && is_told(node, peer) == told)
				list_path(listing, node, peer);
		}
	}
}

void admin_path_list(struct admin_request *request)
{
	const struct network *network = request->sessions->network;
	struct listing listing = { .request = request, .array = json_array() };
	char name[CERT_NAME_MAX + 1] = "";
	const struct node *node = NULL;

	json_fields_text_opt(&request->fields, "name", name, sizeof(name));
	if (name[0]) {
		node = network_find_name(network, name);
		if (!node)
			admin_fail(request, ADMIN_NOT_FOUND, "no node %s; see node list", name);
	}
	if (request->fields.failed || request->kind != ADMIN_OK) {
		json_decref(listing.array);
		return;
	}
	if (!request->json)
		fprintf(request->out, "%-20s  %-20s  %-10s  %-16s  %-9s  %s\n", "NODE", "PEER",
			"PATH", "RELAY", "LATENCY", "REASON");
	if (node)
		list_of_node(&listing, node);
	else
		list_all(&listing);
	admin_answer(request,
		     json_pack("{s:o,s:I,s:b}", "paths", listing.array, "total",
			       (json_int_t)listing.total, "reported", network->report_paths));
}

void admin_path_describe(json_t *object, const struct node *node)
{
	json_t *health = json_array();
	json_int_t counts[CONTROL_REPORT_PATHS] = { 0 };

	for (size_t i = 0; i < node->report.health_count; i++)
		json_array_append_new(health, json_string(node->report.health[i]));
	for (size_t i = 0; i < node->report.peer_count; i++)
		counts[node->report.peers[i].path]++;
	json_object_set_new(object, "health", health);
	json_object_set_new(object, "reported_s", json_integer((json_int_t)node->reported_s));
	json_object_set_new(object, "paths",
			    json_pack("{s:I,s:I,s:I}", "direct", counts[CONTROL_REPORT_DIRECT],
				      "relay", counts[CONTROL_REPORT_RELAY], "connecting",
				      counts[CONTROL_REPORT_CONNECTING]));
}
