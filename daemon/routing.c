#include "daemon/routing.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "daemon/dataplane.h"
#include "daemon/exit.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/peer.h"
#include "daemon/routing_report.h"
#include "daemon/routing_state.h"
#include "kernel-iface/link.h"
#include "kernel-iface/rule.h"
#include "proto/route_facts.h"

/* --- who carries what --- */

static size_t list_candidates(const struct routing *routing, const struct entry *entry,
			      struct carrier_candidate *out)
{
	size_t count = 0;

	for (size_t i = 0; i < entry->count; i++) {
		const struct offer *offer = &routing->offers[entry->first + i];
		const struct carrier *carrier = offer->carrier;
		const struct path_current *path;

		if (offer->off || !carrier->peer)
			continue;
		path = mesh_peer_path(carrier->peer);
		out[count++] = (struct carrier_candidate){
			.id = carrier->id,
			.weight = offer->weight,
			.state = routing_offer_is_down(offer) ? CARRIER_OFFLINE
							      : carrier->pulse.state,
			.direct = path && path->kind == PATH_DIRECT,
			.latency_ns = mesh_peer_latency_ns(carrier->peer),
		};
	}
	return count;
}

static struct carrier *find_carrier(const struct routing *routing, const struct entry *entry)
{
	for (size_t i = 0; i < entry->count; i++) {
		struct carrier *carrier = routing->offers[entry->first + i].carrier;

		if (carrier->id == entry->choice.current && carrier->peer)
			return carrier;
	}
	return NULL;
}

static void tell_change(struct routing *routing, const struct entry *entry)
{
	const struct carrier *carrier = entry->current;
	char text[PREFIX_TEXT_SIZE];

	log_info("route prefix=%s peer=%s why=%s", prefix_format(text, &entry->prefix),
		 carrier ? mesh_peer_info(carrier->peer)->cert->parsed.name : "none",
		 carrier ? carrier_reason_text(entry->choice.reason) : "nobody");
	if (route_is_exit(&entry->prefix))
		exit_carrier_changed(routing->mesh, entry->prefix.addr.family,
				     carrier ? carrier->peer : NULL);
}

static void choose(struct routing *routing, struct entry *entry, uint64_t now_ns)
{
	struct carrier_candidate *candidates = routing->candidates;
	size_t count =
		routing_entry_usable(entry) ? list_candidates(routing, entry, candidates) : 0;
	struct carrier *former = entry->current;

	carrier_choose(&entry->choice, candidates, count, now_ns);
	entry->current = find_carrier(routing, entry);
	if (entry->current == former)
		return;
	if (former)
		former->lost = true;
	routing->table_changed = true;
	tell_change(routing, entry);
}

/* True when the data plane's table is to be published. */
static bool give(struct entry *entry)
{
	struct carrier *to = entry->current;
	struct dp_peer *dp = to ? peer_dp(mesh_peer_wireguard(to->peer)) : NULL;
	char text[PREFIX_TEXT_SIZE];

	if (entry->given == to && entry->given_dp == dp)
		return false;
	if (!to) {
		if (entry->given && entry->given->peer)
			dataplane_allowed_ip_remove(entry->given_dp, &entry->prefix);
	} else if (dataplane_allowed_ip_set(dp, &entry->prefix) < 0) {
		log_error("route-not-set prefix=%s error=\"out of memory\"",
			  prefix_format(text, &entry->prefix));
		return false;
	}
	entry->given = to;
	entry->given_dp = dp;
	return true;
}

/* --- the kernel --- */

static bool is_routed(const struct routing *routing, const struct entry *entry)
{
	return routing_entry_usable(entry) &&
	       (entry->current || (route_is_exit(&entry->prefix) && exit_wanted(routing->mesh)));
}

static void set_table(struct routing *routing)
{
	struct mesh *mesh = routing->mesh;
	struct routing_route *routes;
	uint32_t local[2] = { 1, 1 }; /* all but default routes */
	size_t count = 0;
	int err;

	if (exit_wanted(mesh))
		exit_local_lengths(mesh, local);
	routes = calloc(routing->entry_count + 1, sizeof(*routes));
	if (!routes)
		return;
	for (size_t i = 0; i < routing->entry_count; i++) {
		const struct entry *entry = &routing->entries[i];

		if (is_routed(routing, entry))
			routes[count++] = (struct routing_route){
				.dst = entry->prefix,
				.mtu = entry->current ? mesh_peer_route_mtu(entry->current->peer)
						      : 0,
			};
	}
	err = routing_table_set(&routing->table, mesh, routes, count, local);
	routing->table_changed = err < 0;
	if (err < 0)
		log_error("routes-not-set count=%zu error=\"%s\"", count, strerror(-err));
	routing_show_health(routing, err);
}

/* --- all of it --- */

static void note_use(struct routing *routing)
{
	struct carrier *carrier;
	size_t cursor = 0;

	while ((carrier = map_next(routing->carriers, &cursor)))
		carrier->rivals = carrier->in_use = false;
	for (size_t i = 0; i < routing->entry_count; i++) {
		const struct entry *entry = &routing->entries[i];
		size_t able = 0;

		if (!entry->current)
			continue;
		entry->current->in_use = true;
		for (size_t k = 0; k < entry->count; k++)
			able += !routing->offers[entry->first + k].off;
		for (size_t k = 0; k < entry->count && able > 1; k++) {
			if (!routing->offers[entry->first + k].off)
				routing->offers[entry->first + k].carrier->rivals = true;
		}
	}
}

static void plan(struct routing *routing, uint64_t now_ns)
{
	uint64_t next_ns = CLOCK_NEVER;
	struct carrier *carrier;
	size_t cursor = 0;

	note_use(routing);
	while ((carrier = map_next(routing->carriers, &cursor))) {
		uint64_t look_ns =
			carrier->peer ? routing_carrier_next_ns(carrier, now_ns) : CLOCK_NEVER;

		next_ns = look_ns < next_ns ? look_ns : next_ns;
	}
	for (size_t i = 0; i < routing->entry_count; i++) {
		uint64_t look_ns = carrier_choice_next_ns(&routing->entries[i].choice);

		next_ns = look_ns < next_ns ? look_ns : next_ns;
	}
	loop_timer_set(&routing->timer, next_ns);
}

/* Data plane first: what the kernel brings before anybody has the prefix would be refused. */
static void evaluate(struct routing *routing)
{
	uint64_t now_ns = loop_now_ns(routing->mesh->loop);
	struct carrier *carrier;
	bool changed = false;
	size_t cursor = 0;

	while ((carrier = map_next(routing->carriers, &cursor))) {
		carrier->lost = false;
		if (carrier->peer)
			routing_carrier_update(routing, carrier, now_ns);
	}
	routing_find_sites(routing);
	for (size_t i = 0; i < routing->entry_count; i++) {
		choose(routing, &routing->entries[i], now_ns);
		changed |= give(&routing->entries[i]);
	}
	if (changed)
		dataplane_allowed_ips_commit(routing->mesh->dp);
	cursor = 0;
	while ((carrier = map_next(routing->carriers, &cursor))) {
		if (!carrier->peer)
			continue;
		routing_carrier_tell(routing, carrier);
		if (carrier->lost)
			dataplane_peer_redirect(peer_dp(mesh_peer_wireguard(carrier->peer)));
	}
	if (routing->table_changed)
		set_table(routing);
	plan(routing, now_ns);
}

static void on_timer(void *arg, uint64_t now_ns)
{
	(void)now_ns;
	evaluate(arg);
}

/* What is told of one peer is often told of many: all of it is looked at once. */
static void evaluate_soon(struct routing *routing)
{
	loop_timer_set(&routing->timer, loop_now_ns(routing->mesh->loop));
}

/* --- life --- */

struct routing *routing_new(struct mesh *mesh)
{
	struct routing *routing = calloc(1, sizeof(*routing));

	if (!routing)
		return NULL;
	routing->mesh = mesh;
	routing->carriers = map_new(32, NETMAP_PEERS_MAX);
	if (!routing->carriers) {
		free(routing);
		return NULL;
	}
	loop_timer_init(&routing->timer, mesh->loop, on_timer, routing);
	return routing;
}

void routing_free(struct routing *routing)
{
	struct carrier *carrier;
	size_t cursor = 0;

	if (!routing)
		return;
	loop_timer_clear(&routing->timer);
	routing_table_set(&routing->table, routing->mesh, NULL, 0, (uint32_t[2]){ 0 });
	routing_table_clear(&routing->table);
	while ((carrier = map_next(routing->carriers, &cursor)))
		free(carrier);
	map_free(routing->carriers);
	host_view_clear(&routing->host);
	free(routing->overlay.addrs);
	free(routing->offers);
	free(routing->entries);
	free(routing->candidates);
	free(routing);
}

/* --- news --- */

static void read_host(struct routing *routing)
{
	int err = host_view_read(&routing->host, routing->mesh->netlink,
				 dataplane_tun_ifindex(routing->mesh->dp));

	if (err < 0)
		log_warn("networks-not-listed error=\"%s\"", strerror(-err));
	routing->host_known = err == 0;
}

void routing_map_changed(struct mesh *mesh)
{
	struct routing *routing = mesh->routing;

	if (!routing)
		return;
	if (routing_offers_read(routing) < 0) {
		log_error("routes-not-read error=\"out of memory\"");
		return;
	}
	/* Of thousands of nodes every one brings a map; the host has not changed by that. */
	if (routing->entry_count && !routing->host_known)
		read_host(routing);
	routing_find_conflicts(routing);
	evaluate(routing);
}

void routing_peer_leaves(struct mesh *mesh, const struct mesh_peer *peer)
{
	struct routing *routing = mesh->routing;
	struct carrier *carrier = routing ? map_find(routing->carriers, mesh_peer_key(peer)) : NULL;

	if (!carrier)
		return;
	for (size_t i = 0; i < routing->entry_count; i++) {
		struct entry *entry = &routing->entries[i];

		if (entry->given == carrier)
			entry->given = NULL;
		if (entry->current == carrier)
			entry->current = NULL;
	}
	carrier->peer = NULL;
	carrier->dp = NULL;
	carrier->source_count = 0;
	carrier->waiting_ns = 0;
	carrier->down = 0;
}

void routing_network_changed(struct mesh *mesh)
{
	struct routing *routing = mesh->routing;

	if (!routing)
		return;
	routing->host_known = false;
	if (!routing->entry_count)
		return;
	read_host(routing);
	routing_find_conflicts(routing);
	evaluate(routing);
}

void routing_restore(struct mesh *mesh)
{
	struct routing *routing = mesh->routing;

	if (!routing)
		return;
	routing->host_known = false; /* what was the device may be another's number */
	routing_table_forget(&routing->table);
	routing->table_changed = true;
	evaluate(routing);
}

void routing_check(struct mesh *mesh)
{
	if (mesh->routing && !routing_table_holds(&mesh->routing->table, mesh)) {
		log_warn("rules-restored reason=\"they were removed from outside\"");
		mesh->routing->table_changed = true;
		evaluate(mesh->routing);
	}
}

static struct carrier *carrier_of(struct mesh *mesh, const struct mesh_peer *peer)
{
	return mesh->routing ? map_find(mesh->routing->carriers, mesh_peer_key(peer)) : NULL;
}

void routing_peer_wanted(struct mesh *mesh, struct mesh_peer *peer)
{
	struct carrier *carrier = carrier_of(mesh, peer);

	if (!carrier)
		return;
	carrier->waiting_ns = loop_now_ns(mesh->loop);
	evaluate_soon(mesh->routing);
}

void routing_peer_unanswered(struct mesh *mesh, struct mesh_peer *peer)
{
	struct carrier *carrier = carrier_of(mesh, peer);

	if (carrier && carrier->rivals)
		evaluate_soon(mesh->routing);
}

void routing_peer_changed(struct mesh *mesh, struct mesh_peer *peer)
{
	if (carrier_of(mesh, peer))
		evaluate_soon(mesh->routing);
}

void routing_peer_routes(struct mesh *mesh, struct mesh_peer *peer, uint32_t serial, uint32_t down)
{
	struct carrier *carrier = carrier_of(mesh, peer);

	if (!carrier || (carrier->down == down && carrier->down_serial == serial))
		return;
	carrier->down = down;
	carrier->down_serial = serial;
	evaluate_soon(mesh->routing);
}

void routing_mtu_changed(struct mesh *mesh, const struct mesh_peer *peer)
{
	struct carrier *carrier = carrier_of(mesh, peer);

	if (!carrier || !carrier->in_use)
		return;
	mesh->routing->table_changed = true;
	evaluate_soon(mesh->routing);
}

struct mesh_peer *routing_exit_peer(const struct mesh *mesh, int family)
{
	for (size_t i = 0; mesh->routing && i < mesh->routing->entry_count; i++) {
		const struct entry *entry = &mesh->routing->entries[i];

		if (route_is_exit(&entry->prefix) && entry->prefix.addr.family == family)
			return entry->current ? entry->current->peer : NULL;
	}
	return NULL;
}
