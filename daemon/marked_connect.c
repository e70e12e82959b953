#include <stdbool.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/socket_mark.h"

static bool reaches_network(const struct sockaddr *to)
{
	return to && (to->sa_family == AF_INET || to->sa_family == AF_INET6);
}

/*
 * libwebsockets 4.1 tells nobody of a socket before its first packet has left, so this stands
 * before libc's. A socket that has a mark of its own keeps it.
 */
__attribute__((visibility("default"), used)) int connect(int fd, const struct sockaddr *to,
							 socklen_t len)
{
	uint32_t held = 0;
	socklen_t held_len = sizeof(held);

	if (socket_mark_get() && reaches_network(to) &&
	    getsockopt(fd, SOL_SOCKET, SO_MARK, &held, &held_len) == 0 && !held)
		(void)socket_mark(fd);
	return (int)syscall(SYS_connect, fd, to, len);
}
