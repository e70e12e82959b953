#include "daemon/dp_socket.h"

#include <string.h>
#include <sys/ioctl.h>

#include "daemon/dp_sockets.h"

void dp_socket_init(struct dp_socket *socket, const struct dp_sockets *group, unsigned int engine,
		    bool six, uint32_t number)
{
	int fragment_fd = group->fragment_fd[six];

	memset(socket, 0, sizeof(*socket));
	socket->fd = group->fd[engine][six];
	socket->fragment_fd = fragment_fd < 0 ? socket->fd : fragment_fd;
	socket->number = number;
	socket->six = six;
	dp_backlog_init(&socket->backlog);
}

bool dp_socket_is_empty(const struct dp_socket *socket)
{
	int waiting = 0;

	return socket->fd < 0 || ioctl(socket->fd, FIONREAD, &waiting) < 0 || waiting == 0;
}
