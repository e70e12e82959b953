#ifndef WARREN_KERNEL_IFACE_MONITOR_H
#define WARREN_KERNEL_IFACE_MONITOR_H

#include <stdint.h>

/*
 * Tells that links, addresses or routes changed. The first event is told at once; those of the same
 * burst (a cable or a sleep brings dozens) are gathered, for MONITOR_GAP_MS at first and twice as
 * long each time, up to MONITOR_COALESCE_MS. It says what kind of thing changed; the reader lists
 * the new state for itself.
 */
struct monitor;

#define MONITOR_GAP_MS      5
#define MONITOR_COALESCE_MS 50
#define MONITOR_BURST_MS    500 /* a burst is over when nothing was told for so long */

enum monitor_change {
	MONITOR_LINK = 1 << 0,
	MONITOR_ADDR = 1 << 1,
	MONITOR_ROUTE = 1 << 2,
	MONITOR_TUNNEL = 1 << 3, /* our own device was deleted, set down or lost an address */
	MONITOR_RULE = 1 << 4,   /* a rule of ours, or of others, was removed */
};

/* 0 or -errno; *monitor is the caller's to free. */
int monitor_new(struct monitor **monitor);
/* Accepts NULL. */
void monitor_free(struct monitor *monitor);

/* The interface of our own: what is added to it is no change. 0: none yet. */
void monitor_set_tunnel(struct monitor *monitor, uint32_t ifindex);

/* To be watched for reading; stays the monitor's. */
int monitor_fd(const struct monitor *monitor);
/* Reads what waits, never blocks. An overrun counts as everything changed. 0 or -errno. */
int monitor_read(struct monitor *monitor, uint64_t now_ns);
/* When monitor_take has something to say; CLOCK_NEVER when nothing happened. */
uint64_t monitor_next_ns(const struct monitor *monitor);
/* The changes (enum monitor_change) gathered, and forgets them; 0 before monitor_next_ns. */
unsigned int monitor_take(struct monitor *monitor, uint64_t now_ns);

#endif
