#ifndef WARREN_DAEMON_LOCAL_NETWORKS_H
#define WARREN_DAEMON_LOCAL_NETWORKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "kernel-iface/ifaddr.h"

struct netlink;

#define LOCAL_GATEWAYS_MAX 32
#define LOCAL_REFUSAL_SIZE 80

/*
 * What this host reaches without the overlay. A certificate may name any address at all; one of
 * these would take the LAN or the way out away from the host, so it gets no route.
 */
struct local_networks {
	struct prefix networks[IFADDR_MAX]; /* of interfaces other than the tunnel */
	size_t network_count;
	struct ip_addr gateways[LOCAL_GATEWAYS_MAX];
	size_t gateway_count;
};

/* Lists them anew. 0 with *changed said; -errno, then the former ones stay. */
int local_networks_refresh(struct local_networks *local, struct netlink *nl, uint32_t tunnel,
			   bool *changed);

/* Must addr not be an overlay address here? Then why says so: "is …" or "lies in …". */
bool local_networks_refuse(const struct local_networks *local, const struct ip_addr *addr,
			   char why[static LOCAL_REFUSAL_SIZE]);

#endif
