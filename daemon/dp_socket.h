#ifndef WARREN_DAEMON_DP_SOCKET_H
#define WARREN_DAEMON_DP_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/dp_backlog.h"
#include "daemon/dp_room.h"

struct dp_sockets;

/* One socket of a group as the engine uses it that serves it, and nobody else does. */
struct dp_socket {
	_Alignas(64) int fd; /* -1: the machine lacks the family */
	int fragment_fd;     /* for packets that may be fragmented on their way; may be fd itself */
	uint32_t number;     /* of struct dp_path */
	bool six;
	struct dp_backlog backlog;
	struct dp_room room;
};

/* The socket of that engine and family in the group, which is borrowed. */
void dp_socket_init(struct dp_socket *socket, const struct dp_sockets *group, unsigned int engine,
		    bool six, uint32_t number);
/* Nothing waits in it. Any thread may ask. */
bool dp_socket_is_empty(const struct dp_socket *socket);

#endif
