#include "daemon/ping.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/clock.h"
#include "daemon/local_server.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/peer.h"
#include "daemon/status.h"
#include "proto/local_api.h"

/* One request: `count` probes, one after the other. */
struct ping {
	struct pings *pings;
	struct local_request *request;
	struct mesh_peer *peer;
	unsigned int count;
	unsigned int sent;
	unsigned int received;
	uint64_t timeout_ns;
	uint64_t deadline_ns; /* of the probe that is out */
	bool until_direct;
	bool direct;   /* the last answer was */
	bool waiting;  /* for a path or session to probe */
	bool awaiting; /* an answer */
	struct loop_timer timer;
	struct ping *next;
};

struct pings {
	struct mesh *mesh;
	struct ping *first;
	size_t count;
};

struct pings *pings_new(struct mesh *mesh)
{
	struct pings *pings = calloc(1, sizeof(*pings));

	if (pings)
		pings->mesh = mesh;
	return pings;
}

static void free_ping(struct ping *ping)
{
	struct ping **link = &ping->pings->first;

	while (*link != ping)
		link = &(*link)->next;
	*link = ping->next;
	ping->pings->count--;
	loop_timer_clear(&ping->timer);
	free(ping);
}

static void on_cancel(void *arg)
{
	free_ping(arg);
}

static void finish(struct ping *ping)
{
	struct local_request *request = ping->request;
	json_t *fields = json_pack("{s:i,s:i,s:b}", "sent", (int)ping->sent, "received",
				   (int)ping->received, "direct", ping->direct);

	free_ping(ping);
	local_reply_end(request, fields);
}

void pings_free(struct pings *pings)
{
	if (!pings)
		return;
	while (pings->first)
		finish(pings->first);
	free(pings);
}

static void begin_probe(struct ping *ping);

/* Sends the probe of this turn as soon as the peer can be reached. */
static void try_probe(struct ping *ping)
{
	uint64_t now_ns = loop_now_ns(ping->pings->mesh->loop);
	uint64_t next_ns;

	if (ping->awaiting)
		mesh_peer_suspect(ping->peer);
	ping->waiting = !peer_has_session(mesh_peer_wireguard(ping->peer)) ||
			mesh_peer_probe(ping->peer) < 0;
	ping->awaiting = !ping->waiting;
	/* A probe may be lost, or the path be another one before it is answered. */
	next_ns = now_ns + (ping->waiting ? PING_RETRY_MS : PING_AGAIN_MS) * NS_PER_MS;
	loop_timer_set(&ping->timer, next_ns < ping->deadline_ns ? next_ns : ping->deadline_ns);
}

static void end_turn(struct ping *ping)
{
	uint64_t pause_ms = ping->until_direct ? PING_DIRECT_INTERVAL_MS : PING_INTERVAL_MS;

	ping->waiting = false;
	ping->awaiting = false;
	if (ping->sent >= ping->count || (ping->until_direct && ping->direct))
		finish(ping);
	else
		loop_timer_set(&ping->timer,
			       loop_now_ns(ping->pings->mesh->loop) + pause_ms * NS_PER_MS);
}

static void on_timer(void *arg, uint64_t now_ns)
{
	struct ping *ping = arg;

	if (!ping->waiting && !ping->awaiting) {
		begin_probe(ping);
	} else if (now_ns < ping->deadline_ns) {
		try_probe(ping);
	} else {
		ping->direct = false;
		local_reply_line(ping->request,
				 json_pack("{s:i,s:b}", "seq", (int)ping->sent, "lost", 1));
		end_turn(ping);
	}
}

static void begin_probe(struct ping *ping)
{
	ping->sent++;
	ping->deadline_ns = loop_now_ns(ping->pings->mesh->loop) + ping->timeout_ns;
	mesh_peer_connect(ping->peer);
	try_probe(ping);
}

void ping_start(struct pings *pings, struct local_request *request)
{
	struct local_ping asked;
	struct mesh_peer *peer;
	struct ping *ping;

	if (local_ping_decode(&asked, local_request_body(request)) < 0) {
		local_reply_error(request, LOCAL_USAGE, "malformed ping request");
		return;
	}
	peer = mesh_find_peer_text(pings->mesh, asked.name);
	if (!peer) {
		local_reply_error(request, LOCAL_FAILURE,
				  "no peer is called %s; see `warren status`", asked.name);
		return;
	}
	ping = pings->count < PINGS_MAX ? calloc(1, sizeof(*ping)) : NULL;
	if (!ping) {
		local_reply_error(request, LOCAL_FAILURE, "too many pings run; try again later");
		return;
	}
	ping->pings = pings;
	ping->request = request;
	ping->peer = peer;
	ping->count = asked.count;
	ping->until_direct = asked.until_direct;
	ping->timeout_ns = asked.timeout_ms * NS_PER_MS;
	loop_timer_init(&ping->timer, pings->mesh->loop, on_timer, ping);
	ping->next = pings->first;
	pings->first = ping;
	pings->count++;
	local_request_on_cancel(request, on_cancel, ping);
	begin_probe(ping);
}

static void reply_answer(struct ping *ping, uint64_t rtt_ns)
{
	struct status_peer status = { 0 };
	char endpoint[ENDPOINT_TEXT_SIZE], address[ADDR_TEXT_SIZE];
	const struct cert *cert = &mesh_peer_info(ping->peer)->cert->parsed;

	mesh_peer_status(ping->peer, &status);
	ping->direct = status.path == STATUS_PATH_DIRECT;
	ping->received++;
	addr_format(address, addr_len(&cert->address4) ? &cert->address4 : &cert->address6);
	local_reply_line(ping->request,
			 json_pack("{s:i,s:s,s:s,s:s,s:s?,s:s?,s:f}", "seq", (int)ping->sent,
				   "from", cert->name, "address", address, "via",
				   ping->direct ? "direct" : "relay", "endpoint",
				   status.endpoint ? endpoint_format(endpoint, status.endpoint)
						   : NULL,
				   "relay", status.relay, "latency_ms",
				   (double)rtt_ns / NS_PER_MS));
}

void ping_answered(struct pings *pings, struct mesh_peer *peer, uint64_t rtt_ns)
{
	struct ping *ping, *next;

	for (ping = pings->first; ping; ping = next) {
		next = ping->next;
		if (ping->peer == peer && ping->awaiting) {
			reply_answer(ping, rtt_ns);
			end_turn(ping);
		}
	}
}

void ping_session_up(struct pings *pings, struct mesh_peer *peer)
{
	struct ping *ping;

	for (ping = pings->first; ping; ping = ping->next) {
		if (ping->peer == peer && ping->waiting)
			loop_timer_set(&ping->timer, 0);
	}
}

void ping_forget(struct pings *pings, struct mesh_peer *peer)
{
	struct ping *ping, *next;

	for (ping = pings->first; ping; ping = next) {
		next = ping->next;
		if (ping->peer == peer)
			finish(ping);
	}
}
