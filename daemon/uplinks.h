#ifndef WARREN_DAEMON_UPLINKS_H
#define WARREN_DAEMON_UPLINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "kernel-iface/route.h"

struct netlink;

#define UPLINKS_MAX 32

/*
 * By which interface, router and own address this machine goes out, to the servers it knows and to
 * the internet in each family. That another network is in use shows here even when no address came
 * or went: Wi-Fi is still there while its default route is not the best one any more.
 */
struct uplinks {
	struct uplink {
		struct ip_addr to;
		bool up;
		struct route_choice way;
	} list[UPLINKS_MAX]; /* first the internet, v4 and v6 */
	size_t count;
};

/*
 * Asks the kernel anew; tunnel is the own device, which is no uplink. True when one of those that
 * were known before leads elsewhere, begins or ends.
 */
bool uplinks_refresh(struct uplinks *uplinks, struct netlink *nl, uint32_t tunnel,
		     const struct ip_addr *servers, size_t count);
/* Does anything lead out? */
bool uplinks_any(const struct uplinks *uplinks);

#endif
