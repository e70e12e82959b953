#include "io/source.h"

#include <errno.h>
#include <unistd.h>

#include "base/socket_mark.h"

/* Connecting a datagram socket makes the kernel choose a route and a source, and no packet. */
int source_address(struct ip_addr *source, const struct endpoint *remote)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&ss, remote);
	struct endpoint local;
	int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	socket_mark(fd); /* as what is sent then */
	if (connect(fd, (struct sockaddr *)&ss, len) < 0) {
		err = -errno;
	} else {
		len = sizeof(ss);
		if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
			err = -errno;
		else
			err = endpoint_from_sockaddr(&local, (struct sockaddr *)&ss);
	}
	close(fd);
	if (err == 0)
		*source = local.addr;
	return err;
}
