#include "daemon/local_networks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel-iface/route.h"

static struct prefix network_of(const struct iface_addr *held)
{
	return prefix_from_addr(&held->addr, held->prefix_len);
}

/* A host's own address is no network: the kernel delivers it locally, whatever routes say. */
static bool is_network(const struct iface_addr *held, uint32_t tunnel)
{
	return held->ifindex != tunnel && held->prefix_len < addr_len(&held->addr) * 8;
}

static int list_networks(struct local_networks *local, struct netlink *nl, uint32_t tunnel)
{
	struct iface_addr held[IFADDR_MAX];
	size_t count, i;
	int err = iface_addr_list(nl, held, IFADDR_MAX, &count);

	for (i = 0; err == 0 && i < count; i++) {
		if (is_network(&held[i], tunnel))
			local->networks[local->network_count++] = network_of(&held[i]);
	}
	return err;
}

static bool is_gateway(const struct local_networks *local, const struct ip_addr *addr)
{
	size_t i;

	for (i = 0; i < local->gateway_count; i++) {
		if (addr_equal(&local->gateways[i], addr))
			return true;
	}
	return false;
}

static int list_gateways(struct local_networks *local, struct netlink *nl)
{
	struct route *routes = calloc(ROUTE_MAX, sizeof(*routes));
	size_t count, i;
	int err = routes ? route_list_others(nl, routes, ROUTE_MAX, &count) : -ENOMEM;

	for (i = 0; err == 0 && i < count && local->gateway_count < LOCAL_GATEWAYS_MAX; i++) {
		if (addr_len(&routes[i].gateway) && !is_gateway(local, &routes[i].gateway))
			local->gateways[local->gateway_count++] = routes[i].gateway;
	}
	free(routes);
	return err;
}

int local_networks_refresh(struct local_networks *local, struct netlink *nl, uint32_t tunnel,
			   bool *changed)
{
	struct local_networks found;
	int err;

	memset(&found, 0, sizeof(found)); /* padding too, for the comparison */
	err = list_networks(&found, nl, tunnel);
	if (err == 0)
		err = list_gateways(&found, nl);
	if (err < 0)
		return err;
	*changed = memcmp(local, &found, sizeof(found)) != 0;
	memcpy(local, &found, sizeof(found));
	return 0;
}

bool local_networks_refuse(const struct local_networks *local, const struct ip_addr *addr,
			   char why[static LOCAL_REFUSAL_SIZE])
{
	char text[PREFIX_TEXT_SIZE];
	size_t i;

	if (!addr_is_unicast(addr)) {
		snprintf(why, LOCAL_REFUSAL_SIZE, "is no address for a node");
		return true;
	}
	if (is_gateway(local, addr)) {
		snprintf(why, LOCAL_REFUSAL_SIZE, "is a gateway of this machine");
		return true;
	}
	for (i = 0; i < local->network_count; i++) {
		if (!prefix_contains(&local->networks[i], addr))
			continue;
		snprintf(why, LOCAL_REFUSAL_SIZE, "lies in the local network %s",
			 prefix_format(text, &local->networks[i]));
		return true;
	}
	return false;
}
