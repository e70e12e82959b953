#ifndef WARREN_KERNEL_IFACE_SYSCTL_H
#define WARREN_KERNEL_IFACE_SYSCTL_H

#include <stddef.h>

/*
 * Switches of the kernel below /proc/sys, such as "net/ipv4/ip_forward"; those of this process's
 * network namespace. Values are one line, without its newline.
 */
#define SYSCTL_VALUE_SIZE 64

/* 0, -ENOENT when this kernel has none, -EMSGSIZE when it is longer, or another -errno. */
int sysctl_get(const char *name, char value[static SYSCTL_VALUE_SIZE]);
int sysctl_set(const char *name, const char *value);

#endif
