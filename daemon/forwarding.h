#ifndef WARREN_DAEMON_FORWARDING_H
#define WARREN_DAEMON_FORWARDING_H

struct leftovers;

/*
 * The kernel's switches without which it hands nothing on. family: AF_INET or AF_INET6. Before v6
 * is switched on, interfaces that learn their default route from routers are told to go on doing
 * so, which a router by itself does not.
 *
 * 0, also when all is as wanted; or -errno.
 */
int forwarding_start(struct leftovers *leftovers, int family);
/* Puts back what forwarding_start changed. */
int forwarding_stop(struct leftovers *leftovers, int family);

#endif
