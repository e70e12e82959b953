#ifndef WARREN_KERNEL_IFACE_TUN_MTU_H
#define WARREN_KERNEL_IFACE_TUN_MTU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How long packets into a TUN device may be: the MTU of the device, which anybody may change, and
 * the smaller ones of routes over it (ip route add … dev TUN mtu N), of whichever table.
 */
struct tun_mtu;

#define TUN_MTU_MAX 8 /* different ones */

/* For the device with this number in this network namespace. 0 or -errno. */
int tun_mtu_new(struct tun_mtu **mtu, uint32_t ifindex);
/* Accepts NULL. */
void tun_mtu_free(struct tun_mtu *mtu);

/* To be watched for reading; stays the object's. */
int tun_mtu_fd(const struct tun_mtu *mtu);
/* Reads what waits, never blocks. True when the list may have changed. */
bool tun_mtu_changed(struct tun_mtu *mtu);
/*
 * The device's own first, then those of routes, each once; the rest of out is 0. 0 or -errno:
 * -ENODEV also when the device has moved to another namespace.
 */
int tun_mtu_list(struct tun_mtu *mtu, uint32_t out[static TUN_MTU_MAX]);

#endif
