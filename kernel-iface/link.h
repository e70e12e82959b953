#ifndef WARREN_KERNEL_IFACE_LINK_H
#define WARREN_KERNEL_IFACE_LINK_H

#include <stdbool.h>
#include <stdint.h>

struct netlink;

#define LINK_NAME_SIZE 16 /* IFNAMSIZ */
#define LINK_KIND_SIZE 16

/* A network interface as the kernel reports it. */
struct link_info {
	uint32_t ifindex;
	uint32_t mtu;
	bool up;      /* administratively */
	bool running; /* up, and there is a carrier */
	bool loopback;
	bool point_to_point;
	char name[LINK_NAME_SIZE];
	char kind[LINK_KIND_SIZE]; /* of a virtual one: "bridge", "tun", …; else "" */
};

/* 0, -ENODEV, -EINVAL for a name that cannot exist, or another -errno of netlink_talk. */
int link_find(struct netlink *nl, const char *name, struct link_info *info);
int link_get(struct netlink *nl, uint32_t ifindex, struct link_info *info);

/* mtu 0 leaves it as it is. 0, -ENODEV, -EPERM, -EINVAL for an mtu the device refuses. */
int link_set_up(struct netlink *nl, uint32_t ifindex, uint32_t mtu);
int link_set_down(struct netlink *nl, uint32_t ifindex);
/* Removes the interface with its addresses and routes. 0, -ENODEV, -EPERM, -EOPNOTSUPP. */
int link_delete(struct netlink *nl, uint32_t ifindex);

#endif
