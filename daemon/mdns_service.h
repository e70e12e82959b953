#ifndef WARREN_DAEMON_MDNS_SERVICE_H
#define WARREN_DAEMON_MDNS_SERVICE_H

#include <stddef.h>

#include "base/addr.h"

struct iface_addr;
struct loop;

/*
 * Names for this machine's private addresses, and addresses for other machines' names, by multicast
 * DNS on the links that the addresses are on. Answers go to the asker alone, and only to questions
 * that came by multicast, so from the same link.
 */
struct mdns_service;

#define MDNS_HOSTS_MAX     16
#define MDNS_ANSWERS_PER_S 50

struct mdns_service_ops {
	/* addr of family 0: nobody answered. */
	void (*resolved)(void *arg, const char *name, const struct ip_addr *addr);
};

/*
 * Begins without addresses. Where port 5353 cannot be had, others' names can be asked for all the
 * same. 0, -ENOMEM or another -errno.
 */
int mdns_service_new(struct mdns_service **service, struct loop *loop,
		     const struct mdns_service_ops *ops, void *arg);
/* Accepts NULL. */
void mdns_service_free(struct mdns_service *service);

/* The addresses that have names from now on; those that had one keep it. */
void mdns_service_set_hosts(struct mdns_service *service, const struct iface_addr *hosts,
			    size_t count);
/* The name of one of them, NULL when it has none. */
const char *mdns_service_name(const struct mdns_service *service, const struct ip_addr *addr);
/* resolved() tells later. 0, -EINVAL, -ENOSPC. */
int mdns_service_ask(struct mdns_service *service, const char *name);

#endif
