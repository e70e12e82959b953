#ifndef WARREN_DAEMON_RESOLVE_H
#define WARREN_DAEMON_RESOLVE_H

struct local_request;

/*
 * The verb `resolve`: what a name stands for, asked of the daemon itself, so that it works without
 * anything of the system's resolver: nodes, records of the network, names of split domains, and
 * addresses, which stand for themselves. Ends the request, now or when a server has answered.
 */
void resolve_handle(void *mesh, struct local_request *request);

#endif
