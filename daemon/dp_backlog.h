#ifndef WARREN_DAEMON_DP_BACKLOG_H
#define WARREN_DAEMON_DP_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/codel.h"

/*
 * A queue of the kernel's that a worker reads from in turns: the TUN's towards peers, a socket's
 * from them. Nobody says how long it is or when packets came, but the reader sees it empty, and
 * what it takes has waited no longer than since then. A queue that was empty once in a hundred
 * milliseconds does not stand; one that was not gets CoDel's signals until it is.
 */
struct dp_backlog {
	uint64_t since_ns; /* the first turn after it was last seen empty */
	bool empty;
	bool owed; /* a signal that waits for a packet worth it */
	struct codel codel;
};

void dp_backlog_init(struct dp_backlog *backlog);
/* A turn begins; something waits. */
void dp_backlog_turn(struct dp_backlog *backlog, uint64_t now_ns);
/*
 * Something of len bytes was taken, which the kernel says has waited so long (UINT64_MAX: it does
 * not say). True when it is to be marked or dropped. A queue stands because of large packets: small
 * ones, an acknowledgment or somebody's voice, are spared, and the next large one is signalled.
 */
bool dp_backlog_take(struct dp_backlog *backlog, size_t len, uint64_t waited_ns, uint64_t now_ns);
#define DP_BACKLOG_LARGE 512
/* Nothing is left. */
void dp_backlog_emptied(struct dp_backlog *backlog);

#endif
