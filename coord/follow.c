#include "coord/follow.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "coord/coordinators.h"
#include "coord/network_load.h"
#include "coord/network_names.h"
#include "coord/oidc.h"
#include "coord/session_routes.h"
#include "coord/sessions.h"
#include "coord/store_change.h"

#define PURGE_S 3600

/* What was deleted elsewhere. */
static void forget_node(struct sessions *sessions, struct node *node)
{
	struct network *network = sessions->network;

	log_info("node-deleted name=%s by=another-coordinator", node->name);
	sessions_cut_off(sessions, node,
			 "this machine was deleted from the network by its admin; join again with "
			 "a token");
	pool_release(&network->pool, &node->address4);
	if (network_forget(network, node) < 0)
		log_error("out-of-memory what=revocation");
}

/* Labels point into themselves, so the parts are compared and copied one by one. */
static bool same_labels(const struct labels *a, const struct labels *b)
{
	char text_a[LABELS_TEXT_SIZE];
	char text_b[LABELS_TEXT_SIZE];

	labels_format(text_a, a);
	labels_format(text_b, b);
	return strcmp(text_a, text_b) == 0;
}

static bool is_same(const struct node *node, const struct node *stored)
{
	return memcmp(node->box_key, stored->box_key, 32) == 0 &&
	       memcmp(node->wireguard_key, stored->wireguard_key, 32) == 0 &&
	       strcmp(node->name, stored->name) == 0 &&
	       addr_equal(&node->address4, &stored->address4) &&
	       addr_equal(&node->address6, &stored->address6) &&
	       same_labels(&node->groups, &stored->groups) &&
	       same_labels(&node->tags, &stored->tags) && node->revoked == stored->revoked &&
	       node->state == stored->state && node->serial == stored->serial &&
	       strcmp(node->owner, stored->owner) == 0 &&
	       node_routes_equal(&node->routes, &stored->routes) &&
	       node->cert_len == stored->cert_len &&
	       memcmp(node->cert, stored->cert, node->cert_len) == 0;
}

/* All that is stored; what is known besides stays. */
static void copy_stored(struct node *node, const struct node *stored)
{
	uint64_t last_seen_s = node->last_seen_s;
	uint64_t logins = node->logins;

	memcpy(node, stored, offsetof(struct node, session));
	labels_copy(&node->groups, &stored->groups);
	labels_copy(&node->tags, &stored->tags);
	if (last_seen_s > node->last_seen_s)
		node->last_seen_s = last_seen_s;
	if (logins > node->logins)
		node->logins = logins;
}

static void move_addresses(struct network *network, const struct node *node,
			   const struct node *stored)
{
	if (addr_equal(&node->address4, &stored->address4))
		return;
	pool_release(&network->pool, &node->address4);
	pool_take(&network->pool, &stored->address4);
}

static void update_node(struct sessions *sessions, struct node *node, const struct node *stored,
			uint64_t now_s)
{
	bool same = is_same(node, stored);
	bool certified = node->serial != stored->serial;
	bool revoked = stored->revoked && !node->revoked;
	bool let_in = node_is_pending(node) && !node_is_pending(stored);
	bool shut_out = !node_is_pending(node) && node_is_pending(stored);

	if (!same)
		move_addresses(sessions->network, node, stored);
	copy_stored(node, stored);
	if (same)
		return;
	node->dirty = true;
	sessions_want_flush(sessions);
	if (revoked)
		sessions_cut_off(sessions, node,
				 "this machine was removed from the network by its admin");
	else if (shut_out && node->session)
		session_shut_out(node->session, now_s);
	else if (let_in && node->session)
		session_let_in(node->session, now_s);
	else if (certified && node->session)
		session_send_certificate(node->session);
	else if (node->session && node->routes.offered_count > 0)
		session_send_routes(node->session, "");
}

/*
 * One that cannot be had must not hold up the rest. -EEXIST: its address is still that of another
 * one, of which we have to hear first; *missed counts those.
 */
static int load_new(struct network *network, const struct node *stored, size_t *missed)
{
	int err = network_load_node(network, stored);

	if (err != -EEXIST && err != -EINVAL)
		return err;
	if (err == -EEXIST)
		++*missed;
	log_warn("node-not-loaded name=%s error=\"%s\"", stored->name, strerror(-err));
	return 0;
}

static int follow_node(struct sessions *sessions, const uint8_t key[static 32], uint64_t now_s,
		       size_t *missed)
{
	struct network *network = sessions->network;
	struct node *node = network_find(network, key);
	struct node *stored = malloc(sizeof(*stored));
	int err = stored ? store_node_find(network->store, key, stored) : -ENOMEM;

	if (err == 0 && node) {
		update_node(sessions, node, stored, now_s);
	} else if (err == 0) {
		err = load_new(network, stored, missed);
		sessions_want_flush(sessions);
	} else if (err == -ENOENT) {
		err = 0;
		if (node)
			forget_node(sessions, node);
		sessions_want_flush(sessions);
	}
	free(stored);
	return err;
}

static int follow_revoked(struct network *network, const char *text)
{
	uint64_t serial = strtoull(text, NULL, 10);
	int err;

	for (size_t i = 0; i < network->revoked_count; i++)
		if (network->revoked[i] == serial)
			return 0;
	err = store_revoked_find(network->store, serial);
	if (err < 0)
		return err == -ENOENT ? 0 : err; /* forgotten, as it expired */
	network->all_dirty = true;
	return network_load_revoked(network, serial);
}

static int follow_relays(struct network *network)
{
	int err;

	network_drop_stored_relays(network);
	err = store_relay_each(network->store, network_load_relay, network);
	network->relays_dirty = network->all_dirty = true;
	return err;
}

static int follow_names(struct network *network)
{
	char error[256];
	int err = network_load_names(network, error, sizeof(error));

	if (err != -EINVAL)
		return err;
	log_error("names-refused error=\"%s\"", error);
	return 0;
}

static int follow_value(struct sessions *sessions, const char *name)
{
	struct network *network = sessions->network;
	char error[256];
	int err;

	if (strcmp(name, OIDC_VALUE) == 0)
		return sessions->oidc ? oidc_reload(sessions->oidc) : 0;
	if (strcmp(name, NETWORK_VALUE_NAMES) == 0)
		return follow_names(network);
	if (strcmp(name, NETWORK_VALUE_POLICY) != 0)
		return network_load_settings(network);
	err = network_load_policy(network, error, sizeof(error));
	if (err == -EINVAL) {
		/* Nobody of ours stores such; the present one stays. */
		log_error("policy-refused error=\"%s\"", error);
		return 0;
	}
	if (err == 0)
		log_info("policy-set by=another-coordinator");
	network->all_dirty = true;
	return err;
}

static int follow_one(struct sessions *sessions, const struct store_change *change, uint64_t now_s,
		      size_t *missed)
{
	struct network *network = sessions->network;

	if (strcmp(change->kind, "node") == 0 && change->id_len == 32)
		return follow_node(sessions, change->id, now_s, missed);
	if (strcmp(change->kind, "revoked") == 0)
		return follow_revoked(network, (const char *)change->id);
	if (strcmp(change->kind, "relay") == 0)
		return follow_relays(network);
	if (strcmp(change->kind, "coordinator") == 0)
		return coordinators_load(network);
	if (strcmp(change->kind, "document") == 0) {
		sessions_want_flush(sessions);
		return strict_follow(network);
	}
	if (strcmp(change->kind, "value") == 0)
		return follow_value(sessions, (const char *)change->id);
	return 0;
}

/* Away for so long that nobody remembers what was changed meanwhile. */
struct everything {
	struct sessions *sessions;
	struct map *seen;
	uint64_t now_s;
	size_t missed;
};

static int see_node(void *arg, const struct node *stored)
{
	struct everything *all = arg;

	return map_insert(all->seen, stored->device_key, all);
}

static int take_node(void *arg, const struct node *stored)
{
	struct everything *all = arg;
	struct node *node = network_find(all->sessions->network, stored->device_key);

	if (!node)
		return load_new(all->sessions->network, stored, &all->missed);
	update_node(all->sessions, node, stored, all->now_s);
	return 0;
}

/* Those that are gone first: others may have their addresses. */
static int follow_nodes(struct everything *all)
{
	struct network *network = all->sessions->network;
	struct node *node;
	size_t cursor = 0;
	int err = store_node_each(network->store, see_node, all);

	while (err == 0 && (node = network_next(network, &cursor)))
		if (!map_find(all->seen, node->device_key))
			forget_node(all->sessions, node);
	if (err == 0)
		err = store_node_each(network->store, take_node, all);
	if (err == 0 && all->missed > 0)
		err = store_node_each(network->store, take_node, all);
	return err;
}

static int see_revoked(void *arg, uint64_t serial)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)serial);
	return follow_revoked(arg, text);
}

static int follow_everything(struct sessions *sessions, uint64_t now_s)
{
	struct network *network = sessions->network;
	struct everything all = { sessions, map_new(32, NETMAP_PEERS_MAX), now_s, 0 };
	int err = all.seen ? follow_nodes(&all) : -ENOMEM;

	if (err == 0)
		err = store_revoked_each(network->store, see_revoked, network);
	if (err == 0)
		err = follow_relays(network);
	if (err == 0)
		err = coordinators_load(network);
	if (err == 0)
		err = strict_follow(network);
	if (err == 0)
		err = follow_value(sessions, NETWORK_VALUE_POLICY);
	if (err == 0)
		err = follow_value(sessions, NETWORK_VALUE_NAMES);
	if (err == 0)
		err = follow_value(sessions, OIDC_VALUE);
	if (err == 0)
		err = network_load_settings(network);
	map_free(all.seen);
	return err;
}

/*
 * In the order of each row's last change. A node that takes the address of one that moved on since
 * comes before that one, and so is met by the second round.
 */
static int follow_changes(struct sessions *sessions, const struct store_change *changes,
			  size_t count, uint64_t now_s)
{
	size_t missed = 0;
	size_t again = 0;
	int err = 0;

	for (size_t i = 0; err == 0 && i < count; i++)
		err = follow_one(sessions, &changes[i], now_s, &missed);
	for (size_t i = 0; missed > 0 && err == 0 && i < count; i++)
		if (strcmp(changes[i].kind, "node") == 0)
			err = follow_one(sessions, &changes[i], now_s, &again);
	return err;
}

int follow_catch_up(struct sessions *sessions, uint64_t now_s)
{
	struct network *network = sessions->network;
	struct store_change *changes = NULL;
	uint64_t newest = 0;
	size_t count = 0;
	bool gap = false;
	int err;

	if (!store_is_shared(network->store))
		return 0;
	/* Before what it names is read: what comes in between is read twice. */
	err = store_change_newest(network->store, &newest);
	if (err < 0 || newest == network->followed)
		return err;
	err = store_change_has_gap(network->store, network->followed, &gap);
	if (err == 0 && gap)
		err = follow_everything(sessions, now_s);
	else if (err == 0)
		err = store_change_list(network->store, network->followed, &changes, &count);
	if (err == 0 && !gap)
		err = follow_changes(sessions, changes, count, now_s);
	free(changes);
	if (err == 0)
		network->followed = newest;
	sessions_want_flush(sessions);
	return err;
}

void follow_tick(struct sessions *sessions, uint64_t now_s)
{
	struct network *network = sessions->network;

	if (!store_is_shared(network->store) || store_is_away(network->store))
		return;
	/* A notification may be lost with a connection; the changes are not. */
	follow_catch_up(sessions, now_s);
	if (now_s < network->purged_s + PURGE_S)
		return;
	network->purged_s = now_s;
	store_change_purge(network->store, now_s);
	coordinators_refresh(network, now_s);
}
