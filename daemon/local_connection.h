#ifndef WARREN_DAEMON_LOCAL_CONNECTION_H
#define WARREN_DAEMON_LOCAL_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "daemon/local_server.h"

/*
 * The connections of the local socket, for local_server.c: who is at the other end, one request in,
 * lines out. struct local_request is one connection.
 */
struct local_connections {
	struct loop *loop;
	const struct local_verb *verbs;
	size_t verb_count;
	void *arg;
	gid_t group; /* of the socket: its members may read */
	struct local_request *first;
	size_t count;
};

enum local_access {
	LOCAL_ACCESS_NONE,
	LOCAL_ACCESS_READ,
	LOCAL_ACCESS_ALL,
};

/* What a peer with these credentials may do. groups: its supplementary ones. */
enum local_access local_access_of(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count,
				  uid_t daemon_uid, gid_t socket_group);

/* Takes over fd; answers with a failure at once when there are too many or the peer may nothing. */
void local_connections_add(struct local_connections *connections, int fd);
/* Cancels every request and closes. */
void local_connections_clear(struct local_connections *connections);

#endif
