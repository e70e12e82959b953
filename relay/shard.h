#ifndef WARREN_RELAY_SHARD_H
#define WARREN_RELAY_SHARD_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "proto/relay_forward.h"

/*
 * A thread that forwards ChannelData from one socket of the relay's group, by what the relay's core
 * has published. What it may not decide goes to the loop's thread through a bounded queue.
 */
struct shard;
struct queue;

struct shard_config {
	const struct relay_forward *forward;
	int fd;         /* to read: one that sleeps; shard_free closes it */
	int send_fd[2]; /* v4, v6: of the same port; -1: none. Borrowed */
	int wake_fd;    /* eventfd of the loop's thread. Borrowed */
};

/* A record of the queue; the packet follows. */
struct shard_packet {
	struct endpoint from;
	struct ip_addr to;
	uint8_t tos;
	uint16_t len;
};

/* Starts the thread, with every signal blocked. 0 or -errno, and then fd is still the caller's. */
int shard_new(struct shard **shard, const struct shard_config *config);
/* Ends the thread. Accepts NULL. */
void shard_free(struct shard *shard);
/* Read by the loop's thread only. */
struct queue *shard_queue(struct shard *shard);
/* Adds what this shard counted so far to stats. */
void shard_add_stats(struct shard *shard, struct relay_stats *stats);

#endif
