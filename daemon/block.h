#ifndef WARREN_DAEMON_BLOCK_H
#define WARREN_DAEMON_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/*
 * What the kernel lets out beside the tunnel while an exit is wanted, as the text of one nftables
 * transaction: the loopback, the tunnel, packets with our mark, DHCP and neighbour discovery, and
 * networks of this machine's links when they are kept, but never DNS. Everything else is refused,
 * also what this machine forwards. Answers to our own packets get our mark back as they come in, so
 * that the check of their way home (rp_filter) finds the one they were sent by.
 *
 * Without the kill switch the table is `inet warren_exit_TUN` and goes with the process that made
 * it; with it, `inet warren_block_TUN`, which stays until somebody takes it away.
 */
#define BLOCK_LOCALS_MAX 128
#define BLOCK_TEXT_MAX   16384

struct block {
	const char *tun;
	uint32_t mark;
	uint16_t port;               /* the daemon's UDP port; 0: not known yet */
	bool stays;                  /* the kill switch */
	const struct prefix *locals; /* networks that stay beside the tunnel */
	size_t local_count;          /* at most BLOCK_LOCALS_MAX; 0: none is kept */
};

/* Makes the table, or replaces it in one step. The length, or -ENOSPC. */
int block_text(char *out, size_t size, const struct block *block);
/* Its name for nft, with the family: "inet warren_block_warren0". The length, or -ENOSPC. */
int block_table_name(char *out, size_t size, const char *tun, bool stays);
/* Takes it away, also when it is not there. The length, or -ENOSPC. */
int block_remove_text(char *out, size_t size, const char *tun, bool stays);

#endif
