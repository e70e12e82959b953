#include "coord/coordinators.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coord/network.h"
#include "coord/store_coordinator.h"

struct search {
	const struct store_coordinator *own;
	const char *name;
	bool taken; /* by another coordinator */
	char before[NETMAP_RELAY_NAME_MAX + 1];
};

static int look(void *arg, const struct store_coordinator *row)
{
	struct search *search = arg;

	if (strcmp(row->address, search->own->address) == 0)
		strcpy(search->before, row->relay);
	else if (strcmp(row->relay, search->name) == 0)
		search->taken = true;
	return 0;
}

static bool is_added(const struct network *network, const char *name)
{
	for (size_t i = 0; i < network->relay_count; i++)
		if (!network->relays[i].builtin && strcmp(network->relays[i].relay.name, name) == 0)
			return true;
	return false;
}

/* Within the transaction: nobody takes the name meanwhile. */
static int choose_name(struct network *network, struct store_coordinator *own, const char *wanted,
		       bool any_name)
{
	struct search search = { .own = own };

	for (unsigned int i = 1; i <= NETMAP_RELAYS_MAX; i++) {
		char name[NETMAP_RELAY_NAME_MAX + 1];
		int err;

		if (i == 1)
			snprintf(name, sizeof(name), "%s", wanted);
		else
			snprintf(name, sizeof(name), "%.*s-%u", NETMAP_RELAY_NAME_MAX - 4, wanted,
				 i);
		search.name = name;
		search.taken = is_added(network, name);
		err = store_coordinator_each(network->store, look, &search);
		if (err < 0)
			return err;
		/* As before, so that nodes find the relay that they know. */
		if (any_name && search.before[0]) {
			strcpy(own->relay, search.before);
			return 0;
		}
		if (!search.taken) {
			strcpy(own->relay, name);
			return 0;
		}
		if (!any_name)
			return -EEXIST;
	}
	return -ENOSPC;
}

int coordinators_register(struct network *network, const struct token_address *own,
			  const char *relay, bool any_name, uint16_t relay_port, uint64_t now_s)
{
	struct store_coordinator row = { .relay_port = relay_port, .seen_s = now_s };
	int err = store_begin(network->store);

	if (err < 0)
		return err;
	token_address_format(row.address, own);
	err = store_coordinator_purge(network->store, now_s - COORDINATORS_LIFE_S);
	if (err == 0 && relay)
		err = choose_name(network, &row, relay, any_name);
	if (err == 0)
		err = store_coordinator_put(network->store, &row);
	if (err == 0)
		err = store_commit(network->store);
	if (err < 0)
		store_rollback(network->store);
	else
		strcpy(network->own_address, row.address);
	return err;
}

int coordinators_refresh(struct network *network, uint64_t now_s)
{
	return network->own_address[0]
		       ? store_coordinator_seen(network->store, network->own_address, now_s)
		       : 0;
}

struct loading {
	struct network *network;
	const uint8_t *secret;
	size_t secret_len;
};

static void add_address(struct network *network, const struct token_address *address)
{
	for (size_t i = 0; i < network->address_count; i++)
		if (network->addresses[i].port == address->port &&
		    strcmp(network->addresses[i].host, address->host) == 0)
			return;
	if (network->address_count < TOKEN_ADDRESSES_MAX)
		network->addresses[network->address_count++] = *address;
}

static int load_one(void *arg, const struct store_coordinator *row)
{
	struct loading *loading = arg;
	struct network *network = loading->network;
	struct token_address address;
	struct store_relay *relay;

	if (token_address_parse(&address, row->address, 443) < 0)
		return -EUCLEAN;
	add_address(network, &address);
	if (!row->relay[0] || network->relay_count == NETMAP_RELAYS_MAX ||
	    is_added(network, row->relay))
		return 0;
	relay = &network->relays[network->relay_count++];
	*relay = (struct store_relay){ .secret_len = loading->secret_len, .builtin = true };
	memcpy(relay->secret, loading->secret, loading->secret_len);
	strcpy(relay->relay.name, row->relay);
	relay->relay.udp_port = row->relay_port;
	relay->relay.tls_port = address.port;
	strcpy(relay->relay.hosts[0], address.host);
	relay->relay.host_count = 1;
	return 0;
}

static void drop_builtin(struct network *network)
{
	size_t kept = 0;

	for (size_t i = 0; i < network->relay_count; i++)
		if (!network->relays[i].builtin)
			network->relays[kept++] = network->relays[i];
	network->relay_count = kept;
}

int coordinators_load(struct network *network)
{
	struct loading loading = { .network = network };
	uint8_t *secret;
	int err = store_get(network->store, NETWORK_VALUE_RELAY, &secret, &loading.secret_len);

	if (err < 0)
		return err;
	loading.secret = secret;
	drop_builtin(network);
	if (loading.secret_len > STORE_RELAY_SECRET_MAX)
		err = -EUCLEAN;
	if (err == 0)
		err = store_coordinator_each(network->store, load_one, &loading);
	network->relays_dirty = network->all_dirty = true;
	sodium_memzero(secret, loading.secret_len);
	free(secret);
	return err;
}
