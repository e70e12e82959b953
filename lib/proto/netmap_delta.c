/* The change from one signed map to the next. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/netmap.h"
#include "proto/netmap_wire.h"

/* What besides peers a delta carries. */
#define CHANGED_RELAYS  1
#define CHANGED_REVOKED 2
#define CHANGED_NAMES   4

static bool relay_equal(const struct netmap_relay *a, const struct netmap_relay *b)
{
	if (strcmp(a->name, b->name) != 0 || a->host_count != b->host_count || a->kind != b->kind ||
	    a->udp_port != b->udp_port || a->tls_port != b->tls_port)
		return false;
	for (size_t i = 0; i < a->host_count; i++)
		if (strcmp(a->hosts[i], b->hosts[i]) != 0)
			return false;
	return true;
}

static uint8_t find_changes(const struct netmap *old, const struct netmap *new)
{
	bool relays = old->relay_count != new->relay_count;
	bool revoked = old->revoked_count != new->revoked_count;

	for (size_t i = 0; !relays && i < new->relay_count; i++)
		relays = !relay_equal(&old->relays[i], &new->relays[i]);
	for (size_t i = 0; !revoked && i < new->revoked_count; i++)
		revoked = old->revoked[i] != new->revoked[i];
	return (uint8_t)((relays ? CHANGED_RELAYS : 0) | (revoked ? CHANGED_REVOKED : 0) |
			 (netmap_names_equal(old->names, new->names) ? 0 : CHANGED_NAMES));
}

static bool peer_changed(const struct netmap *old, const struct netmap_peer *peer)
{
	const struct netmap_peer *before = netmap_find_peer(old, peer->cert->parsed.device_key);

	return !before || !netmap_peer_equal(before, peer);
}

static void put_removed(struct writer *w, const struct netmap *old, const struct netmap *new)
{
	uint8_t *count = writer_reserve(w, 4);
	uint32_t removed = 0;

	for (size_t i = 0; i < old->peer_count; i++) {
		const uint8_t *key = old->peers[i]->cert->parsed.device_key;

		if (netmap_find_peer(new, key))
			continue;
		writer_bytes(w, key, 32);
		removed++;
	}
	if (count)
		store_be32(count, removed);
}

static void put_changed(struct writer *w, const struct netmap *old, const struct netmap *new)
{
	uint8_t version = netmap_wire_version(new);
	uint8_t *count = writer_reserve(w, 4);
	uint32_t changed = 0;

	for (size_t i = 0; i < new->peer_count; i++) {
		if (!peer_changed(old, new->peers[i]))
			continue;
		netmap_put_peer(w, version, new->peers[i]);
		changed++;
	}
	if (count)
		store_be32(count, changed);
}

static size_t delta_size(const struct netmap *old, const struct netmap *new)
{
	size_t size = netmap_head_size(new) + 8 + old->peer_count * 32;

	for (size_t i = 0; i < new->peer_count; i++)
		if (peer_changed(old, new->peers[i]))
			size += netmap_peer_size(new->peers[i]);
	return size + CERT_SIGNATURE_SIZE;
}

int netmap_diff(const struct netmap *old, const struct netmap *new, uint8_t **data, size_t *len)
{
	uint8_t changes = find_changes(old, new);
	size_t size = delta_size(old, new);
	uint8_t *bytes = malloc(size);
	struct writer w;

	if (!bytes)
		return -ENOMEM;
	writer_init(&w, bytes, size);
	writer_u8(&w, netmap_wire_version(new));
	writer_u64(&w, old->version);
	writer_u64(&w, new->version);
	netmap_put_text(&w, new->network_name);
	writer_u8(&w, changes);
	if (changes & CHANGED_RELAYS)
		netmap_put_relays(&w, new);
	if (changes & CHANGED_REVOKED)
		netmap_put_revoked(&w, new);
	if (changes & CHANGED_NAMES)
		netmap_put_names(&w, NETMAP_WIRE_VERSION_ROUTES, new);
	put_removed(&w, old, new);
	put_changed(&w, old, new);
	writer_bytes(&w, new->signature, CERT_SIGNATURE_SIZE);
	if (w.failed || w.len > NETMAP_ENCODED_MAX) {
		free(bytes);
		return -EMSGSIZE;
	}
	*data = bytes;
	*len = w.len;
	return 0;
}

struct netmap *netmap_copy(const struct netmap *old)
{
	struct netmap *map = netmap_new();

	if (!map)
		return NULL;
	memcpy(map->network_id, old->network_id, sizeof(map->network_id));
	memcpy(map->network_name, old->network_name, sizeof(map->network_name));
	memcpy(map->node_key, old->node_key, sizeof(map->node_key));
	map->version = old->version;
	netmap_set_names(map, old->names);
	if (netmap_set_relays(map, old->relays, old->relay_count) < 0 ||
	    netmap_set_revoked(map, old->revoked, old->revoked_count) < 0)
		goto fail;
	map->peers = calloc(old->peer_count + 1, sizeof(struct netmap_peer *));
	if (!map->peers)
		goto fail;
	map->peer_cap = old->peer_count + 1;
	for (size_t i = 0; i < old->peer_count; i++)
		map->peers[map->peer_count++] = netmap_peer_ref(old->peers[i]);
	return map;

fail:
	netmap_free(map);
	return NULL;
}

static int get_removed(struct netmap *map, struct reader *r)
{
	uint32_t count = reader_u32(r);

	if (count > NETMAP_PEERS_MAX)
		return -EBADMSG;
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *key = reader_bytes(r, 32);

		if (!key)
			return -EBADMSG;
		netmap_remove_peer(map, key);
	}
	return 0;
}

static int get_changed(struct netmap *map, uint8_t wire, struct reader *r,
		       const struct netmap_trust *trust)
{
	uint32_t count = reader_u32(r);

	if (r->failed || count > NETMAP_PEERS_MAX)
		return -EBADMSG;
	for (uint32_t i = 0; i < count; i++) {
		struct netmap_peer *peer;
		int err = netmap_get_peer(&peer, wire, r);

		if (err < 0)
			return err;
		err = netmap_peer_verify(peer, trust);
		if (err < 0) {
			netmap_peer_unref(peer);
			return err;
		}
		netmap_remove_peer(map, peer->cert->parsed.device_key);
		err = netmap_add_peer(map, peer);
		if (err < 0)
			return err;
	}
	return 0;
}

static int get_delta(struct netmap *map, uint8_t wire, struct reader *r,
		     const struct netmap_trust *trust)
{
	int err = netmap_get_text(map->network_name, sizeof(map->network_name), r);
	uint8_t changes = reader_u8(r);

	if (err < 0 || changes & ~(CHANGED_RELAYS | CHANGED_REVOKED | CHANGED_NAMES))
		return -EBADMSG;
	if (changes & CHANGED_RELAYS)
		err = netmap_get_relays(map, wire, r);
	if (err == 0 && changes & CHANGED_REVOKED)
		err = netmap_get_revoked(map, r);
	if (err == 0 && changes & CHANGED_NAMES)
		err = netmap_get_names(map, NETMAP_WIRE_VERSION_ROUTES, r);
	if (err == 0)
		err = get_removed(map, r);
	if (err == 0)
		err = get_changed(map, wire, r, trust);
	if (err == 0 && wire != netmap_wire_version(map))
		err = -EBADMSG;
	reader_copy(r, map->signature, CERT_SIGNATURE_SIZE);
	return err == 0 && !reader_done(r) ? -EBADMSG : err;
}

int netmap_apply(struct netmap **out, const struct netmap *old, const uint8_t *data, size_t len,
		 const struct netmap_trust *trust)
{
	uint64_t base_version;
	uint64_t version;
	uint8_t wire;
	struct netmap *map;
	struct reader r;
	int err;

	if (len > NETMAP_ENCODED_MAX)
		return -EBADMSG;
	reader_init(&r, data, len);
	wire = reader_u8(&r);
	if (!netmap_wire_known(wire))
		return -EBADMSG;
	base_version = reader_u64(&r);
	version = reader_u64(&r);
	if (r.failed || version <= base_version)
		return -EBADMSG;
	if (base_version != old->version)
		return -ESTALE;
	map = netmap_copy(old);
	if (!map)
		return -ENOMEM;
	map->version = version;
	err = get_delta(map, wire, &r, trust);
	if (err == 0)
		err = netmap_check(map, trust);
	if (err < 0) {
		netmap_free(map);
		return err;
	}
	*out = map;
	return 0;
}
