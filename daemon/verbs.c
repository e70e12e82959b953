#include "daemon/verbs.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "daemon/control_client.h"
#include "daemon/coordination.h"
#include "daemon/dataplane.h"
#include "daemon/enrolment.h"
#include "daemon/local_server.h"
#include "daemon/mesh.h"
#include "daemon/mesh_metrics.h"
#include "daemon/mesh_peer.h"
#include "daemon/netcheck.h"
#include "daemon/peer.h"
#include "daemon/ping.h"
#include "daemon/portmap.h"
#include "daemon/relays.h"
#include "daemon/resolve.h"
#include "daemon/rotation.h"
#include "daemon/route_report.h"
#include "daemon/setting_table.h"
#include "daemon/status_resources.h"
#include "proto/local_api.h"

/* --- status --- */

enum status_state verbs_overall_state(const struct mesh *mesh)
{
	const struct control_pending *pending = enrolment_waits_for(mesh->enrolment);

	if (!mesh->has_membership || enrolment_was_refused(mesh->enrolment) ||
	    (mesh->settings.up && enrolment_is_duplicate(mesh->enrolment)))
		return STATUS_NEEDS_LOGIN;
	if (!mesh->settings.up)
		return STATUS_STOPPED;
	if (pending)
		return pending->reason == CONTROL_PENDING_SIGN_IN ? STATUS_NEEDS_LOGIN
								  : STATUS_NEEDS_APPROVAL;
	return mesh->membership.enrolled && mesh->map ? STATUS_CONNECTED : STATUS_CONNECTING;
}

static size_t own_addresses(const struct cert *cert, struct ip_addr out[static 2])
{
	size_t count = 0;

	if (addr_len(&cert->address4))
		out[count++] = cert->address4;
	if (addr_len(&cert->address6))
		out[count++] = cert->address6;
	return count;
}

/* What a snapshot of peers borrows from. */
struct peer_texts {
	struct ip_addr addresses[2];
	const char *tags[CERT_LABELS_MAX];
	char tag_texts[CERT_LABELS_MAX][sizeof("tag:") + CERT_LABEL_MAX];
};

static void fill_peer(struct mesh_peer *peer, struct status_peer *out, struct peer_texts *texts)
{
	const struct cert *cert = &mesh_peer_info(peer)->cert->parsed;
	size_t i;

	out->name = cert->name;
	out->public_key = cert->device_key;
	out->addresses = texts->addresses;
	out->address_count = own_addresses(cert, texts->addresses);
	out->owner = cert->owner[0] ? cert->owner : NULL;
	for (i = 0; i < cert->tag_count; i++) {
		snprintf(texts->tag_texts[i], sizeof(texts->tag_texts[i]), "tag:%s", cert->tags[i]);
		texts->tags[i] = texts->tag_texts[i];
	}
	out->tags = texts->tags;
	out->tag_count = cert->tag_count;
	mesh_peer_status(peer, out);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct status_peer *)a)->name, ((const struct status_peer *)b)->name);
}

/* Which offload was switched off by itself, and why; one line for all paths. */
static void note_offload(struct mesh *mesh)
{
	struct dp_offload offload;
	struct mesh_peer *peer;
	const char *name = NULL;
	size_t cursor = 0, count = 0;
	int error = 0;

	dataplane_offload(mesh->dp, &offload);
	while ((peer = map_next(mesh->peers, &cursor))) {
		int found = dataplane_peer_gso_error(peer_dp(mesh_peer_wireguard(peer)));

		if (!found)
			continue;
		count++;
		error = found;
		name = mesh_peer_info(peer)->cert->parsed.name;
	}
	if (offload.tun_error)
		mesh_set_health(
			mesh, HEALTH_OFFLOAD,
			"offload: the kernel refuses large packets to the device (%s), "
			"so they are written one by one; update it, or set tun-offload = no",
			dataplane_gso_reason(offload.tun_error));
	else if (count)
		mesh_set_health(
			mesh, HEALTH_OFFLOAD,
			"offload: UDP GSO is off for %zu path%s, last to %s (%s), which costs "
			"speed only; udp-gso = no turns it off for all",
			count, count > 1 ? "s" : "", name, dataplane_gso_reason(error));
	else
		mesh_set_health(mesh, HEALTH_OFFLOAD, NULL);
}

static size_t fill_health(const struct mesh *mesh, const char *out[static MESH_HEALTH_MAX])
{
	size_t count = 0, i;

	for (i = 0; i < MESH_HEALTH_MAX; i++) {
		if (mesh->health[i][0])
			out[count++] = mesh->health[i];
	}
	return count;
}

static void fill_self(const struct mesh *mesh, struct status *status,
		      struct ip_addr addresses[static 2])
{
	const struct cert *cert = &mesh->membership.cert;
	uint32_t home = relays_home(mesh->relays);
	uint64_t rtt_ns = relays_rtt_ns(mesh->relays, home);
	struct dp_offload offload;

	if (mesh->has_membership && mesh->membership.enrolled) {
		status->network = mesh->membership.network_name;
		status->self.name = cert->name;
		status->self.public_key = cert->device_key;
		status->self.owner = cert->owner[0] ? cert->owner : NULL;
		status->self.addresses = addresses;
		status->self.address_count = own_addresses(cert, addresses);
	}
	status->state = verbs_overall_state(mesh);
	status->pending = enrolment_waits_for(mesh->enrolment);
	status->coordinator.state = coordination_state(mesh);
	status->coordinator.transport = mesh->control ? "wss" : NULL;
	status->coordinator.error =
		mesh->health[HEALTH_COORDINATOR][0] ? mesh->health[HEALTH_COORDINATOR] : NULL;
	status->coordinator.latency_ms =
		mesh->control ? control_client_latency_ms(mesh->control) : STATUS_LATENCY_NONE;
	if (home) {
		status->home_relay.name = relays_name(mesh->relays, home);
		status->home_relay.transport = relays_transport(mesh->relays, home);
	}
	status->data_plane.cipher = dataplane_cipher(mesh->dp);
	status->data_plane.workers = dataplane_workers(mesh->dp);
	dataplane_offload(mesh->dp, &offload);
	status->data_plane.offload = (struct status_offload){ offload.tun_tcp, offload.tun_udp,
							      offload.udp_gso, offload.udp_gro };
	status->home_relay.latency_ms = rtt_ns ? (double)rtt_ns / 1e6 : STATUS_LATENCY_NONE;
}

static void handle_status(void *arg, struct local_request *request)
{
	struct mesh *mesh = arg;
	size_t count = map_count(mesh->peers), cursor = 0, i = 0;
	struct status_peer *peers = calloc(count + 1, sizeof(*peers));
	struct peer_texts *texts = calloc(count + 1, sizeof(*texts));
	const char *health[MESH_HEALTH_MAX];
	struct ip_addr addresses[2];
	char port_mapping[PORTMAP_TEXT_SIZE];
	struct status status = { .peers = peers, .peer_count = count, .health = health };
	struct route_report routes;
	struct mesh_peer *peer;
	json_t *json;

	route_report_make(&routes, mesh);
	status.routes = &routes;
	status_resources_fill(&status, mesh);
	if (peers && texts) {
		while ((peer = map_next(mesh->peers, &cursor))) {
			fill_peer(peer, &peers[i], &texts[i]);
			i++;
		}
		qsort(peers, count, sizeof(*peers), by_name);
		fill_self(mesh, &status, addresses);
		portmap_describe(mesh->portmap, port_mapping);
		status.port_mapping = port_mapping;
		note_offload(mesh);
		status.health_count = fill_health(mesh, health);
	}
	json = peers && texts ? status_to_json(&status) : NULL;
	route_report_clear(&routes);
	free(peers);
	free(texts);
	if (json)
		local_reply_end(request, json_pack("{s:o}", "status", json));
	else
		local_reply_error(request, LOCAL_FAILURE, "out of memory");
}

/* --- the rest --- */

static void handle_up(void *arg, struct local_request *request)
{
	enrolment_up(((struct mesh *)arg)->enrolment, request);
}

static void handle_down(void *arg, struct local_request *request)
{
	enrolment_down(((struct mesh *)arg)->enrolment, request);
}

static void handle_logout(void *arg, struct local_request *request)
{
	enrolment_logout(((struct mesh *)arg)->enrolment, request);
}

bool verbs_check_up(const struct mesh *mesh, struct local_request *request)
{
	switch (verbs_overall_state(mesh)) {
	case STATUS_NEEDS_LOGIN:
		local_reply_error(
			request, LOCAL_LOGIN,
			"this node is in no network, or refused by it; see `warren status`, "
			"or join with `warren up TOKEN`");
		return false;
	case STATUS_NEEDS_APPROVAL:
		local_reply_error(
			request, LOCAL_LOGIN,
			"this node is not let in yet; `warren status` says what is missing");
		return false;
	case STATUS_STOPPED:
		local_reply_error(request, LOCAL_TIMEOUT,
				  "this node is not connected; `warren up` connects it");
		return false;
	default:
		return true;
	}
}

static void handle_ping(void *arg, struct local_request *request)
{
	struct mesh *mesh = arg;

	if (verbs_check_up(mesh, request))
		ping_start(mesh->pings, request);
}

static void handle_netcheck(void *arg, struct local_request *request)
{
	netcheck_start(arg, request);
}

static void handle_set_path(void *arg, struct local_request *request)
{
	struct mesh *mesh = arg;
	struct local_set_path set;
	struct mesh_peer *peer;
	enum path_mode mode;
	const char *name;
	int err;

	if (local_set_path_decode(&set, local_request_body(request)) < 0 ||
	    path_mode_parse(&mode, set.path) < 0) {
		local_reply_error(request, LOCAL_USAGE, "a path is auto, direct or relay");
		return;
	}
	if (!verbs_check_up(mesh, request))
		return;
	peer = mesh_find_peer_text(mesh, set.name);
	if (!peer) {
		local_reply_error(request, LOCAL_FAILURE,
				  "no peer is called %s; see `warren status`", set.name);
		return;
	}
	name = mesh_peer_info(peer)->cert->parsed.name;
	err = settings_store_path(&mesh->settings, name, mode, mesh_path(mesh, "settings").text);
	if (err < 0) {
		local_reply_error(request, LOCAL_FAILURE, "the setting cannot be stored: %s",
				  strerror(-err));
		return;
	}
	mesh_saved(mesh, "settings", 0);
	mesh_peer_set_mode(peer, mode);
	local_reply_end(request, NULL);
}

static void handle_get(void *arg, struct local_request *request)
{
	struct mesh *mesh = arg;
	json_t *settings = json_object();
	char key[SETTINGS_NAME_SIZE + 8];
	char hostname[CERT_NAME_MAX + 1];
	size_t i;

	enrolment_hostname(mesh->enrolment, hostname, sizeof(hostname));
	json_object_set_new(settings, "hostname",
			    json_string(mesh->membership.enrolled ? mesh->membership.cert.name
								  : hostname));
	for (i = 0; i < mesh->settings.path_count; i++) {
		snprintf(key, sizeof(key), "path.%s", mesh->settings.paths[i].name);
		json_object_set_new(settings, key,
				    json_string(path_mode_name(mesh->settings.paths[i].mode)));
	}
	setting_list(mesh, settings);
	local_reply_end(request, json_pack("{s:o}", "settings", settings));
}

static void handle_version(void *arg, struct local_request *request)
{
	(void)arg;
	local_reply_end(request, json_pack("{s:s}", "version", WARREN_VERSION));
}

static void handle_metrics(void *arg, struct local_request *request)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out) {
		local_reply_error(request, LOCAL_FAILURE, "out of memory");
		return;
	}
	mesh_metrics_write(arg, out);
	fclose(out);
	local_reply_end(request, json_pack("{s:s}", "text", text));
	free(text);
}

static void handle_rotate_key(void *arg, struct local_request *request)
{
	struct mesh *mesh = arg;
	int err;

	if (!verbs_check_up(mesh, request))
		return;
	err = rotation_begin(mesh);
	if (err < 0 && err != -EINPROGRESS)
		local_reply_error(request, LOCAL_FAILURE, "the new key cannot be stored: %s",
				  strerror(-err));
	else
		local_reply_end(request, json_pack("{s:b}", "again", err == -EINPROGRESS));
}

static const struct local_verb verbs[] = {
	{ "status", false, handle_status },
	{ "up", true, handle_up },
	{ "down", true, handle_down },
	{ "logout", true, handle_logout },
	{ "ping", false, handle_ping },
	{ "netcheck", false, handle_netcheck },
	{ "set-path", true, handle_set_path },
	{ "set", true, setting_handle },
	{ "get", false, handle_get },
	{ "metrics", false, handle_metrics },
	{ "version", false, handle_version },
	{ "resolve", false, resolve_handle },
	{ "routes", false, route_report_handle },
	{ "rotate-key", true, handle_rotate_key },
};

const struct local_verb *verbs_list(size_t *count)
{
	*count = sizeof(verbs) / sizeof(*verbs);
	return verbs;
}
