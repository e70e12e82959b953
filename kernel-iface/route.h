#ifndef WARREN_KERNEL_IFACE_ROUTE_H
#define WARREN_KERNEL_IFACE_ROUTE_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct netlink;

/* Who added a route (rtnetlink(7)): ours carry this number, so that leftovers are recognised. */
#define ROUTE_PROTOCOL 87
/* The most routes a listing looks at. */
#define ROUTE_MAX 4096

/* A route of the main table. */
struct route {
	struct prefix dst;
	struct ip_addr gateway; /* family 0: on-link */
	uint32_t ifindex;       /* 0: none (blackhole and the like), or several */
	uint32_t metric;
	uint8_t protocol;
};

/*
 * Adds dst through the interface, with our protocol number; source, if not NULL, is preferred for
 * what the host sends there. 0 also when our own route was there already; -EEXIST when somebody
 * else's is; -ENODEV, -ENETDOWN, -EPERM.
 */
int route_add(struct netlink *nl, uint32_t ifindex, const struct prefix *dst,
	      const struct ip_addr *source);
/*
 * Sets how large packets on our route may be, in one step; 0: as large as the device's. 0, -ESRCH
 * when there is no route of ours, or another -errno.
 */
int route_set_mtu(struct netlink *nl, uint32_t ifindex, const struct prefix *dst,
		  const struct ip_addr *source, uint32_t mtu);
/* Only a route of ours. 0, -ESRCH when there is none, -EPERM. */
int route_remove(struct netlink *nl, uint32_t ifindex, const struct prefix *dst);

/*
 * How the kernel sends from a socket of ours (base/socket_mark.h) to an address now, by all of its
 * rules.
 */
struct route_choice {
	struct ip_addr source;  /* family 0: none that it would choose */
	struct ip_addr gateway; /* family 0: on-link */
	uint32_t ifindex;
};

/*
 * Asks for it. ifindex: through that interface, and only where a route says so (0: any). 0,
 * -ENETUNREACH or -EHOSTUNREACH when there is no way, or another -errno.
 */
int route_choose(struct netlink *nl, const struct ip_addr *to, uint32_t ifindex,
		 struct route_choice *choice);

/*
 * A table of our own, of any number but that of main: nobody else's routes are there, so what is
 * there is replaced. source (NULL: the kernel's choice) and mtu (0: the device's) as above. 0;
 * -ENODEV, -ENETDOWN, -EPERM.
 */
int route_table_put(struct netlink *nl, uint32_t table, uint32_t ifindex, const struct prefix *dst,
		    const struct ip_addr *source, uint32_t mtu);
/* 0, -ESRCH when there is none, -EPERM. */
int route_table_remove(struct netlink *nl, uint32_t table, uint32_t ifindex,
		       const struct prefix *dst);

/*
 * The main table, v4 and v6, at most max; the second one without those of our protocol, of which
 * there may be more than anybody has room for. 0 or -errno.
 */
int route_list(struct netlink *nl, struct route *out, size_t max, size_t *count);
int route_list_others(struct netlink *nl, struct route *out, size_t max, size_t *count);

/*
 * The default route of that family (AF_INET, AF_INET6) with the least metric that has a gateway and
 * does not go through tunnel. 0; -ENOENT when there is none; another -errno.
 */
int route_default(struct netlink *nl, int family, uint32_t tunnel, struct route *found);

/*
 * Removes every route with our protocol number on the interface; 0: on any, for a start after a
 * crash when no other daemon lives in this namespace. *removed may be NULL. 0 or -errno.
 */
int route_cleanup(struct netlink *nl, uint32_t ifindex, size_t *removed);

/*
 * Looks for a route of this host, not the default route and not on tunnel, whose network overlaps
 * prefix. 0 with *found set; -ENOENT when there is none; another -errno.
 */
int route_find_overlap(struct netlink *nl, const struct prefix *prefix, uint32_t tunnel,
		       struct route *found);

#endif
