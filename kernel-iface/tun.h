#ifndef WARREN_KERNEL_IFACE_TUN_H
#define WARREN_KERNEL_IFACE_TUN_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A TUN device with one or more queues, each packet behind a struct vnet_hdr (proto/vnet.h).
 * Descriptors are non-blocking; the device goes away with the last of them.
 */
#define TUN_QUEUES_MAX 64
#define TUN_NAME_SIZE  16 /* IFNAMSIZ */
#define TUN_TXQUEUELEN 1000

struct tun {
	char name[TUN_NAME_SIZE];
	uint32_t ifindex;
	unsigned int queues;
	int fds[TUN_QUEUES_MAX];
	bool tso; /* large TCP and open checksums cross in both directions */
	bool uso; /* large UDP as well (Linux 6.2) */
};

/*
 * Creates the device. name: NULL or empty lets the kernel choose. offload: ask for all that the
 * kernel has. 0; -EBUSY when the name is taken, -ENOENT without /dev/net/tun, -EPERM without the
 * right to, -EINVAL for a bad name or number of queues, or another -errno.
 */
int tun_open(struct tun *tun, const char *name, unsigned int queues, bool offload);
/* Closes all queues, which removes the device. Nothing happens to one that is closed or zeroed. */
void tun_close(struct tun *tun);
/* The device is still there, wherever it was moved to; false once it was deleted. */
bool tun_exists(const struct tun *tun);
/* 0 or -errno. */
int tun_set_mtu(const struct tun *tun, unsigned int mtu);

#endif
