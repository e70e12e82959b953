#ifndef WARREN_DAEMON_BLOCK_H
#define WARREN_DAEMON_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/*
 * What the kernel lets out beside the tunnel while an exit is in use, as the text of one nftables
 * transaction. The table is `inet warren_block_TUN`.
 *
 * Names of the system are asked through the tunnel only: DNS beside it is refused always. With the
 * kill switch everything else is too, but: the loopback, the tunnel, packets with our mark, DHCP
 * and neighbour discovery, and local networks when they are kept. The table then belongs to nobody,
 * so that it stays when the daemon dies; without the kill switch it goes with its owner.
 */
#define BLOCK_LOCALS_MAX 64
#define BLOCK_TEXT_MAX   8192

struct block {
	const char *tun;
	uint32_t mark;
	bool all; /* the kill switch */
	bool keep_local;
	const struct prefix *locals; /* networks of this machine's links, when they are kept */
	size_t local_count;          /* at most BLOCK_LOCALS_MAX */
};

/* Makes the table, or replaces it in one step. The length, or -ENOSPC. */
int block_text(char *out, size_t size, const struct block *block);
/* Takes it away, also when it is not there. The length, or -ENOSPC. */
int block_remove_text(char *out, size_t size, const char *tun);

#endif
