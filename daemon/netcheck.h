#ifndef WARREN_DAEMON_NETCHECK_H
#define WARREN_DAEMON_NETCHECK_H

struct local_request;
struct mesh;

/* `warren netcheck`: asks the relays' STUN servers what the network does to us; ends the request.
 */
void netcheck_start(struct mesh *mesh, struct local_request *request);

#endif
