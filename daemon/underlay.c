#include "daemon/underlay.h"

#include "kernel-iface/ifaddr.h"
#include "kernel-iface/link.h"
#include "proto/pathmtu.h"

#define OVERHEAD (40 + 8 + 32)

unsigned int underlay_inner_mtu(struct netlink *nl, uint32_t tunnel)
{
	struct iface_addr held[IFADDR_MAX];
	unsigned int largest = PATHMTU_BASE;
	uint32_t seen = 0;
	size_t count, i;

	if (iface_addr_candidates(nl, tunnel, held, IFADDR_MAX, &count) < 0)
		return largest;
	for (i = 0; i < count; i++) {
		struct link_info link;

		if (held[i].ifindex == seen || link_get(nl, held[i].ifindex, &link) < 0)
			continue;
		seen = held[i].ifindex;
		if (link.mtu > OVERHEAD && link.mtu - OVERHEAD > largest)
			largest = link.mtu - OVERHEAD;
	}
	return largest < PATHMTU_MAX ? largest : PATHMTU_MAX;
}
