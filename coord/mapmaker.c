#include "coord/mapmaker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "coord/reach.h"

/* What one node is in another's map; has references to the rules. */
struct view {
	struct netmap_cert *cert; /* borrowed; NULL: policy keeps the two apart */
	struct netmap_terms terms;
};

/* A peer for a map that is made as a whole. */
struct candidate {
	uint64_t order; /* how its key begins, as a number */
	struct node *peer;
	const struct policy_grant *in; /* what it may start towards the node */
	const struct policy_grant *out;
	struct view view;
};

/* The rules made of grants for one node, so that each is made once: a table by the grant. */
struct placed {
	struct placed_slot {
		const struct policy_grant *grant;
		struct netmap_rules *rules; /* NULL: the slot is empty */
	} * slots;
	size_t size; /* a power of two, more than there can be */
};

/* The grant as a list for this node; `before` when that is the same, which saves looking it up. */
static int place_rules(const struct network *network, const struct node *node,
		       const struct policy_grant *grant, struct netmap_rules *before,
		       struct netmap_rules **out)
{
	struct policy_node view = node_policy_view(node);
	struct policy_rules rules = { .count = 0 };
	int err = grant ? policy_grant_rules(grant, &view, &rules) : 0;

	if (err == 0) {
		*out = before && netmap_rules_hold(before, rules.rules, rules.count)
			       ? netmap_rules_ref(before)
			       : rule_lists_share(network->rule_lists, rules.rules, rules.count);
		err = *out ? 0 : -ENOMEM;
	}
	policy_rules_clear(&rules);
	return err;
}

/*
 * What grants say of the networks behind the peer and behind the node: which of the routes in the
 * peer's certificate matter, and what those behind the node may start.
 */
static int place_routes(const struct network *network, const struct node *peer,
			const struct policy_grant *in, const struct policy_grant *out,
			struct view *view)
{
	const struct cert *cert = &view->cert->parsed;
	bool lan = out && policy_grant_has_lan(out);
	struct policy_rules rules = { .count = 0 };
	struct policy_node to;
	int err;

	if (!lan && cert->route_count == 0)
		return 0;
	to = node_policy_view(peer);
	to.routes = cert->routes;
	to.route_count = cert->route_count;
	view->terms.routes_used = policy_grant_routes_used(in, out, &to);
	if (!lan)
		return 0;
	err = policy_grant_lan(out, &to, &rules);
	if (err == 0 && rules.count > 0) {
		view->terms.lan = rule_lists_share(network->rule_lists, rules.rules, rules.count);
		err = view->terms.lan ? 0 : -ENOMEM;
	}
	policy_rules_clear(&rules);
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
	/* In strict mode they come as a document. */
	netmap_set_names(map, network->strict.on ? NULL : network->names);
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
	return peer->may_send == view->terms.may_send && peer->cert == view->cert &&
	       peer->routes_used == view->terms.routes_used && peer->rules == view->terms.rules &&
	       peer->lan == view->terms.lan;
}

/* --- one peer --- */

/* Puts the peer's present entry into map; *changed when it was another one. */
static int refresh_peer(const struct network *network, const struct node *node,
			const struct map_due *due, struct netmap *map, bool *changed)
{
	struct netmap_peer *before = netmap_find_peer(map, due->peer->device_key);
	struct netmap_peer *entry = NULL;
	struct view view = { .terms.may_send = due->out };
	int err = 0;

	if (due->in || due->out) {
		err = place_rules(network, node, due->in, before ? before->rules : NULL,
				  &view.terms.rules);
		view.cert = node_shared_cert(due->peer);
		if (err == 0 && !view.cert)
			err = -ENOMEM;
		if (err == 0)
			err = place_routes(network, due->peer, due->in, due->out, &view);
	}
	if (err == 0 && (before ? !is_same(before, &view) : view.cert != NULL)) {
		if (view.cert)
			err = netmap_peer_share(&entry, view.cert, &view.terms);
		if (err == 0) {
			*changed = true;
			netmap_remove_peer(map, due->peer->device_key);
			err = entry ? netmap_add_peer(map, entry) : 0;
		}
	}
	netmap_rules_unref(view.terms.rules);
	netmap_rules_unref(view.terms.lan);
	return err;
}

/* A copy of the node's map with what is due; *map stays NULL when nothing is. */
static int make_refreshed(const struct network *network, const struct node *node,
			  struct netmap **map)
{
	bool changed = false;
	struct netmap *copy;
	int err = 0;

	if (node->due_count == 0)
		return 0;
	copy = netmap_copy(node->map);
	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; err == 0 && i < node->due_count; i++)
		err = refresh_peer(network, node, &node->due[i], copy, &changed);
	if (err < 0 || !changed)
		netmap_free(copy);
	else
		*map = copy;
	return err;
}

/* --- all peers --- */

static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a;
	const struct candidate *y = b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return memcmp(x->peer->device_key, y->peer->device_key, sizeof(x->peer->device_key));
}

/* Everybody whom the node has to do with, in the order of maps. */
static int gather(const struct network *network, const struct node *node, struct candidate **out,
		  size_t *out_count)
{
	const struct policy_reach *row = NULL;
	struct candidate *list;
	size_t classes = 0;
	size_t total = 0;
	size_t count = 0;
	int err = 0;

	if (node->member.index == network->index)
		err = policy_index_row(network->index, &node->member, &row, &classes);
	if (err < 0)
		return err;
	for (size_t i = 0; i < classes; i++, total += count)
		policy_index_members(network->index, row[i].class, &count);
	list = malloc((total + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	total = 0;
	for (size_t i = 0; i < classes; i++) {
		struct policy_member *const *members =
			policy_index_members(network->index, row[i].class, &count);

		for (size_t j = 0; j < count; j++) {
			struct node *peer = members[j]->owner;

			if (peer != node)
				list[total++] = (struct candidate){ load_be64(peer->device_key),
								    peer,
								    row[i].in,
								    row[i].out,
								    { .cert = NULL } };
		}
	}
	qsort(list, total, sizeof(*list), compare_candidates);
	*out = list;
	*out_count = total;
	return 0;
}

static int placed_init(struct placed *placed, size_t count)
{
	placed->size = 16;
	while (placed->size < count * 2 + 2)
		placed->size *= 2;
	placed->slots = calloc(placed->size, sizeof(*placed->slots));
	return placed->slots ? 0 : -ENOMEM;
}

static void placed_clear(struct placed *placed)
{
	for (size_t i = 0; placed->slots && i < placed->size; i++)
		netmap_rules_unref(placed->slots[i].rules);
	free(placed->slots);
}

/* The slot of this grant, or the empty one where it belongs. */
static struct placed_slot *placed_find(struct placed *placed, const struct policy_grant *grant)
{
	size_t at = grant ? policy_grant_number(grant) * 0x9e3779b9u : 0;

	for (at &= placed->size - 1; placed->slots[at].rules && placed->slots[at].grant != grant;)
		at = (at + 1) & (placed->size - 1);
	return &placed->slots[at];
}

/* Fills in a candidate's view. */
static int look(const struct network *network, const struct node *node, struct placed *placed,
		struct candidate *candidate)
{
	struct placed_slot *slot = placed_find(placed, candidate->in);
	struct netmap_peer *before = NULL;
	int err;

	candidate->view.terms.may_send = candidate->out;
	candidate->view.cert = node_shared_cert(candidate->peer);
	if (!candidate->view.cert)
		return -ENOMEM;
	if (!slot->rules) {
		if (node->map)
			before = netmap_find_peer(node->map, candidate->peer->device_key);
		err = place_rules(network, node, candidate->in, before ? before->rules : NULL,
				  &slot->rules);
		if (err < 0)
			return err;
		slot->grant = candidate->in;
	}
	candidate->view.terms.rules = slot->rules;
	return place_routes(network, candidate->peer, candidate->in, candidate->out,
			    &candidate->view);
}

static bool same_peers(const struct netmap *map, const struct candidate *list, size_t count)
{
	if (map->peer_count != count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!is_same(map->peers[i], &list[i].view))
			return false;
	return true;
}

static bool same_head(const struct netmap *a, const struct netmap *b)
{
	return a->relay_count == b->relay_count && a->revoked_count == b->revoked_count &&
	       netmap_names_equal(a->names, b->names) &&
	       (a->relay_count == 0 ||
		memcmp(a->relays, b->relays, a->relay_count * sizeof(*a->relays)) == 0) &&
	       (a->revoked_count == 0 ||
		memcmp(a->revoked, b->revoked, a->revoked_count * sizeof(*a->revoked)) == 0);
}

/* Takes over what the node's last map has already. */
static int add_peers(struct netmap *map, const struct netmap *last, const struct candidate *list,
		     size_t count)
{
	size_t at = 0;
	int err = 0;

	for (size_t i = 0; err == 0 && i < count; i++) {
		const uint8_t *key = list[i].peer->device_key;
		struct netmap_peer *entry = NULL;

		while (last && at < last->peer_count &&
		       memcmp(last->peers[at]->cert->parsed.device_key, key, 32) < 0)
			at++;
		if (last && at < last->peer_count && is_same(last->peers[at], &list[i].view))
			entry = netmap_peer_ref(last->peers[at]);
		else
			err = netmap_peer_share(&entry, list[i].view.cert, &list[i].view.terms);
		if (err == 0)
			err = netmap_add_peer(map, entry);
	}
	return err;
}

/* A map from nothing; *map stays NULL when it would say the same as the last, unless `anyway`. */
static int make_whole(const struct network *network, const struct node *node, bool anyway,
		      struct netmap **out)
{
	struct placed placed = { .slots = NULL };
	struct netmap *map = netmap_new();
	struct candidate *list = NULL;
	size_t count = 0;
	int err = map ? set_head(network, node, map) : -ENOMEM;

	if (err == 0)
		err = gather(network, node, &list, &count);
	if (err == 0)
		err = placed_init(&placed, count);
	for (size_t i = 0; err == 0 && i < count; i++)
		err = look(network, node, &placed, &list[i]);
	if (err == 0 && !anyway && same_head(node->map, map) &&
	    same_peers(node->map, list, count)) {
		netmap_free(map);
		map = NULL;
	} else if (err == 0) {
		err = add_peers(map, node->map, list, count);
	}
	placed_clear(&placed);
	for (size_t i = 0; i < count; i++)
		netmap_rules_unref(list[i].view.terms.lan);
	free(list);
	if (err < 0)
		netmap_free(map);
	else
		*out = map;
	return err;
}

/* --- what others call --- */

/* Is the node where policy puts it? */
static int ensure(struct network *network, const struct node *node)
{
	if (network->index && (!node_is_member(node) || node->member.index == network->index))
		return 0;
	return reach_prepare(network);
}

int mapmaker_build(struct network *network, struct node *node)
{
	struct netmap *map;
	int err = ensure(network, node);

	if (err == 0)
		err = make_whole(network, node, true, &map);
	if (err < 0)
		return err;
	err = finish(network, node, map);
	if (err < 0) {
		netmap_free(map);
		return err;
	}
	netmap_free(node->map);
	node->map = map;
	return 0;
}

int mapmaker_prepare(struct network *network)
{
	return reach_prepare(network);
}

int mapmaker_update(struct network *network, struct node *node, bool whole, uint8_t **delta,
		    size_t *len)
{
	struct netmap *map = NULL;
	int err = ensure(network, node);

	*delta = NULL;
	if (err == 0 && (whole || network->all_dirty || node->dirty))
		err = make_whole(network, node, whole, &map);
	else if (err == 0)
		err = make_refreshed(network, node, &map);
	if (err < 0 || !map)
		return err;
	err = finish(network, node, map);
	if (err == 0)
		err = netmap_diff(node->map, map, delta, len);
	if (err < 0) {
		netmap_free(map);
		return err;
	}
	netmap_free(node->map);
	node->map = map;
	return 0;
}

void mapmaker_settle(struct network *network)
{
	rule_lists_sweep(network->rule_lists);
	/* When nothing could be prepared, all of it is due still. */
	network->all_dirty = !network->index;
	if (network->index)
		reach_settle(network);
	network->relays_dirty = false;
}

void mapmaker_forget_policy(struct network *network)
{
	reach_drop(network);
}

void mapmaker_forget_node(struct network *network, struct node *node)
{
	reach_remove(network, node);
}
