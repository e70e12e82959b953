#ifndef WARREN_KERNEL_IFACE_FIREWALL_H
#define WARREN_KERNEL_IFACE_FIREWALL_H

#include <stddef.h>

/*
 * The kernel's packet filter, through libnftables. Tables that carry `flags owner` belong to the
 * firewall that made them: nobody else changes them, and they go with it, however this process
 * ends.
 */
struct firewall;

#define FIREWALL_WHY_SIZE 192

/* 0, -ENOMEM. Nothing is asked of the kernel yet. */
int firewall_new(struct firewall **firewall);
/* Accepts NULL. */
void firewall_free(struct firewall *firewall);

/*
 * Applies a text in nft(8)'s language, all of it or nothing. 0; or -EPERM, -ENOENT, -EEXIST,
 * -EBUSY, -EINVAL for anything else, with why (if not NULL) filled with the first thing that nft
 * said.
 */
int firewall_apply(struct firewall *firewall, const char *text, char why[static FIREWALL_WHY_SIZE]);
/* What a `list` command prints, as JSON; *json is malloc'd. As firewall_apply. */
int firewall_list(struct firewall *firewall, const char *command, char **json);

/*
 * Removes the rules with that comment from a chain, such as "ip filter DOCKER-USER". 0, also when
 * there is no such chain or rule; or as firewall_apply.
 */
int firewall_remove_rules(struct firewall *firewall, const char *chain, const char *comment);

/*
 * Tells that somebody, perhaps we, changed a table. The descriptor is to be watched for reading;
 * 0 or -errno.
 */
int firewall_watch_open(int *fd);
/* Takes what waits there; what exactly changed is for the reader to list. */
void firewall_watch_drain(int fd);

#endif
