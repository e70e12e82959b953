#include "proto/netmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct netmap *netmap_new(void)
{
	return calloc(1, sizeof(struct netmap));
}

void netmap_free(struct netmap *map)
{
	if (!map)
		return;
	for (size_t i = 0; i < map->peer_count; i++)
		netmap_peer_unref(map->peers[i]);
	free(map->peers);
	free(map->relays);
	free(map->revoked);
	netmap_names_unref(map->names);
	free(map);
}

int netmap_peer_share(struct netmap_peer **out, struct netmap_cert *cert,
		      const struct netmap_terms *terms)
{
	struct netmap_peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return -ENOMEM;
	peer->refs = 1;
	peer->may_send = terms->may_send;
	peer->routes_used = terms->routes_used;
	peer->cert = netmap_cert_ref(cert);
	peer->rules = netmap_rules_ref(terms->rules);
	peer->lan = terms->lan ? netmap_rules_ref(terms->lan) : NULL;
	*out = peer;
	return 0;
}

int netmap_peer_new(struct netmap_peer **peer, const uint8_t *cert_bytes, size_t cert_len,
		    const struct filter_rule *list, size_t rule_count, bool may_send)
{
	struct netmap_terms terms = { .may_send = may_send };
	struct netmap_cert *cert = NULL;
	int err = netmap_cert_new(&cert, cert_bytes, cert_len);

	if (err == 0)
		err = netmap_rules_new(&terms.rules, list, rule_count);
	if (err == 0)
		err = netmap_peer_share(peer, cert, &terms);
	netmap_cert_unref(cert);
	netmap_rules_unref(terms.rules);
	return err;
}

struct netmap_peer *netmap_peer_ref(struct netmap_peer *peer)
{
	peer->refs++;
	return peer;
}

void netmap_peer_unref(struct netmap_peer *peer)
{
	if (!peer || --peer->refs > 0)
		return;
	netmap_cert_unref(peer->cert);
	netmap_rules_unref(peer->rules);
	netmap_rules_unref(peer->lan);
	free(peer);
}

static bool rules_equal(const struct netmap_rules *a, const struct netmap_rules *b)
{
	return a == b || (a && b && netmap_rules_hold(a, b->list, b->count));
}

bool netmap_peer_equal(const struct netmap_peer *a, const struct netmap_peer *b)
{
	return a == b || (a->may_send == b->may_send && a->routes_used == b->routes_used &&
			  netmap_cert_equal(a->cert, b->cert) && rules_equal(a->rules, b->rules) &&
			  rules_equal(a->lan, b->lan));
}

/* The place of device_key among the peers, or where it belongs. */
static size_t find_place(const struct netmap *map, const uint8_t device_key[static 32], bool *found)
{
	size_t low = 0;
	size_t high = map->peer_count;

	*found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(map->peers[middle]->cert->parsed.device_key, device_key, 32);

		if (order == 0) {
			*found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int grow_peers(struct netmap *map)
{
	size_t cap = map->peer_cap ? map->peer_cap * 2 : 16;
	struct netmap_peer **peers;

	if (map->peer_count < map->peer_cap)
		return 0;
	if (map->peer_count >= NETMAP_PEERS_MAX)
		return -ENOSPC;
	peers = realloc(map->peers, cap * sizeof(struct netmap_peer *));
	if (!peers)
		return -ENOMEM;
	map->peers = peers;
	map->peer_cap = cap;
	return 0;
}

int netmap_add_peer(struct netmap *map, struct netmap_peer *peer)
{
	const uint8_t *key = peer->cert->parsed.device_key;
	size_t place = map->peer_count;
	bool found = false;
	int err;

	/* Mostly they come in order. */
	if (place > 0 && memcmp(map->peers[place - 1]->cert->parsed.device_key, key, 32) >= 0)
		place = find_place(map, key, &found);
	err = found ? -EEXIST : grow_peers(map);

	if (err < 0) {
		netmap_peer_unref(peer);
		return err;
	}
	memmove(&map->peers[place + 1], &map->peers[place],
		(map->peer_count - place) * sizeof(struct netmap_peer *));
	map->peers[place] = peer;
	map->peer_count++;
	return 0;
}

void netmap_remove_peer(struct netmap *map, const uint8_t device_key[static 32])
{
	bool found;
	size_t place = find_place(map, device_key, &found);

	if (!found)
		return;
	netmap_peer_unref(map->peers[place]);
	map->peer_count--;
	memmove(&map->peers[place], &map->peers[place + 1],
		(map->peer_count - place) * sizeof(struct netmap_peer *));
}

struct netmap_peer *netmap_find_peer(const struct netmap *map, const uint8_t device_key[static 32])
{
	bool found;
	size_t place = find_place(map, device_key, &found);

	return found ? map->peers[place] : NULL;
}

int netmap_set_relays(struct netmap *map, const struct netmap_relay *relays, size_t count)
{
	struct netmap_relay *copy;

	if (count > NETMAP_RELAYS_MAX)
		return -ENOSPC;
	copy = calloc(count + 1, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	if (count)
		memcpy(copy, relays, count * sizeof(*copy));
	free(map->relays);
	map->relays = copy;
	map->relay_count = count;
	return 0;
}

static int compare_serials(const void *a, const void *b)
{
	const uint64_t *x = a;
	const uint64_t *y = b;

	return *x < *y ? -1 : *x > *y;
}

int netmap_set_revoked(struct netmap *map, const uint64_t *serials, size_t count)
{
	uint64_t *copy = calloc(count + 1, sizeof(*copy));
	size_t kept = 0;
	size_t surplus;

	if (!copy)
		return -ENOMEM;
	if (count)
		memcpy(copy, serials, count * sizeof(*copy));
	qsort(copy, count, sizeof(*copy), compare_serials);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || copy[kept - 1] != copy[i])
			copy[kept++] = copy[i];
	surplus = kept > NETMAP_REVOKED_MAX ? kept - NETMAP_REVOKED_MAX : 0;
	memmove(copy, copy + surplus, (kept - surplus) * sizeof(*copy));
	free(map->revoked);
	map->revoked = copy;
	map->revoked_count = kept - surplus;
	return 0;
}

static uint64_t next_change_s(const struct cert *cert, uint64_t now_s)
{
	if (now_s < cert->not_before_s)
		return cert->not_before_s;
	if (now_s > cert->not_after_s || cert->not_after_s == UINT64_MAX)
		return UINT64_MAX;
	return cert->not_after_s + 1;
}

uint64_t netmap_next_change_s(const struct netmap *map, uint64_t now_s)
{
	uint64_t next_s = UINT64_MAX;

	for (size_t i = 0; i < map->peer_count; i++) {
		uint64_t at_s = next_change_s(&map->peers[i]->cert->parsed, now_s);

		if (at_s < next_s)
			next_s = at_s;
	}
	return next_s;
}

bool netmap_is_revoked(const struct netmap *map, uint64_t serial)
{
	return map->revoked_count > 0 &&
	       bsearch(&serial, map->revoked, map->revoked_count, sizeof(serial), compare_serials);
}
