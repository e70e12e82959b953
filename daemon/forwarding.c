#include "daemon/forwarding.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/leftovers.h"
#include "kernel-iface/sysctl.h"

#define FORWARD4 "net/ipv4/ip_forward"
#define FORWARD6 "net/ipv6/conf/all/forwarding"
#define DEVICES6 "/proc/sys/net/ipv6/conf"

#define NAME_SIZE 96

static int change(struct leftovers *leftovers, const char *name, const char *value)
{
	char now[SYSCTL_VALUE_SIZE];
	int err = sysctl_get(name, now);

	if (err < 0 || strcmp(now, value) == 0)
		return err;
	err = leftovers_note_sysctl(leftovers, name, value);
	return err < 0 ? err : sysctl_set(name, value);
}

/* Calls back with the name of every device's accept_ra. */
static int each_device(struct leftovers *leftovers,
		       int (*each)(struct leftovers *leftovers, const char *name))
{
	DIR *devices = opendir(DEVICES6);
	const struct dirent *entry;
	char name[NAME_SIZE];
	int err = 0;

	if (!devices)
		return -errno;
	while (err == 0 && (entry = readdir(devices))) {
		if (entry->d_name[0] == '.' || strcmp(entry->d_name, "all") == 0)
			continue;
		snprintf(name, sizeof(name), "net/ipv6/conf/%.32s/accept_ra", entry->d_name);
		err = each(leftovers, name);
	}
	closedir(devices);
	return err;
}

/* 1: unless it is a router; 2: always. */
static int keep_learning(struct leftovers *leftovers, const char *name)
{
	char now[SYSCTL_VALUE_SIZE];
	int err = sysctl_get(name, now);

	if (err == 0 && strcmp(now, "1") == 0)
		err = change(leftovers, name, "2");
	return err == -ENOENT ? 0 : err; /* it has just gone */
}

int forwarding_start(struct leftovers *leftovers, int family)
{
	char now[SYSCTL_VALUE_SIZE];
	int err;

	if (family == AF_INET)
		return change(leftovers, FORWARD4, "1");
	err = sysctl_get(FORWARD6, now);
	if (err < 0 || strcmp(now, "0") != 0)
		return err;
	err = each_device(leftovers, keep_learning);
	return err < 0 ? err : change(leftovers, FORWARD6, "1");
}

int forwarding_stop(struct leftovers *leftovers, int family)
{
	int err = leftovers_undo_sysctl(leftovers, family == AF_INET ? FORWARD4 : FORWARD6);

	if (family == AF_INET6) {
		int rest = each_device(leftovers, leftovers_undo_sysctl);

		err = err < 0 ? err : rest;
	}
	return err == -ENOENT ? 0 : err;
}
