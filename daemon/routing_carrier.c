#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/dataplane.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/peer.h"
#include "daemon/routing_state.h"

/* While it sends, the one in use is looked at this often; data of so long ago is none. */
#define WATCH_NS   (100 * NS_PER_MS)
#define FLOWING_NS (2 * NS_PER_S)
/* One that was given up: has it been heard? */
#define LOOK_NS NS_PER_S

static struct dp_peer *dp_of(const struct carrier *carrier)
{
	return peer_dp(mesh_peer_wireguard(carrier->peer));
}

static void read_signs(struct carrier *carrier, struct carrier_signs *signs)
{
	struct dp_activity marks;

	dataplane_peer_activity(dp_of(carrier), &marks);
	if (peer_has_session(mesh_peer_wireguard(carrier->peer)))
		carrier->waiting_ns = 0;
	*signs = (struct carrier_signs){
		.offline = mesh_peer_said_offline(carrier->peer),
		.unanswered_since_ns = marks.unanswered_since_ns,
		.waiting_since_ns = carrier->waiting_ns,
		.heard_ns = marks.last_rx_ns,
		.rtt_ns = mesh_peer_latency_ns(carrier->peer),
	};
}

/* By the path in use; by others the path chooser asks meanwhile. */
static void ask(struct routing *routing, struct carrier *carrier)
{
	struct peer *wireguard = mesh_peer_wireguard(carrier->peer);
	struct dp_path path;
	uint32_t token;

	mesh_peer_connect(carrier->peer);
	if (!peer_has_session(wireguard)) {
		peer_start_handshake(wireguard);
		return;
	}
	rng_fill(&routing->mesh->rng, &token, sizeof(token));
	dataplane_peer_path(peer_dp(wireguard), &path);
	/* An echo that cannot be sent is one without an answer. */
	(void)dataplane_peer_echo(peer_dp(wireguard), &path, token | 1);
}

void routing_carrier_update(struct routing *routing, struct carrier *carrier, uint64_t now_ns)
{
	static const char *const names[] = { [CARRIER_OFFLINE] = "offline",
					     [CARRIER_SILENT] = "silent",
					     [CARRIER_HELD] = "returning",
					     [CARRIER_LIVE] = "live" };
	struct carrier_signs signs;

	read_signs(carrier, &signs);
	if (carrier_pulse_update(&carrier->pulse, &signs, now_ns) && carrier->rivals)
		log_info("carrier peer=%s state=%s",
			 mesh_peer_info(carrier->peer)->cert->parsed.name,
			 names[carrier->pulse.state]);
	/* Without anybody instead of it there is nothing to decide. */
	if (carrier_pulse_ask(&carrier->pulse, now_ns) && carrier->rivals)
		ask(routing, carrier);
}

uint64_t routing_carrier_next_ns(struct carrier *carrier, uint64_t now_ns)
{
	uint64_t next_ns = carrier_pulse_next_ns(&carrier->pulse), look_ns = CLOCK_NEVER;
	struct dp_activity marks;

	if (carrier->pulse.state == CARRIER_SILENT || carrier->pulse.state == CARRIER_HELD)
		look_ns = now_ns + LOOK_NS;
	if (carrier->in_use && carrier->rivals) {
		dataplane_peer_activity(dp_of(carrier), &marks);
		if (marks.unanswered_since_ns || now_ns < marks.last_tx_data_ns + FLOWING_NS)
			look_ns = now_ns + WATCH_NS;
		else
			dataplane_peer_notify(dp_of(carrier), DP_NOTICE_UNANSWERED);
	}
	return next_ns < look_ns ? next_ns : look_ns;
}

bool routing_offer_is_down(const struct offer *offer)
{
	const struct carrier *carrier = offer->carrier;

	return carrier->peer && carrier->down >> offer->number & 1 &&
	       (uint32_t)mesh_peer_info(carrier->peer)->cert->parsed.serial == carrier->down_serial;
}

static size_t list_sources(const struct routing *routing, const struct carrier *carrier,
			   struct prefix out[static CERT_ROUTES_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < carrier->offer_count; i++) {
		const struct offer *offer = &routing->offers[carrier->offers[i]];

		const struct entry *entry = &routing->entries[offer->entry];

		/* Flows do not stay with one who cannot hand them on. */
		if (!offer->off && routing_entry_usable(entry) &&
		    (entry->current == carrier || !routing_offer_is_down(offer)))
			out[count++] = offer->prefix;
	}
	return count;
}

void routing_carrier_tell(struct routing *routing, struct carrier *carrier)
{
	struct prefix sources[CERT_ROUTES_MAX];
	size_t count = list_sources(routing, carrier, sources);
	bool live = carrier->pulse.state >= CARRIER_HELD;

	if (carrier->dp == dp_of(carrier) && carrier->live == live &&
	    carrier->source_count == count &&
	    memcmp(carrier->sources, sources, count * sizeof(*sources)) == 0)
		return;
	if (!count && carrier->dp != dp_of(carrier) && !carrier->source_count)
		return;
	if (dataplane_peer_set_sources(dp_of(carrier), sources, count, live) < 0) {
		log_error("route-sources-not-set peer=%s error=\"out of memory\"",
			  mesh_peer_info(carrier->peer)->cert->parsed.name);
		return;
	}
	carrier->dp = dp_of(carrier);
	carrier->live = live;
	carrier->source_count = count;
	memcpy(carrier->sources, sources, count * sizeof(*sources));
}
