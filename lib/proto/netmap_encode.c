/* Whole maps as bytes: signed by the coordinator, parsed and checked by the node. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/sign.h"
#include "proto/netmap.h"
#include "proto/netmap_wire.h"

static void put_signed(struct writer *w, const struct netmap *map)
{
	uint8_t version = netmap_wire_version(map);

	writer_u8(w, version);
	writer_bytes(w, map->network_id, sizeof(map->network_id));
	netmap_put_text(w, map->network_name);
	writer_bytes(w, map->node_key, sizeof(map->node_key));
	writer_u64(w, map->version);
	netmap_put_relays(w, map);
	netmap_put_revoked(w, map);
	netmap_put_names(w, version, map);
	writer_u32(w, (uint32_t)map->peer_count);
	for (size_t i = 0; i < map->peer_count; i++)
		netmap_put_peer(w, version, map->peers[i]);
}

int netmap_encode_signed(const struct netmap *map, uint8_t **data, size_t *len)
{
	size_t size = netmap_head_size(map) + CERT_SIGNATURE_SIZE;
	struct writer w;
	uint8_t *bytes;

	for (size_t i = 0; i < map->peer_count; i++)
		size += netmap_peer_size(map->peers[i]);
	bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	writer_init(&w, bytes, size);
	put_signed(&w, map);
	if (w.failed || w.len + CERT_SIGNATURE_SIZE > NETMAP_ENCODED_MAX) {
		free(bytes);
		return -EMSGSIZE;
	}
	*data = bytes;
	*len = w.len;
	return 0;
}

int netmap_sign(struct netmap *map, const uint8_t authority_secret[static 64])
{
	uint8_t hash[HASH_SIZE];
	uint8_t *data;
	size_t len;
	int err = netmap_encode_signed(map, &data, &len);

	if (err < 0)
		return err;
	/* Ed25519 reads its message twice, with a slower hash, and maps are long. */
	hash_blake2b(hash, data, len);
	free(data);
	return sign_make(map->signature, authority_secret, NETMAP_DOMAIN, hash, sizeof(hash));
}

int netmap_encode(const struct netmap *map, uint8_t **data, size_t *len)
{
	int err = netmap_encode_signed(map, data, len);

	if (err < 0)
		return err;
	memcpy(*data + *len, map->signature, CERT_SIGNATURE_SIZE);
	*len += CERT_SIGNATURE_SIZE;
	return 0;
}

static int check_recipient(const struct netmap *map, const struct netmap_trust *trust)
{
	if (memcmp(map->network_id, trust->trust.network_id, sizeof(map->network_id)) != 0)
		return netmap_refuse(trust, "", -EXDEV);
	if (memcmp(map->node_key, trust->node_key, sizeof(map->node_key)) != 0)
		return netmap_refuse(trust, "", -EPERM);
	return 0;
}

static int check_signature(const uint8_t signature[static 64], const uint8_t *data, size_t len,
			   const struct netmap_trust *trust)
{
	uint8_t hash[HASH_SIZE];

	hash_blake2b(hash, data, len);
	return trust_check_map(&trust->trust, NETMAP_DOMAIN, hash, sizeof(hash), signature)
		       ? 0
		       : netmap_refuse(trust, "", -EPERM);
}

int netmap_check(const struct netmap *map, const struct netmap_trust *trust)
{
	uint8_t *data;
	size_t len;
	int err = netmap_encode_signed(map, &data, &len);

	if (err < 0)
		return err;
	err = check_recipient(map, trust);
	if (err == 0)
		err = check_signature(map->signature, data, len, trust);
	free(data);
	return err;
}

static int get_peers(struct netmap *map, uint8_t version, struct reader *r)
{
	size_t count = reader_u32(r);

	if (r->failed || count > NETMAP_PEERS_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < count; i++) {
		struct netmap_peer *peer;
		int err = netmap_get_peer(&peer, version, r);

		if (err < 0)
			return err;
		if (i > 0 && memcmp(map->peers[i - 1]->cert->parsed.device_key,
				    peer->cert->parsed.device_key,
				    sizeof(peer->cert->parsed.device_key)) >= 0) {
			netmap_peer_unref(peer);
			return -EBADMSG;
		}
		err = netmap_add_peer(map, peer);
		if (err < 0)
			return err;
	}
	return 0;
}

static int get_signed(struct netmap *map, struct reader *r)
{
	uint8_t version = reader_u8(r);
	int err;

	if (!netmap_wire_known(version))
		return -EBADMSG;
	reader_copy(r, map->network_id, sizeof(map->network_id));
	err = netmap_get_text(map->network_name, sizeof(map->network_name), r);
	if (err < 0)
		return err;
	reader_copy(r, map->node_key, sizeof(map->node_key));
	map->version = reader_u64(r);
	err = netmap_get_relays(map, version, r);
	if (err == 0)
		err = netmap_get_revoked(map, r);
	if (err == 0)
		err = netmap_get_names(map, version, r);
	if (err == 0)
		err = get_peers(map, version, r);
	if (err == 0 && (!reader_done(r) || version != netmap_wire_version(map)))
		err = -EBADMSG;
	return err;
}

static int verify_peers(const struct netmap *map, const struct netmap_trust *trust)
{
	int err = 0;

	for (size_t i = 0; i < map->peer_count && err == 0; i++)
		err = netmap_peer_verify(map->peers[i], trust);
	return err;
}

int netmap_parse(struct netmap **out, const uint8_t *data, size_t len,
		 const struct netmap_trust *trust)
{
	struct netmap *map;
	struct reader r;
	int err;

	if (len <= CERT_SIGNATURE_SIZE || len > NETMAP_ENCODED_MAX)
		return -EBADMSG;
	len -= CERT_SIGNATURE_SIZE;
	/* Before anything is parsed: bytes that nobody signed are not worth a look. */
	if (check_signature(data + len, data, len, trust) < 0)
		return -EPERM;
	map = netmap_new();
	if (!map)
		return -ENOMEM;
	memcpy(map->signature, data + len, CERT_SIGNATURE_SIZE);
	reader_init(&r, data, len);
	err = get_signed(map, &r);
	if (err == 0)
		err = check_recipient(map, trust);
	if (err == 0)
		err = verify_peers(map, trust);
	if (err < 0) {
		netmap_free(map);
		return err;
	}
	*out = map;
	return 0;
}
