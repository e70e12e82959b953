#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/map.h"
#include "daemon/dataplane.h"
#include "daemon/exit.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/peer.h"
#include "daemon/routing_state.h"
#include "daemon/tunnel.h"
#include "proto/route_facts.h"

/* What the map says of prefixes behind peers, as offers by prefix. */

static const struct prefix all[] = { { { AF_INET, { 0 } }, 0 }, { { AF_INET6, { 0 } }, 0 } };

struct reading {
	struct offer *offers;
	size_t count;
	size_t room;
};

/* --- carriers --- */

static struct carrier *new_carrier(struct routing *routing, struct mesh_peer *peer)
{
	struct carrier *carrier = calloc(1, sizeof(*carrier));

	if (!carrier)
		return NULL;
	memcpy(carrier->key, mesh_peer_key(peer), sizeof(carrier->key));
	carrier->id = load_be64(carrier->key) | 1;
	carrier_pulse_init(&carrier->pulse);
	if (map_insert(routing->carriers, carrier->key, carrier) < 0) {
		free(carrier);
		return NULL;
	}
	return carrier;
}

static struct carrier *carrier_of(struct routing *routing, struct mesh_peer *peer)
{
	struct carrier *carrier = map_find(routing->carriers, mesh_peer_key(peer));

	if (!carrier)
		carrier = new_carrier(routing, peer);
	if (carrier)
		carrier->peer = peer;
	return carrier;
}

/* --- offers --- */

/* The word why this route of a peer's is nothing for us; NULL: it is. */
static const char *reason_off(const struct mesh *mesh, const struct netmap_peer *info, size_t i)
{
	const struct cert *cert = &info->cert->parsed;
	const struct prefix *prefix = &cert->routes[i];

	if (route_is_exit(prefix) && !exit_wanted(mesh))
		return "exit-node";
	if (route_is_exit(prefix) && !exit_may_carry(mesh, cert, prefix))
		return "exit-node";
	if (!(info->routes_used & 1u << i))
		return "policy";
	if (!route_is_exit(prefix) && !settings_yes(&mesh->settings, "accept-routes", true))
		return "accept-routes";
	return NULL;
}

static int read_peer(struct routing *routing, struct reading *reading, struct mesh_peer *peer)
{
	const struct netmap_peer *info = mesh_peer_info(peer);
	const struct cert *cert = &info->cert->parsed;
	struct carrier *carrier = cert->route_count ? carrier_of(routing, peer) : NULL;

	if (cert->route_count && !carrier)
		return -ENOMEM;
	for (size_t i = 0; i < cert->route_count; i++) {
		if (reading->count == reading->room) {
			size_t room = reading->room ? 2 * reading->room : 64;
			struct offer *grown = reallocarray(reading->offers, room, sizeof(*grown));

			if (!grown)
				return -ENOMEM;
			reading->offers = grown;
			reading->room = room;
		}
		reading->offers[reading->count++] = (struct offer){
			.prefix = cert->routes[i],
			.carrier = carrier,
			.weight = cert->route_facts[i].weight ? cert->route_facts[i].weight
							      : ROUTE_WEIGHT_DEFAULT,
			.real = cert->route_facts[i].real,
			.off = reason_off(routing->mesh, info, i),
			.number = (uint8_t)i,
		};
	}
	return 0;
}

static int compare_offers(const void *a, const void *b)
{
	const struct offer *one = a, *two = b;
	int order = routing_prefix_compare(&one->prefix, &two->prefix);

	if (order)
		return order;
	return one->carrier->id < two->carrier->id ? -1 : one->carrier->id > two->carrier->id;
}

static int read_offers(struct routing *routing, struct reading *reading)
{
	struct mesh_peer *peer;
	size_t cursor = 0;
	int err = 0;

	while (err == 0 && (peer = map_next(routing->mesh->peers, &cursor)))
		err = read_peer(routing, reading, peer);
	if (err == 0 && reading->count)
		qsort(reading->offers, reading->count, sizeof(*reading->offers), compare_offers);
	return err;
}

/* Our own and all peers' addresses. */
static int read_overlay(const struct mesh *mesh, struct overlay_view *overlay)
{
	const struct cert *own = &mesh->membership.cert;
	struct mesh_peer *peer;
	size_t cursor = 0;

	overlay->addrs = calloc(2 * map_count(mesh->peers) + 2, sizeof(*overlay->addrs));
	if (!overlay->addrs)
		return -ENOMEM;
	overlay->count = 0;
	overlay->addrs[overlay->count++] = own->address4;
	overlay->addrs[overlay->count++] = own->address6;
	while ((peer = map_next(mesh->peers, &cursor))) {
		const struct cert *cert = &mesh_peer_info(peer)->cert->parsed;

		overlay->addrs[overlay->count++] = cert->address4;
		overlay->addrs[overlay->count++] = cert->address6;
	}
	overlay_view_sort(overlay);
	return 0;
}

/* --- entries --- */

static int compare_entry(const void *key, const void *entry)
{
	return routing_prefix_compare(key, &((const struct entry *)entry)->prefix);
}

static struct entry *find_entry(struct entry *entries, size_t count, const struct prefix *prefix)
{
	return count ? bsearch(prefix, entries, count, sizeof(*entries), compare_entry) : NULL;
}

static void begin_entry(struct routing *routing, struct entry *entry, const struct prefix *prefix,
			size_t first)
{
	const struct entry *former = find_entry(routing->entries, routing->entry_count, prefix);

	*entry = (struct entry){ .prefix = *prefix, .first = first };
	carrier_choice_init(&entry->choice);
	if (!former)
		return;
	entry->choice = former->choice;
	entry->conflict = former->conflict;
	entry->site = former->site;
	entry->current = former->current;
	entry->given = former->given;
	entry->given_dp = former->given_dp;
}

/* While an exit is wanted both default routes are ours, also when nobody carries them. */
static bool due_default(const struct routing *routing, int which, const struct entry *entries,
			size_t count, const struct prefix *next)
{
	if (!exit_wanted(routing->mesh) || find_entry((struct entry *)entries, count, &all[which]))
		return false;
	return !next || routing_prefix_compare(&all[which], next) < 0;
}

static size_t group(struct routing *routing, struct reading *reading, struct entry *entries)
{
	size_t count = 0;

	for (size_t i = 0; i <= reading->count; i++) {
		const struct prefix *prefix =
			i < reading->count ? &reading->offers[i].prefix : NULL;

		for (int which = 0; which < 2; which++) {
			if (due_default(routing, which, entries, count, prefix))
				begin_entry(routing, &entries[count++], &all[which], i);
		}
		if (!prefix)
			break;
		if (!count || !prefix_equal(&entries[count - 1].prefix, prefix))
			begin_entry(routing, &entries[count++], prefix, i);
		reading->offers[i].entry = count - 1;
		entries[count - 1].count++;
	}
	return count;
}

/* What the data plane was told of prefixes that have gone is taken back. */
static void take_back(struct entry *former)
{
	if (former->given && former->given->peer &&
	    former->given_dp == peer_dp(mesh_peer_wireguard(former->given->peer)))
		dataplane_allowed_ip_remove(former->given_dp, &former->prefix);
}

static bool offers(const struct reading *reading, const struct entry *entry,
		   const struct carrier *carrier)
{
	for (size_t i = 0; i < entry->count; i++) {
		if (reading->offers[entry->first + i].carrier == carrier)
			return true;
	}
	return false;
}

static void take_back_changed(struct routing *routing, struct reading *reading,
			      struct entry *entries, size_t count)
{
	for (size_t i = 0; i < routing->entry_count; i++) {
		if (!find_entry(entries, count, &routing->entries[i].prefix))
			take_back(&routing->entries[i]);
	}
	for (size_t i = 0; i < count; i++) {
		struct entry *entry = &entries[i];

		if (!offers(reading, entry, entry->current))
			entry->current = NULL;
		if (offers(reading, entry, entry->given))
			continue;
		take_back(entry);
		entry->given = NULL;
		entry->given_dp = NULL;
	}
}

/* Every carrier knows its offers; those without any are forgotten. */
static void index_offers(struct routing *routing)
{
	struct carrier *carrier;
	size_t cursor = 0;

	while ((carrier = map_next(routing->carriers, &cursor)))
		carrier->offer_count = 0;
	for (size_t i = 0; i < routing->offer_count; i++) {
		carrier = routing->offers[i].carrier;
		if (carrier->offer_count < CERT_ROUTES_MAX)
			carrier->offers[carrier->offer_count++] = i;
	}
	cursor = 0;
	while ((carrier = map_next(routing->carriers, &cursor))) {
		if (carrier->offer_count)
			continue;
		if (carrier->peer)
			routing_carrier_tell(routing, carrier);
		map_remove(routing->carriers, carrier->key);
		free(carrier);
	}
}

int routing_offers_read(struct routing *routing)
{
	struct reading reading = { 0 };
	struct overlay_view overlay = { 0 };
	struct carrier_candidate *candidates = NULL;
	struct entry *entries = NULL;
	size_t count;
	int err = read_offers(routing, &reading);

	if (err == 0 && reading.count)
		err = read_overlay(routing->mesh, &overlay);
	if (err == 0) {
		entries = calloc(reading.count + 2, sizeof(*entries));
		candidates = calloc(reading.count + 1, sizeof(*candidates));
		err = entries && candidates ? 0 : -ENOMEM;
	}
	if (err < 0) {
		free(reading.offers);
		free(overlay.addrs);
		free(entries);
		free(candidates);
		return err;
	}
	count = group(routing, &reading, entries);
	take_back_changed(routing, &reading, entries, count);
	free(routing->offers);
	free(routing->entries);
	free(routing->overlay.addrs);
	free(routing->candidates);
	routing->candidates = candidates;
	routing->offers = reading.offers;
	routing->offer_count = reading.count;
	routing->entries = entries;
	routing->entry_count = count;
	routing->overlay = overlay;
	index_offers(routing);
	return 0;
}

/* --- conflicts --- */

bool routing_entry_usable(const struct entry *entry)
{
	return !entry->off && !entry->conflict.whole;
}

/* Is one of its routers reached, by no tunnel and no relay, at an address inside the prefix? */
static bool is_site(const struct routing *routing, const struct entry *entry)
{
	for (size_t i = 0; i < entry->count; i++) {
		const struct offer *offer = &routing->offers[entry->first + i];
		struct dp_path path;

		if (!offer->carrier->peer || addr_len(&offer->real))
			continue;
		dataplane_peer_path(peer_dp(mesh_peer_wireguard(offer->carrier->peer)), &path);
		if (path.kind != DP_PATH_UDP || path.channel)
			continue;
		if (prefix_contains(&entry->prefix, &path.remote.addr))
			return true;
	}
	return false;
}

/*
 * At home nothing goes to the router, and nothing is known of its path any more: once found to be
 * at a site we are there as long as we are in that LAN with that address.
 */
static void find_conflict(struct routing *routing, struct entry *entry)
{
	struct route_conflict former = entry->conflict;
	bool site = is_site(routing, entry);

	route_conflict_find(&entry->conflict, &entry->prefix, &routing->host, &routing->overlay,
			    site || entry->site);
	if (!site && entry->site && strcmp(entry->conflict.with, former.with) != 0) {
		entry->site = false;
		route_conflict_find(&entry->conflict, &entry->prefix, &routing->host,
				    &routing->overlay, false);
	} else if (entry->conflict.kind == ROUTE_CONFLICT_AT_HOME) {
		entry->site |= site;
	} else {
		entry->site = false;
	}
}

static void judge(struct routing *routing, struct entry *entry)
{
	const struct mesh *mesh = routing->mesh;
	bool exit = route_is_exit(&entry->prefix);

	entry->off = NULL;
	find_conflict(routing, entry);
	if (!exit && cert_carries(&mesh->membership.cert, &entry->prefix) &&
	    entry->conflict.kind != ROUTE_CONFLICT_OVERLAY)
		entry->conflict = (struct route_conflict){ ROUTE_CONFLICT_AT_HOME, true,
							   "which it carries itself" };
	if (!exit && !tunnel_own_address(mesh, entry->prefix.addr.family == AF_INET6))
		entry->off = "no-address";
	if (exit && !exit_wanted(mesh))
		entry->off = "exit-node";
}

void routing_find_sites(struct routing *routing)
{
	for (size_t i = 0; i < routing->entry_count; i++) {
		struct entry *entry = &routing->entries[i];

		if (entry->conflict.kind != ROUTE_CONFLICT_AT_HOME || entry->conflict.whole ||
		    !is_site(routing, entry))
			continue;
		find_conflict(routing, entry);
		routing->table_changed = true;
	}
}

void routing_find_conflicts(struct routing *routing)
{
	size_t used = 0;

	for (size_t i = 0; i < routing->entry_count; i++) {
		struct entry *entry = &routing->entries[i];

		judge(routing, entry);
		if (routing_entry_usable(entry) && used++ >= ROUTING_PREFIXES_MAX)
			entry->off = "too-many";
	}
	routing->table_changed = true;
}
