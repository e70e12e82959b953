#ifndef WARREN_PROTO_RATELIMITER_H
#define WARREN_PROTO_RATELIMITER_H

#include <stdbool.h>
#include <stdint.h>

struct ip_addr;

/* Token buckets for handshakes under load, one for each IPv4 address or IPv6 /64. */
struct ratelimiter;

#define RATELIMITER_PER_SECOND  20
#define RATELIMITER_BURST       5
#define RATELIMITER_ENTRIES_MAX 65536
/* A bucket not asked for this long is full again, and forgotten. */
#define RATELIMITER_IDLE_NS 1000000000ULL

/* NULL when out of memory. */
struct ratelimiter *ratelimiter_new(void);
/* Accepts NULL. */
void ratelimiter_free(struct ratelimiter *limiter);
/* Takes a token. False when there is none, the table is full, or memory is out. */
bool ratelimiter_allow(struct ratelimiter *limiter, const struct ip_addr *from, uint64_t now_ns);

#endif
