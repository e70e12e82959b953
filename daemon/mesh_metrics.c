#include "daemon/mesh_metrics.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/metrics.h"
#include "daemon/control_client.h"
#include "daemon/dataplane.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/status.h"
#include "daemon/verbs.h"

/* One family about every peer; a negative value leaves a peer out. */
struct family {
	const char *name;
	const char *type;
	const char *help;
	double (*value)(const struct status_peer *peer);
};

static double rx_bytes(const struct status_peer *peer)
{
	return (double)peer->rx_bytes;
}

static double tx_bytes(const struct status_peer *peer)
{
	return (double)peer->tx_bytes;
}

static double marked(const struct status_peer *peer)
{
	return (double)peer->congestion_marked;
}

static double dropped(const struct status_peer *peer)
{
	return (double)peer->congestion_dropped;
}

static double online(const struct status_peer *peer)
{
	return peer->online;
}

static double latency(const struct status_peer *peer)
{
	return peer->latency_ms >= 0 ? peer->latency_ms / 1e3 : -1;
}

static double loss(const struct status_peer *peer)
{
	return peer->loss_permille / 1e3;
}

static double handshake_age(const struct status_peer *peer)
{
	return (double)peer->last_handshake_s;
}

static double mtu(const struct status_peer *peer)
{
	return peer->mtu ? (double)peer->mtu : -1;
}

static const struct family families[] = {
	{ "warren_peer_rx_bytes_total", "counter", "Bytes received from the peer.", rx_bytes },
	{ "warren_peer_tx_bytes_total", "counter", "Bytes sent to the peer.", tx_bytes },
	{ "warren_peer_congestion_marked_total", "counter", "Packets marked because a queue stood.",
	  marked },
	{ "warren_peer_congestion_dropped_total", "counter",
	  "Packets dropped because a queue stood.", dropped },
	{ "warren_peer_online", "gauge", "Whether the coordinator or the peer says it is there.",
	  online },
	{ "warren_peer_latency_seconds", "gauge", "Round trip by the path in use.", latency },
	{ "warren_peer_loss_ratio", "gauge", "Packets lost on the path in use.", loss },
	{ "warren_peer_handshake_age_seconds", "gauge", "Time since the last handshake.",
	  handshake_age },
	{ "warren_peer_mtu_bytes", "gauge", "Inner packets that the path takes.", mtu },
};

static void write_paths(const struct mesh *mesh, FILE *out)
{
	struct mesh_peer *peer;
	size_t cursor = 0;

	metrics_begin(out, "warren_peer_path", "gauge", "The kind of path in use: 1.");
	while ((peer = map_next(mesh->peers, &cursor))) {
		struct status_peer status = { 0 };

		mesh_peer_status(peer, &status);
		metrics_add2(out, "warren_peer_path", "peer",
			     mesh_peer_info(peer)->cert->parsed.name, "path",
			     status_path_name(status.path), 1);
	}
}

static void write_family(const struct mesh *mesh, const struct family *family, FILE *out)
{
	struct mesh_peer *peer;
	size_t cursor = 0;

	metrics_begin(out, family->name, family->type, family->help);
	while ((peer = map_next(mesh->peers, &cursor))) {
		struct status_peer status = { 0 };
		double value;

		mesh_peer_status(peer, &status);
		value = family->value(&status);
		if (value >= 0)
			metrics_add(out, family->name, "peer",
				    mesh_peer_info(peer)->cert->parsed.name, value);
	}
}

void mesh_metrics_write(struct mesh *mesh, FILE *out)
{
	double latency_ms = mesh->control ? control_client_latency_ms(mesh->control) : -1;
	double problems = 0;

	for (size_t i = 0; i < MESH_HEALTH_MAX; i++)
		problems += mesh->health[i][0] != 0;
	metrics_begin(out, "warren_info", "gauge", "Version.");
	metrics_add(out, "warren_info", "version", WARREN_VERSION, 1);
	metrics_gauge(out, "warren_up", "Whether this node is connected to its network.",
		      verbs_overall_state(mesh) == STATUS_CONNECTED);
	metrics_gauge(out, "warren_problems", "Lines of health in the status.", problems);
	metrics_gauge(out, "warren_peers", "Peers in the map.", (double)map_count(mesh->peers));
	if (latency_ms >= 0)
		metrics_gauge(out, "warren_coordinator_latency_seconds",
			      "Round trip to the coordinator.", latency_ms / 1e3);
	metrics_gauge(out, "warren_workers", "Threads that carry packets.",
		      (double)dataplane_workers(mesh->dp));
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		write_family(mesh, &families[i], out);
	write_paths(mesh, out);
	metrics_process(out);
}
