#include "daemon/reporter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "daemon/control_client.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/status.h"

#define LOOK_S 3 /* between looks at what there is to tell */

struct reporter {
	struct mesh *mesh;
	struct loop_timer timer;
	struct control_report last; /* that was sent */
	uint64_t sent_ns;           /* 0: nothing on this connection */
};

/* What went wrong is told first when there is no room for all. */
static int by_interest(const void *a, const void *b)
{
	static const int order[CONTROL_REPORT_PATHS] = {
		[CONTROL_REPORT_CONNECTING] = 0,
		[CONTROL_REPORT_RELAY] = 1,
		[CONTROL_REPORT_DIRECT] = 2,
	};
	const struct control_report_peer *x = a;
	const struct control_report_peer *y = b;
	int difference = order[x->path] - order[y->path];

	return difference ? difference : memcmp(x->node_key, y->node_key, 32);
}

static bool fill_peer(struct mesh_peer *peer, struct control_report_peer *out)
{
	static const enum control_report_path paths[] = {
		[STATUS_PATH_DIRECT] = CONTROL_REPORT_DIRECT,
		[STATUS_PATH_RELAY] = CONTROL_REPORT_RELAY,
		[STATUS_PATH_CONNECTING] = CONTROL_REPORT_CONNECTING,
		[STATUS_PATH_IDLE] = CONTROL_REPORT_IDLE,
		[STATUS_PATH_OFFLINE] = CONTROL_REPORT_OFFLINE,
	};
	struct status_peer status = { 0 };

	if (!mesh_peer_path(peer))
		return false; /* nobody had anything to say: idle or offline */
	mesh_peer_status(peer, &status);
	out->path = paths[status.path];
	if (out->path == CONTROL_REPORT_IDLE || out->path == CONTROL_REPORT_OFFLINE)
		return false;
	memcpy(out->node_key, mesh_peer_info(peer)->cert->parsed.device_key, 32);
	if (status.latency_ms > 0 && status.latency_ms * 1e3 < CONTROL_REPORT_LATENCY_MAX_US)
		out->latency_us = (uint32_t)(status.latency_ms * 1e3);
	if (status.relay)
		snprintf(out->relay, sizeof(out->relay), "%s", status.relay);
	if (status.reason)
		snprintf(out->reason, sizeof(out->reason), "%s", status.reason);
	return true;
}

static int fill_peers(const struct mesh *mesh, struct control_report *report)
{
	struct control_report_peer *peers = calloc(map_count(mesh->peers) + 1, sizeof(*peers));
	struct mesh_peer *peer;
	size_t cursor = 0, count = 0;

	if (!peers)
		return -1;
	while ((peer = map_next(mesh->peers, &cursor)))
		count += fill_peer(peer, &peers[count]);
	qsort(peers, count, sizeof(*peers), by_interest);
	report->peers = peers;
	report->peer_count = count < CONTROL_REPORT_PEERS_MAX ? count : CONTROL_REPORT_PEERS_MAX;
	return 0;
}

static int fill_health(const struct mesh *mesh, struct control_report *report)
{
	report->health = calloc(CONTROL_REPORT_HEALTH_MAX, sizeof(*report->health));
	if (!report->health)
		return -1;
	for (size_t i = 0; i < MESH_HEALTH_MAX; i++)
		if (mesh->health[i][0] && report->health_count < CONTROL_REPORT_HEALTH_MAX)
			control_report_clean(report->health[report->health_count++],
					     mesh->health[i]);
	return 0;
}

/* A quarter and two milliseconds: less is what every network does. */
static bool latency_differs(uint32_t a, uint32_t b)
{
	uint32_t larger = a > b ? a : b;
	uint32_t difference = a > b ? a - b : b - a;

	return difference > larger / 4 && difference > 2000;
}

static bool differs(const struct control_report *a, const struct control_report *b)
{
	if (a->peer_count != b->peer_count || a->health_count != b->health_count)
		return true;
	for (size_t i = 0; i < a->health_count; i++)
		if (strcmp(a->health[i], b->health[i]) != 0)
			return true;
	for (size_t i = 0; i < a->peer_count; i++) {
		const struct control_report_peer *x = &a->peers[i];
		const struct control_report_peer *y = &b->peers[i];

		if (memcmp(x->node_key, y->node_key, 32) != 0 || x->path != y->path ||
		    strcmp(x->relay, y->relay) != 0 || strcmp(x->reason, y->reason) != 0 ||
		    latency_differs(x->latency_us, y->latency_us))
			return true;
	}
	return false;
}

static void report(struct reporter *reporter, uint64_t now_ns)
{
	struct control_message message = { .type = CONTROL_REPORT };
	struct control_report *fresh = &message.report;

	if (fill_peers(reporter->mesh, fresh) < 0 || fill_health(reporter->mesh, fresh) < 0 ||
	    (reporter->sent_ns && !differs(fresh, &reporter->last)) ||
	    control_client_send(reporter->mesh->control, &message) < 0) {
		control_report_clear(fresh);
		return;
	}
	control_report_clear(&reporter->last);
	reporter->last = *fresh;
	reporter->sent_ns = now_ns;
}

static void on_timer(void *arg, uint64_t now_ns)
{
	struct reporter *reporter = arg;
	const struct mesh *mesh = reporter->mesh;

	loop_timer_set(&reporter->timer, now_ns + LOOK_S * NS_PER_S);
	if (!mesh->config->report || !mesh->control)
		return;
	if (!control_client_wants_report(mesh->control)) {
		reporter_forget(reporter); /* so does the coordinator */
		return;
	}
	if (!reporter->sent_ns || now_ns - reporter->sent_ns >= CONTROL_REPORT_PAUSE_S * NS_PER_S)
		report(reporter, now_ns);
}

struct reporter *reporter_new(struct mesh *mesh)
{
	struct reporter *reporter = calloc(1, sizeof(*reporter));

	if (!reporter)
		return NULL;
	reporter->mesh = mesh;
	loop_timer_init(&reporter->timer, mesh->loop, on_timer, reporter);
	loop_timer_set(&reporter->timer, loop_now_ns(mesh->loop) + LOOK_S * NS_PER_S);
	return reporter;
}

void reporter_free(struct reporter *reporter)
{
	if (!reporter)
		return;
	loop_timer_clear(&reporter->timer);
	control_report_clear(&reporter->last);
	free(reporter);
}

void reporter_forget(struct reporter *reporter)
{
	control_report_clear(&reporter->last);
	reporter->sent_ns = 0;
}
