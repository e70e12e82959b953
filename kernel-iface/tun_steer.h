#ifndef WARREN_KERNEL_IFACE_TUN_STEER_H
#define WARREN_KERNEL_IFACE_TUN_STEER_H

struct tun;

/*
 * Which queue of a TUN device a packet from the host goes to. By itself the kernel remembers for
 * three seconds which queue a flow's last packet in the other direction was written to, so a flow
 * changes its queue while packets lie in the old one, and may be overtaken by itself. Here the
 * queue is the flow's slot (proto/flow_slot.h) modulo their number, from the first packet to the
 * last.
 */

/* 0; -EPERM without CAP_BPF (or CAP_SYS_ADMIN), or another -errno: then the kernel's way stays. */
int tun_steer(const struct tun *tun);
/* The program as a descriptor, for a device of so many queues; or -errno. */
int tun_steer_program(unsigned int queues);

#endif
