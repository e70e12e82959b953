#ifndef WARREN_DAEMON_DP_SOCKETS_H
#define WARREN_DAEMON_DP_SOCKETS_H

#include <stdint.h>

#include "daemon/dataplane.h"

/*
 * The reuseport group on the one UDP port: a socket of each family for every worker and, last, for
 * the control thread. -1 where the machine lacks a family.
 */
struct dp_sockets {
	unsigned int count;
	uint16_t port;
	int fd[DP_WORKERS_MAX + 1][2]; /* [0] v4, [1] v6 */
	/*
	 * With config.path_mtu, when the others never fragment: what goes out here may be. They
	 * are the last of the group, where the steering program sends nothing. -1: none.
	 */
	int fragment_fd[2];
};

/* workers + 1 pairs. 0, -EADDRINUSE, or another -errno. */
int dp_sockets_open(struct dp_sockets *sockets, unsigned int workers,
		    const struct dp_config *config);
/*
 * The same around a socket of one family that is bound to its wildcard address, and alone on its
 * port: it becomes the first worker's, so what waits in it is served like all that comes later.
 * On failure it stays the caller's. 0, -EINVAL, or another -errno.
 */
int dp_sockets_adopt(struct dp_sockets *sockets, int fd, unsigned int workers,
		     const struct dp_config *config);
void dp_sockets_close(struct dp_sockets *sockets);
int dp_sockets_set_fwmark(const struct dp_sockets *sockets, uint32_t fwmark);

#endif
