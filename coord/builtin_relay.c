#include "coord/builtin_relay.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "coord/network.h"
#include "coord/options.h"
#include "relay/server.h"

/* Nodes reach it where they reach the coordinator: the public hosts, TLS on the public port. */
static int list_first(struct network *network, const char *name, uint16_t udp_port,
		      const uint8_t *secret, size_t secret_len)
{
	struct store_relay *first = &network->relays[0];

	for (size_t i = 0; i < network->relay_count; i++)
		if (strcmp(network->relays[i].relay.name, name) == 0)
			return -EEXIST;
	if (network->relay_count == NETMAP_RELAYS_MAX || secret_len > sizeof(first->secret))
		return -ENOSPC;
	memmove(first + 1, first, network->relay_count * sizeof(*first));
	network->relay_count++;
	*first = (struct store_relay){ .secret_len = secret_len, .builtin = true };
	memcpy(first->secret, secret, secret_len);
	strcpy(first->relay.name, name);
	first->relay.udp_port = udp_port;
	first->relay.tls_port = network->addresses[0].port;
	for (size_t i = 0; i < network->address_count && i < NETMAP_RELAY_HOSTS_MAX; i++)
		strcpy(first->relay.hosts[first->relay.host_count++], network->addresses[i].host);
	return 0;
}

int builtin_relay_start(struct relay **relay, struct loop *loop, struct network *network,
			const struct options *options)
{
	struct relay_config config = { .listen = options->relay_listen,
				       .alt = options->relay_alt,
				       .secret_count = 1,
				       .threads = 1 };
	uint8_t *secret;
	size_t len;
	int err = store_get(network->store, NETWORK_VALUE_RELAY, &secret, &len);

	if (err < 0)
		return err;
	config.secrets[0].bytes = secret;
	config.secrets[0].len = len;
	err = relay_new(relay, loop, &config);
	if (err == 0 && !store_is_shared(network->store))
		err = list_first(network, options->relay_name, relay_port(*relay), secret, len);
	sodium_memzero(secret, len);
	free(secret);
	return err;
}
