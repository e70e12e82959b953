#include "coord/network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "coord/certificate.h"
#include "coord/mapmaker.h"
#include "coord/network_load.h"
#include "coord/store_change.h"
#include "coord/store_signing.h"

#define REVOKED_PURGE_S 3600

struct node *network_find(const struct network *network, const uint8_t device_key[static 32])
{
	return map_find(network->nodes, device_key);
}

struct node *network_next(const struct network *network, size_t *cursor)
{
	return map_next(network->nodes, cursor);
}

struct node *network_find_name(const struct network *network, const char *name)
{
	size_t cursor = 0;
	struct node *node;

	while ((node = network_next(network, &cursor)))
		if (strcmp(node->name, name) == 0)
			return node;
	return NULL;
}

int network_adopt(struct network *network, struct node *node)
{
	int err = map_insert(network->nodes, node->device_key, node);

	if (err == 0)
		node->dirty = true;
	return err;
}

int network_take_serial(struct network *network, uint64_t *serial)
{
	if (store_is_shared(network->store))
		return store_counter_take(network->store, NETWORK_VALUE_SERIAL, serial);
	*serial = network->next_serial++;
	return 0;
}

int network_store_serial(struct network *network)
{
	if (store_is_shared(network->store))
		return 0;
	return store_set_u64(network->store, NETWORK_VALUE_SERIAL, network->next_serial);
}

/* What is to be stored was decided on this row as memory has it: nothing of another's is undone. */
static int check_stale(struct network *network, const struct node *node)
{
	bool stale = false;
	int err = 0;

	if (store_is_shared(network->store))
		err = store_change_is_stale(network->store, "node", node->device_key, 32,
					    network->followed, &stale);
	return stale ? -EAGAIN : err;
}

/* The node and the serial counter in one transaction; with `revoke`, its serial is refused too. */
static int store_change(struct network *network, const struct node *node, bool revoke, bool forget)
{
	int err = store_begin(network->store);

	if (err < 0)
		return err;
	err = check_stale(network, node);
	if (err == 0)
		err = network_store_serial(network);
	if (err == 0 && revoke)
		err = store_revoked_add(network->store, node->serial, node->not_after_s);
	if (err == 0 && (revoke || forget) && network->strict.on && node->cert_len > 0)
		err = store_device_revoke(network->store, node->device_key,
					  node->not_after_s + network->strict.life_s);
	if (err == 0 && (revoke || forget) && network->strict.on)
		err = store_request_delete(network->store, SIGNING_CERTIFICATE, node->device_key);
	if (err == 0)
		err = forget ? store_node_delete(network->store, node->device_key)
			     : store_node_put(network->store, node);
	if (err == 0)
		err = store_commit(network->store);
	if (err < 0)
		store_rollback(network->store);
	return err;
}

int network_store_node(struct network *network, struct node *node)
{
	int err = store_change(network, node, false, false);

	if (err == 0)
		node->dirty = true;
	return err;
}

static int remember_revoked(struct network *network, uint64_t serial)
{
	uint64_t *serials =
		realloc(network->revoked, (network->revoked_count + 1) * sizeof(*network->revoked));

	if (!serials)
		return -ENOMEM;
	serials[network->revoked_count++] = serial;
	network->revoked = serials;
	network->all_dirty = true;
	return 0;
}

int network_purge_revoked(struct network *network, uint64_t now_s)
{
	uint64_t *before = network->revoked;
	size_t count = network->revoked_count;
	int err;

	/* Also after the clock was set back. */
	if (now_s - network->revoked_purged_s < REVOKED_PURGE_S)
		return 0;
	network->revoked_purged_s = now_s;
	err = store_revoked_purge(network->store, now_s);
	if (err < 0)
		return err;
	network->revoked = NULL;
	network->revoked_count = 0;
	err = store_revoked_each(network->store, network_load_revoked, network);
	if (err < 0) {
		free(network->revoked);
		network->revoked = before;
		network->revoked_count = count;
		return err;
	}
	network->all_dirty |= network->revoked_count != count;
	free(before);
	return 0;
}

int network_revoke(struct network *network, struct node *node, uint64_t now_s)
{
	int err;

	(void)now_s;
	if (node->revoked)
		return 0;
	node->revoked = true;
	err = store_change(network, node, true, false);
	if (err < 0) {
		node->revoked = false;
		return err;
	}
	node->dirty = true;
	network->strict.looked_s = 0; /* admins are to sign it at once */
	return remember_revoked(network, node->serial);
}

int network_forget(struct network *network, struct node *node)
{
	int err = 0;

	if (node->cert_len > 0) {
		network->all_dirty = true; /* maps drop it */
		if (!node->revoked)
			err = remember_revoked(network, node->serial);
	}
	map_remove(network->nodes, node->device_key);
	mapmaker_forget_node(network, node);
	node_free(node);
	return err;
}

int network_store_delete(struct network *network, const struct node *node, uint64_t now_s)
{
	return store_change(network, node, node->not_after_s > now_s, true);
}

int network_drop(struct network *network, struct node *node)
{
	pool_release(&network->pool, &node->address4);
	network->strict.looked_s = 0;
	return network_forget(network, node);
}

int network_delete(struct network *network, struct node *node, uint64_t now_s)
{
	int err = network_store_delete(network, node, now_s);

	return err < 0 ? err : network_drop(network, node);
}

/* What a certificate says changes when it is signed, and not before. */
static int ask_for_certificate(struct network *network, struct node *node,
			       const struct node *before, uint64_t now_s)
{
	int err = strict_request_certificate(network, node, now_s);

	if (err < 0 || node->cert_len > 0) {
		memcpy(node->name, before->name, sizeof(node->name));
		memcpy(node->owner, before->owner, sizeof(node->owner));
		memcpy(node->wireguard_key, before->wireguard_key, 32);
		labels_copy(&node->groups, &before->groups);
		labels_copy(&node->tags, &before->tags);
		return err;
	}
	node->state = NODE_WAITS_SIGNATURE;
	return network_store_node(network, node);
}

/*
 * Puts the node's certificate as it says now into effect, or the node back to what it was. Who
 * waits has none yet.
 */
static int certify(struct network *network, struct node *node, const struct node *before,
		   uint64_t now_s)
{
	bool waits = node_is_pending(node) && node->state != NODE_WAITS_SIGNATURE;
	int err;

	if (network->strict.on && !waits)
		return ask_for_certificate(network, node, before, now_s);
	err = waits ? 0 : certificate_issue(network, node, now_s);
	if (err == 0)
		err = network_store_node(network, node);
	if (err == 0)
		return 0;
	memcpy(node->name, before->name, sizeof(node->name));
	memcpy(node->wireguard_key, before->wireguard_key, sizeof(node->wireguard_key));
	node->serial = before->serial;
	node->not_before_s = before->not_before_s;
	node->not_after_s = before->not_after_s;
	memcpy(node->cert, before->cert, sizeof(node->cert));
	node->cert_len = before->cert_len;
	return err;
}

int network_approve(struct network *network, struct node *node, uint64_t now_s)
{
	struct node before = *node;
	int err;

	node->state = NODE_APPROVED;
	err = certify(network, node, &before, now_s);
	if (err < 0)
		node->state = before.state;
	return err;
}

int network_rename(struct network *network, struct node *node, const char *name, uint64_t now_s)
{
	struct node before = *node;

	if (cert_name_check(name) < 0)
		return -EINVAL;
	if (network_find_name(network, name))
		return -EEXIST;
	strcpy(node->name, name);
	return certify(network, node, &before, now_s);
}

int network_rekey(struct network *network, struct node *node,
		  const uint8_t wireguard_key[static 32], uint64_t now_s)
{
	struct node before = *node;

	memmove(node->wireguard_key, wireguard_key, 32);
	return certify(network, node, &before, now_s);
}

int network_check_policy(const struct network *network, const char *text, size_t len,
			 struct policy **policy, struct policy_error *error)
{
	size_t count = map_count(network->nodes);
	struct policy_node *views;
	struct policy *parsed;
	struct node *node;
	size_t cursor = 0;
	size_t filled = 0;
	int err = policy_parse(&parsed, text, len, error);

	if (err < 0)
		return err;
	views = calloc(count + 1, sizeof(*views));
	if (!views) {
		policy_free(parsed);
		return -ENOMEM;
	}
	while ((node = network_next(network, &cursor)))
		if (node_is_member(node))
			views[filled++] = node_policy_view(node);
	err = policy_check(parsed, views, filled, error);
	free(views);
	if (err < 0)
		policy_free(parsed);
	else
		*policy = parsed;
	return err;
}

void network_obey(struct network *network, struct policy *policy)
{
	mapmaker_forget_policy(network); /* it points into the old one */
	policy_free(network->policy);
	network->policy = policy;
}

int network_set_policy(struct network *network, const char *text, size_t len, const char *who,
		       uint64_t now_s, struct policy_error *error)
{
	struct policy *policy;
	int err = network_check_policy(network, text, len, &policy, error);

	if (err < 0)
		return err;
	err = network->strict.on ? strict_request_policy(network, text, len, who, now_s)
				 : store_set(network->store, NETWORK_VALUE_POLICY, text, len);
	if (err < 0 || network->strict.on) {
		policy_free(policy);
		return err;
	}
	network_obey(network, policy);
	return 0;
}

static size_t find_relay(const struct network *network, const char *name)
{
	size_t i = 0;

	while (i < network->relay_count && strcmp(network->relays[i].relay.name, name) != 0)
		i++;
	return i;
}

void network_drop_stored_relays(struct network *network)
{
	size_t kept = 0;

	for (size_t i = 0; i < network->relay_count; i++)
		if (network->relays[i].builtin)
			network->relays[kept++] = network->relays[i];
	network->relay_count = kept;
}

int network_add_relay(struct network *network, const struct store_relay *relay)
{
	int err;

	if (find_relay(network, relay->relay.name) < network->relay_count)
		return -EEXIST;
	if (network->relay_count == NETMAP_RELAYS_MAX)
		return -ENOSPC;
	err = store_relay_put(network->store, relay);
	if (err < 0)
		return err;
	network->relays[network->relay_count++] = *relay;
	network->relays_dirty = network->all_dirty = true;
	network->strict.looked_s = 0;
	return 0;
}

int network_remove_relay(struct network *network, const char *name)
{
	size_t place = find_relay(network, name);
	int err;

	if (place == network->relay_count)
		return -ENOENT;
	err = store_relay_delete(network->store, name);
	if (err < 0)
		return err;
	network->relay_count--;
	memmove(&network->relays[place], &network->relays[place + 1],
		(network->relay_count - place) * sizeof(network->relays[0]));
	network->relays_dirty = network->all_dirty = true;
	network->strict.looked_s = 0;
	return 0;
}
