#ifndef WARREN_DAEMON_DP_ROOM_H
#define WARREN_DAEMON_DP_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How much of ours may wait below a socket, in the queue of the network device: what that sends in
 * a few milliseconds, measured whenever it was full. Beyond that the worker reads no more from the
 * TUN, so packets wait there, where CoDel sees them, and nothing is lost on its way out.
 */
struct dp_room {
	size_t limit;      /* bytes as the kernel counts them; poll(2) says the same */
	bool used;         /* something was sent through this socket */
	size_t full_bytes; /* when it was found full */
	uint64_t full_ns;
};

#define DP_ROOM_NS    (5 * 1000000ULL)
#define DP_ROOM_START (256U * 1024) /* a slow path is found full soon, a fast one loses nothing */
#define DP_ROOM_MIN   (128U * 1024) /* a full read of the TUN, twice: it is the kernel's count */
#define DP_ROOM_MAX   (4U * 1024 * 1024)

/* fd: -1 for a family that is not there. */
void dp_room_init(struct dp_room *room, int fd);
/* False: full. A poll for writing tells when there is room again; then call dp_room_back. */
bool dp_room_ask(struct dp_room *room, int fd, uint64_t now_ns);
/* Fits the limit to the rate at which the queue was drained. */
void dp_room_back(struct dp_room *room, int fd, uint64_t now_ns);
/* The limit for a queue that lost so many bytes in so long. */
size_t dp_room_fit(size_t drained, uint64_t elapsed_ns);

#endif
