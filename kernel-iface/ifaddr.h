#ifndef WARREN_KERNEL_IFACE_IFADDR_H
#define WARREN_KERNEL_IFACE_IFADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct netlink;

/* The most addresses a listing returns; a machine with more is served with the first ones. */
#define IFADDR_MAX 256

/* An address of an interface. (<net/if.h> took the name ifaddr.) */
struct iface_addr {
	struct ip_addr addr;
	uint32_t ifindex;
	uint8_t prefix_len;
	bool temporary;  /* RFC 8981 privacy address */
	bool deprecated; /* still valid, not for new flows */
	bool unusable;   /* tentative, or duplicate detection failed */
};

/*
 * Adds addr with an on-link prefix of prefix_len bits; v6 skips duplicate detection, so that the
 * address works at once. 0 also when it was there already; -ENODEV, -EPERM, -EINVAL.
 */
int iface_addr_add(struct netlink *nl, uint32_t ifindex, const struct ip_addr *addr,
		   unsigned int prefix_len);
/* 0, -EADDRNOTAVAIL when it is not there, -ENODEV, -EPERM. */
int iface_addr_remove(struct netlink *nl, uint32_t ifindex, const struct ip_addr *addr,
		      unsigned int prefix_len);

/* Every address of every interface, at most max. 0 or -errno. */
int iface_addr_list(struct netlink *nl, struct iface_addr *out, size_t max, size_t *count);

/*
 * Addresses for ICE host candidates (RFC 8445 section 5.1.1.1): unicast, neither loopback nor
 * link-local, on interfaces that are up and have a carrier, ready for use, none of tunnel's own
 * (ifindex; 0: none). A v6 temporary address displaces the other ones of its prefix, so that no
 * stable identifier is handed out. At most max. 0 or -errno.
 */
int iface_addr_candidates(struct netlink *nl, uint32_t tunnel, struct iface_addr *out, size_t max,
			  size_t *count);

#endif
