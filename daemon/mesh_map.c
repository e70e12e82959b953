#include "daemon/mesh_map.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "daemon/dataplane.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/name_service.h"
#include "daemon/record.h"
#include "daemon/relays.h"
#include "daemon/routing.h"
#include "daemon/speed_service.h"
#include "daemon/tunnel.h"

#define KIND "map"

/* --- peers --- */

static void remove_peer(struct mesh *mesh, struct mesh_peer *peer)
{
	const struct cert *cert = &mesh_peer_info(peer)->cert->parsed;

	map_remove(mesh->peers, cert->device_key);
	routing_peer_leaves(mesh, peer);
	tunnel_remove_routes(mesh, cert);
	mesh_peer_free(peer);
}

static bool add_peer(struct mesh *mesh, struct netmap_peer *info)
{
	struct mesh_peer *peer;
	int err = mesh_peer_new(&peer, mesh, info);

	if (err == 0) {
		err = map_insert(mesh->peers, info->cert->parsed.device_key, peer);
		if (err < 0)
			mesh_peer_free(peer);
	}
	if (err < 0) {
		log_error("peer-refused peer=%s error=\"%s\"", info->cert->parsed.name,
			  strerror(-err));
		mesh->map_until_s = 0; /* another try soon */
	}
	return err == 0;
}

static bool refuse_address(const struct mesh *mesh, const struct ip_addr *address,
			   char why[static LOCAL_REFUSAL_SIZE])
{
	const struct cert *own = &mesh->membership.cert;

	if (!addr_len(address))
		return false; /* it has none of this family */
	if (addr_equal(address, &own->address4) || addr_equal(address, &own->address6)) {
		snprintf(why, LOCAL_REFUSAL_SIZE, "is our own");
		return true;
	}
	return local_networks_refuse(&mesh->local_networks, address, why);
}

/* May traffic to its addresses be drawn to it? Said once when not, until it may. */
static bool accept_addresses(struct mesh *mesh, const struct cert *cert)
{
	const struct ip_addr *const list[] = { &cert->address4, &cert->address6 };
	char why[LOCAL_REFUSAL_SIZE], text[ADDR_TEXT_SIZE];
	size_t i;

	for (i = 0; i < 2; i++) {
		if (!refuse_address(mesh, list[i], why))
			continue;
		if (map_insert(mesh->refused, cert->device_key, mesh) == 0)
			log_warn("peer-refused peer=%s error=\"its address %s %s\"", cert->name,
				 addr_format(text, list[i]), why);
		return false;
	}
	map_remove(mesh->refused, cert->device_key);
	return true;
}

/* Certificates that do not hold today are as good as none. */
static bool is_usable(struct mesh *mesh, const struct netmap_peer *info)
{
	return cert_check_time(&info->cert->parsed, mesh_wall_s(mesh)) == 0 &&
	       !netmap_is_revoked(mesh->map, info->cert->parsed.serial) &&
	       accept_addresses(mesh, &info->cert->parsed);
}

static bool same_addresses(const struct cert *a, const struct cert *b)
{
	return addr_equal(&a->address4, &b->address4) && addr_equal(&a->address6, &b->address6);
}

static bool update_peer(struct mesh *mesh, struct mesh_peer *peer, struct netmap_peer *info)
{
	int err;

	if (mesh_peer_info(peer) == info || netmap_peer_equal(mesh_peer_info(peer), info))
		return false;
	err = mesh_peer_update(peer, info);
	if (err < 0) {
		log_error("peer-refused peer=%s error=\"%s\"", info->cert->parsed.name,
			  strerror(-err));
		remove_peer(mesh, peer);
		mesh->map_until_s = 0;
		return false;
	}
	return true;
}

/*
 * Adds and updates the map's peers. Routes come last: what they bring before the data plane knows
 * whose the addresses are would be answered as unreachable.
 */
static void apply_peers(struct mesh *mesh)
{
	size_t count = mesh->map->peer_count, i;
	bool *changed = calloc(count ? count : 1, sizeof(*changed));

	for (i = 0; i < count; i++) {
		struct netmap_peer *info = mesh->map->peers[i];
		struct mesh_peer *peer = mesh_find_peer(mesh, info->cert->parsed.device_key);
		bool news = false;

		if (peer)
			news = update_peer(mesh, peer, info);
		else if (is_usable(mesh, info))
			news = add_peer(mesh, info);
		if (changed)
			changed[i] = news;
	}
	/* Who takes over from a peer that went has its prefixes in the same step. */
	routing_map_changed(mesh);
	dataplane_allowed_ips_commit(mesh->dp);
	for (i = 0; i < count; i++) {
		const uint8_t *key = mesh->map->peers[i]->cert->parsed.device_key;
		struct mesh_peer *peer = changed && !changed[i] ? NULL : mesh_find_peer(mesh, key);

		if (peer)
			tunnel_add_routes(mesh, peer);
	}
	free(changed);
}

/* Peers whose certificates do not hold today are cut off, and status says so. */
static void show_expired(struct mesh *mesh)
{
	const struct cert *first = NULL;
	size_t count = 0;

	for (size_t i = 0; i < mesh->map->peer_count; i++) {
		const struct cert *cert = &mesh->map->peers[i]->cert->parsed;

		if (cert_check_time(cert, mesh->map_from_s) == 0)
			continue;
		first = first ? first : cert;
		count++;
	}
	if (!first)
		mesh_set_health(mesh, HEALTH_PEERS, NULL);
	else if (count == 1)
		mesh_set_health(mesh, HEALTH_PEERS,
				"the certificate of %s %s; it is cut off until there is another",
				first->name,
				mesh->map_from_s > first->not_after_s ? "has expired"
								      : "is not valid yet");
	else
		mesh_set_health(
			mesh, HEALTH_PEERS,
			"the certificates of %s and %zu others have expired or are not valid "
			"yet; they are cut off until there are others",
			first->name, count - 1);
}

void mesh_map_apply(struct mesh *mesh)
{
	struct mesh_peer *peer;
	size_t cursor = 0;

	if (!mesh->map)
		return;
	mesh->map_from_s = mesh_wall_s(mesh);
	mesh->map_until_s = netmap_next_change_s(mesh->map, mesh->map_from_s);
	while ((peer = map_next(mesh->peers, &cursor))) {
		struct netmap_peer *info = netmap_find_peer(mesh->map, mesh_peer_key(peer));

		if (!info || !is_usable(mesh, info))
			remove_peer(mesh, peer);
		else if (!same_addresses(&mesh_peer_info(peer)->cert->parsed, &info->cert->parsed))
			/* First of all, since another peer may get these addresses now. */
			tunnel_remove_routes(mesh, &mesh_peer_info(peer)->cert->parsed);
	}
	speed_service_refresh(mesh);
	apply_peers(mesh);
	show_expired(mesh);
	mesh_plan_housekeeping(mesh);
	gossip_peers_changed(mesh);
	relays_set_list(mesh->relays, mesh->map->relays, mesh->map->relay_count);
	name_service_refresh(mesh);
}

void mesh_map_refresh(struct mesh *mesh)
{
	uint64_t now_s = mesh_wall_s(mesh);

	if (!mesh->map)
		return;
	/* The clock may also have been set back. */
	if (now_s < mesh->map_from_s || now_s >= mesh->map_until_s)
		mesh_map_apply(mesh);
	else
		relays_set_list(mesh->relays, mesh->map->relays, mesh->map->relay_count);
}

void mesh_map_suspend(struct mesh *mesh)
{
	struct mesh_peer *peer;
	size_t cursor = 0;

	mesh->map_until_s = 0;

	while ((peer = map_next(mesh->peers, &cursor)))
		remove_peer(mesh, peer);
	dataplane_allowed_ips_commit(mesh->dp);
	routing_map_changed(mesh);
}

void mesh_map_clear(struct mesh *mesh)
{
	mesh_map_suspend(mesh);
	netmap_free(mesh->map);
	netmap_free(mesh->offered);
	mesh->map = NULL;
	mesh->offered = NULL;
}

/* Makes the map in force from an offered one. */
static int govern(struct mesh *mesh, const struct netmap *offered)
{
	struct netmap *map;
	int err = documents_govern(mesh, offered, &map);

	if (err < 0) {
		log_error("map-failed error=\"%s\"", strerror(-err));
		return err;
	}
	netmap_free(mesh->map);
	mesh->map = map;
	return 0;
}

void mesh_map_govern(struct mesh *mesh)
{
	if (mesh->offered && govern(mesh, mesh->offered) == 0 && mesh->settings.up)
		mesh_map_apply(mesh);
}

/* --- taking a map --- */

static void save(struct mesh *mesh)
{
	uint8_t *data;
	size_t len;
	int err = netmap_encode(mesh->offered, &data, &len);

	if (err == 0) {
		err = record_write(mesh_path(mesh, "map").text, KIND, data, len);
		file_free_secret(data, len);
	}
	mesh_saved(mesh, "map", err);
}

static int refuse(struct mesh *mesh, const struct netmap_refusal *refusal, int err)
{
	const char *who = refusal->peer;

	if (err == -EKEYREVOKED || err == -ENOMEM)
		return err; /* status says that we cannot judge it */
	if (who[0] && err == -ESTALE)
		mesh_set_health(
			mesh, HEALTH_MAP,
			"coordinator: offered an older certificate of %s than we have seen; "
			"refused",
			who);
	else if (who[0] && err == -EXDEV)
		mesh_set_health(
			mesh, HEALTH_MAP,
			"coordinator: offered a certificate of %s of another network; refused",
			who);
	else if (who[0])
		mesh_set_health(mesh, HEALTH_MAP,
				"coordinator: offered a certificate of %s that %s did not sign; "
				"refused",
				who,
				mesh->membership.trust.signer_count ? "enough signers"
								    : "the authority");
	else if (err == -EXDEV)
		mesh_set_health(mesh, HEALTH_MAP,
				"coordinator: offered a map of another network; refused");
	else
		mesh_set_health(mesh, HEALTH_MAP,
				"coordinator: offered a map that was not signed for this node; "
				"refused");
	return err;
}

static int refuse_older(struct mesh *mesh, const struct netmap *map)
{
	uint64_t held = mesh->offered ? mesh->offered->version : mesh->documents.map_version;

	mesh_set_health(
		mesh, HEALTH_MAP,
		"coordinator: offered an older map (v%llu, we hold v%llu); refused; was its "
		"database set back?",
		(unsigned long long)map->version, (unsigned long long)held);
	return -ESTALE;
}

static int adopt(struct mesh *mesh, struct netmap *map)
{
	struct netmap_refusal refusal;
	int err = documents_check_map(mesh, map, &refusal);

	if (err == -ESTALE && !refusal.peer[0])
		err = refuse_older(mesh, map);
	else if (err < 0)
		err = refuse(mesh, &refusal, err);
	else
		err = govern(mesh, map);
	if (err < 0) {
		netmap_free(map);
		return err;
	}
	mesh_set_health(mesh, HEALTH_MAP, NULL);
	netmap_free(mesh->offered);
	mesh->offered = map;
	log_info("map version=%llu peers=%zu relays=%zu", (unsigned long long)map->version,
		 mesh->map->peer_count, mesh->map->relay_count);
	documents_note_map(mesh, map);
	save(mesh);
	mesh_map_apply(mesh);
	return 0;
}

int mesh_map_receive(struct mesh *mesh, const uint8_t *data, size_t len)
{
	struct netmap_refusal refusal = { .err = 0 };
	struct netmap_trust trust;
	struct netmap *map;
	int err;

	membership_trust(&mesh->membership, &trust, &refusal);
	err = netmap_parse(&map, data, len, &trust);
	return err < 0 ? refuse(mesh, &refusal, err) : adopt(mesh, map);
}

int mesh_map_receive_delta(struct mesh *mesh, const uint8_t *data, size_t len)
{
	struct netmap_refusal refusal = { .err = 0 };
	struct netmap_trust trust;
	struct netmap *map;
	int err;

	if (!mesh->offered)
		return -ESTALE;
	membership_trust(&mesh->membership, &trust, &refusal);
	err = netmap_apply(&map, mesh->offered, data, len, &trust);
	if (err == -ESTALE)
		return err; /* it does not fit ours; the whole map will */
	return err < 0 ? refuse(mesh, &refusal, err) : adopt(mesh, map);
}

void mesh_map_load(struct mesh *mesh)
{
	struct netmap_trust trust;
	uint8_t *data;
	size_t len;
	int err;

	documents_load(mesh);
	if (mesh->documents.lost)
		return;
	err = record_read(mesh_path(mesh, "map").text, KIND, &data, &len);
	if (err == 0) {
		membership_trust(&mesh->membership, &trust, NULL);
		err = netmap_parse(&mesh->offered, data, len, &trust);
		file_free_secret(data, len);
	}
	if (err == 0)
		err = govern(mesh, mesh->offered);
	if (err < 0 && err != -ENOENT)
		log_warn("map-refused file=%s error=\"%s\" action=\"wait for the coordinator\"",
			 mesh_path(mesh, "map").text, strerror(-err));
}
