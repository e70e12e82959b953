#include "coord/mapmaker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What one node is in another's map; borrowed. */
struct view {
	struct netmap_cert *cert; /* NULL: policy keeps the two apart */
	struct netmap_rules *rules;
	bool may_send;
};

/* The node's present certificate, which all maps share; NULL when out of memory. */
static struct netmap_cert *shared_cert(struct node *node)
{
	struct netmap_cert *cert;

	if (node->shared_cert && node->shared_cert->parsed.serial == node->serial)
		return node->shared_cert;
	if (netmap_cert_new(&cert, node->cert, node->cert_len) < 0)
		return NULL;
	netmap_cert_unref(node->shared_cert);
	node->shared_cert = cert;
	return cert;
}

static int look(const struct network *network, const struct node *node, struct node *peer,
		struct view *view)
{
	struct policy_node node_view = node_policy_view(node);
	struct policy_node peer_view = node_policy_view(peer);
	struct policy_rules outbound = { .count = 0 };
	struct policy_rules inbound = { .count = 0 };
	int err;

	*view = (struct view){ .cert = NULL };
	if (peer == node || !node_is_member(peer) || !node_is_member(node))
		return 0;
	err = policy_compile(network->policy, &node_view, &peer_view, &outbound);
	if (err == 0)
		err = policy_compile(network->policy, &peer_view, &node_view, &inbound);
	if (err == 0 && outbound.count + inbound.count > 0) {
		view->may_send = outbound.count > 0;
		view->rules = rule_lists_share(network->rule_lists, inbound.rules, inbound.count);
		view->cert = shared_cert(peer);
		if (!view->rules || !view->cert)
			err = -ENOMEM;
	}
	policy_rules_clear(&outbound);
	policy_rules_clear(&inbound);
	return err;
}

static int set_head(const struct network *network, const struct node *node, struct netmap *map)
{
	struct netmap_relay relays[NETMAP_RELAYS_MAX];
	size_t count = 0;
	int err;

	memcpy(map->network_id, network->id, sizeof(map->network_id));
	strcpy(map->network_name, network->name);
	memcpy(map->node_key, node->device_key, sizeof(map->node_key));
	for (size_t i = 0; i < network->relay_count; i++) {
		const struct netmap_relay *relay = &network->relays[i].relay;

		if (node->knows_turn || relay->kind != NETMAP_RELAY_TURN)
			relays[count++] = *relay;
	}
	err = netmap_set_relays(map, relays, count);
	return err < 0 ? err : netmap_set_revoked(map, network->revoked, network->revoked_count);
}

/* Above what it had before, also from a coordinator that counts further on. */
static uint64_t next_version(const struct network *network, const struct node *node)
{
	uint64_t version = network->version;

	if (node->map_floor > version)
		version = node->map_floor;
	if (node->map && node->map->version > version)
		version = node->map->version;
	return version + 1;
}

static int finish(struct network *network, const struct node *node, struct netmap *map)
{
	map->version = next_version(network, node);
	if (netmap_sign(map, network->strict.on ? network->strict.map_secret
						: network->authority_secret) < 0)
		return -ENOMEM;
	network->version++;
	return 0;
}

static bool is_same(const struct netmap_peer *peer, const struct view *view)
{
	return peer->may_send == view->may_send && peer->cert == view->cert &&
	       peer->rules == view->rules;
}

/* Puts the peer's present entry into map; *changed when it was another one. */
static int refresh_peer(const struct network *network, const struct node *node, struct node *peer,
			struct netmap *map, bool *changed)
{
	struct netmap_peer *before = netmap_find_peer(map, peer->device_key);
	struct netmap_peer *entry = NULL;
	struct view view;
	int err = look(network, node, peer, &view);

	if (err == 0 && (before ? !is_same(before, &view) : view.cert != NULL)) {
		if (view.cert)
			err = netmap_peer_share(&entry, view.cert, view.rules, view.may_send);
		if (err == 0) {
			*changed = true;
			netmap_remove_peer(map, peer->device_key);
			err = entry ? netmap_add_peer(map, entry) : 0;
		}
	}
	netmap_rules_unref(view.rules);
	return err;
}

int mapmaker_build(struct network *network, struct node *node)
{
	struct netmap *map = netmap_new();
	struct node *peer;
	size_t cursor = 0;
	int err = map ? set_head(network, node, map) : -ENOMEM;

	while (err == 0 && (peer = network_next(network, &cursor))) {
		bool changed;

		err = refresh_peer(network, node, peer, map, &changed);
	}
	if (err == 0)
		err = finish(network, node, map);
	if (err < 0) {
		netmap_free(map);
		return err;
	}
	netmap_free(node->map);
	node->map = map;
	return 0;
}

/* Drops peers that are no nodes any more. */
static void drop_vanished(const struct network *network, struct netmap *map)
{
	for (size_t i = map->peer_count; i-- > 0;) {
		const uint8_t *key = map->peers[i]->cert->parsed.device_key;

		if (!network_find(network, key))
			netmap_remove_peer(map, key);
	}
}

/* The peers of a copied map, brought up to date. */
static int refresh(const struct network *network, const struct node *node, bool whole,
		   struct netmap *map, bool *changed)
{
	struct node *peer;
	size_t cursor = 0;

	while ((peer = network_next(network, &cursor))) {
		/* When the node itself changed, so may have what policy says of it and anybody. */
		bool due = whole || node->dirty || peer->dirty;
		int err = due ? refresh_peer(network, node, peer, map, changed) : 0;

		if (err < 0)
			return err;
	}
	if (!whole)
		return 0;
	*changed = true;
	drop_vanished(network, map);
	return set_head(network, node, map);
}

int mapmaker_update(struct network *network, struct node *node, bool whole, uint8_t **delta,
		    size_t *len)
{
	struct netmap *map = netmap_copy(node->map);
	bool changed = false;
	int err = -ENOMEM;

	*delta = NULL;
	if (map)
		err = refresh(network, node, whole || network->all_dirty, map, &changed);
	if (err == 0 && changed)
		err = finish(network, node, map);
	if (err == 0 && changed)
		err = netmap_diff(node->map, map, delta, len);
	if (err < 0 || !changed) {
		netmap_free(map);
		return err;
	}
	netmap_free(node->map);
	node->map = map;
	return 0;
}

void mapmaker_settle(struct network *network)
{
	struct node *node;
	size_t cursor = 0;

	while ((node = network_next(network, &cursor)))
		node->dirty = false;
	rule_lists_sweep(network->rule_lists);
	network->all_dirty = false;
	network->relays_dirty = false;
}
