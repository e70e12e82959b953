#ifndef WARREN_DAEMON_UNDERLAY_H
#define WARREN_DAEMON_UNDERLAY_H

#include <stdint.h>

struct netlink;

/*
 * The largest inner packet that a link of this machine carries, whatever way it takes: its MTU less
 * IPv6, UDP and WireGuard, 1420 for an ordinary one. 1280 at least, and on a machine without links.
 */
unsigned int underlay_inner_mtu(struct netlink *nl, uint32_t tunnel);

#endif
