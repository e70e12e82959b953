#ifndef WARREN_DAEMON_NAME_SYSTEM_H
#define WARREN_DAEMON_NAME_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "proto/forwarder.h"

struct leftovers;
struct loop;

/*
 * This system's own resolver, told to ask our server: systemd-resolved for our link when it runs;
 * and resolv.conf, unless that leads to systemd-resolved. Others who write resolv.conf meanwhile
 * are followed: what they want is asked from then on and what comes back in the end.
 */
struct name_system;

#define NAME_SYSTEM_DOMAINS_MAX 256
/* Somebody who writes resolv.conf more often than that in a minute has it for himself. */
#define NAME_SYSTEM_FIGHTS_MAX 6
#define NAME_SYSTEM_PEACE_S    300 /* for so long */

struct name_system_wish {
	uint32_t ifindex;
	struct ip_addr servers[2];
	size_t server_count;
	const char *const *domains; /* the first is searched in; copied */
	size_t domain_count;        /* 0: nothing is wished for, all is as it was */
	bool everything;            /* not only these domains */
};

/* changed: name_system_trouble, _how or _upstreams may say something else now. 0 or -ENOMEM. */
int name_system_new(struct name_system **system, struct loop *loop, struct leftovers *leftovers,
		    void (*changed)(void *arg), void *arg);
/* Gives all back. Accepts NULL. */
void name_system_free(struct name_system *system);

void name_system_set(struct name_system *system, const struct name_system_wish *wish);

/* Whom the system asks without us; never ourselves. */
const struct forwarder_servers *name_system_upstreams(const struct name_system *system);
/* "systemd-resolved", "resolv.conf", or NULL: the system does not ask us. */
const char *name_system_how(const struct name_system *system);
/* Why it does not, and what to do; "" when all is well. */
const char *name_system_trouble(const struct name_system *system);

#endif
