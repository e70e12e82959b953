#ifndef WARREN_BASE_SOCKET_MARK_H
#define WARREN_BASE_SOCKET_MARK_H

#include <stdint.h>

/*
 * The mark (SO_MARK) of all the sockets of this process that reach the network, by which the
 * kernel's rules know the tunnel's own packets: they never go through the tunnel, whatever prefixes
 * it carries. Set once, before there is any socket; 0, as at first: none.
 */
void socket_mark_set(uint32_t mark);
uint32_t socket_mark_get(void);

/* For each socket that is opened. Without a mark nothing is done. 0 or -errno. */
int socket_mark(int fd);

#endif
