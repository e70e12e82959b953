#include "kernel-iface/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/vnet.h"

/* Debian 12's headers are older than its kernels may be. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define OFFLOAD_TSO (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)
#define OFFLOAD_USO (TUN_F_USO4 | TUN_F_USO6)

static int open_queue(struct ifreq *ifr, short flags)
{
	int hdr_size = VNET_HDR_SIZE;
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int err;

	if (fd < 0) {
		/* Without the driver, opening the node says ENODEV. */
		err = errno == ENODEV || errno == ENXIO ? -ENOENT : -errno;
		return err == -EACCES ? -EPERM : err;
	}
	ifr->ifr_flags = flags;
	if (ioctl(fd, TUNSETIFF, ifr) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &hdr_size) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* The mask is the device's, so all queues get the one that the first was granted. */
static int set_offload(struct tun *tun)
{
	unsigned int mask = OFFLOAD_TSO | OFFLOAD_USO;

	if (ioctl(tun->fds[0], TUNSETOFFLOAD, mask) < 0) {
		mask = OFFLOAD_TSO;
		if (ioctl(tun->fds[0], TUNSETOFFLOAD, mask) < 0)
			return 0; /* works without */
	}
	for (unsigned int i = 1; i < tun->queues; i++)
		if (ioctl(tun->fds[i], TUNSETOFFLOAD, mask) < 0)
			return -errno;
	tun->tso = true;
	tun->uso = (mask & OFFLOAD_USO) != 0;
	return 0;
}

static int device_ioctl(const char *name, unsigned long request, int value)
{
	struct ifreq ifr = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
	/* ifr_mtu and ifr_qlen are the same int. */
	ifr.ifr_mtu = value;
	if (ioctl(fd, request, &ifr) < 0)
		err = -errno;
	close(fd);
	return err;
}

int tun_open(struct tun *out, const char *name, unsigned int queues, bool offload)
{
	struct tun tun = { .fds = { 0 } };
	struct ifreq ifr = { 0 };
	short flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE;
	int err = 0;

	if (!queues || queues > TUN_QUEUES_MAX || (name && strlen(name) >= IFNAMSIZ))
		return -EINVAL;
	if (name)
		memcpy(ifr.ifr_name, name, strlen(name));
	for (unsigned int i = 0; i < queues; i++) {
		/* Only the first creates: never a queue of somebody else's device. */
		int fd = open_queue(&ifr, i ? flags : (short)(flags | IFF_TUN_EXCL));

		if (fd < 0) {
			err = fd;
			goto fail;
		}
		tun.fds[tun.queues++] = fd;
	}
	memcpy(tun.name, ifr.ifr_name, sizeof(tun.name));
	tun.name[TUN_NAME_SIZE - 1] = '\0';
	tun.ifindex = if_nametoindex(tun.name);
	if (offload)
		err = set_offload(&tun);
	if (!err)
		err = device_ioctl(tun.name, SIOCSIFTXQLEN, TUN_TXQUEUELEN);
	if (err < 0)
		goto fail;
	*out = tun;
	return 0;

fail:
	tun_close(&tun);
	return err;
}

void tun_close(struct tun *tun)
{
	for (unsigned int i = 0; i < tun->queues; i++)
		close(tun->fds[i]);
	tun->queues = 0;
}

bool tun_exists(const struct tun *tun)
{
	struct ifreq ifr = { 0 };

	/* A queue whose device is gone answers EBADFD. */
	return ioctl(tun->fds[0], TUNGETIFF, &ifr) == 0;
}

int tun_set_mtu(const struct tun *tun, unsigned int mtu)
{
	return device_ioctl(tun->name, SIOCSIFMTU, (int)mtu);
}
