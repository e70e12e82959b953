#include "base/socket_mark.h"

#include <errno.h>
#include <sys/socket.h>

static uint32_t process_mark;

void socket_mark_set(uint32_t mark)
{
	process_mark = mark;
}

uint32_t socket_mark_get(void)
{
	return process_mark;
}

int socket_mark(int fd)
{
	if (!process_mark)
		return 0;
	return setsockopt(fd, SOL_SOCKET, SO_MARK, &process_mark, sizeof(process_mark)) < 0 ? -errno
											    : 0;
}
