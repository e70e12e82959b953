#ifndef WARREN_RELAY_FORWARDERS_H
#define WARREN_RELAY_FORWARDERS_H

#include <stddef.h>
#include <stdint.h>

#include "io/udp.h"
#include "relay/server.h"
#include "relay/shard.h"

/*
 * The threads that forward beside the loop's: a shard for each of `threads` cores and each family.
 * ChannelData that comes to the relay's port is spread over their sockets by its sender, so that
 * a flow stays in order; everything else goes on to the loop's own sockets.
 */
struct forwarders;

/*
 * Opens sockets beside the loop's own, which were bound alone to the same port. own: v4 and v6, -1
 * where there is none; config: how each of them was opened. 0 or -errno.
 */
int forwarders_new(struct forwarders **forwarders, const int own[static 2],
		   const struct udp_config config[static 2], unsigned int threads);
/* Starts the threads. 0 or -errno. */
int forwarders_start(struct forwarders *forwarders, const struct relay_forward *forward);
/* Ends the threads and closes their sockets. Accepts NULL. */
void forwarders_free(struct forwarders *forwarders);

/* Readable when packets wait for the loop's thread. */
int forwarders_fd(const struct forwarders *forwarders);
/*
 * Gives up to limit packets that wait to take, which may change them; when more are left, the
 * descriptor stays readable.
 */
void forwarders_read(struct forwarders *forwarders, size_t limit,
		     void (*take)(void *arg, const struct shard_packet *packet, uint8_t *data),
		     void *arg);
/* Threads. */
size_t forwarders_count(const struct forwarders *forwarders);
/* Adds what all, or only the index-th, counted. */
void forwarders_add_stats_of(struct forwarders *forwarders, size_t index,
			     struct relay_stats *stats);
void forwarders_add_stats(struct forwarders *forwarders, struct relay_stats *stats);

#endif
