#ifndef WARREN_KERNEL_IFACE_RESOLVED_H
#define WARREN_KERNEL_IFACE_RESOLVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/*
 * systemd-resolved, over the system bus: which servers are asked for which domains on one link. It
 * forgets all of it when the link goes. Nothing here waits; whoever has the loop watches the
 * descriptor.
 */
struct resolved;

#define RESOLVED_SERVERS_MAX 4
#define RESOLVED_DOMAINS_MAX 256 /* what resolved takes for a link */

enum resolved_presence {
	RESOLVED_UNKNOWN, /* asked, not answered yet */
	RESOLVED_ABSENT,
	RESOLVED_PRESENT,
};

struct resolved_link {
	uint32_t ifindex;
	struct ip_addr servers[RESOLVED_SERVERS_MAX];
	size_t server_count;
	const char *const *domains; /* the first is searched in, the others only lead here */
	size_t domain_count;
	bool everything; /* whatever no other link has a domain for */
};

/* Connects to the bus. 0; -ENOENT, -ECONNREFUSED: there is none; or another -errno. */
int resolved_new(struct resolved **resolved);
/* Accepts NULL. What was set stays as long as the link does. */
void resolved_free(struct resolved *resolved);

int resolved_fd(const struct resolved *resolved);
/* Of poll(2), to be watched for; asked again after each resolved_process. */
int resolved_events(const struct resolved *resolved);
/* When to process without an event, on CLOCK_MONOTONIC; CLOCK_NEVER: only then. */
uint64_t resolved_next_ns(const struct resolved *resolved);
/* 0, or -errno when the bus is gone: free it and try again later. */
int resolved_process(struct resolved *resolved);

enum resolved_presence resolved_presence(const struct resolved *resolved);
/*
 * How often it has appeared: what was set before is to be set again when this grows. 0 while it was
 * never there.
 */
unsigned int resolved_starts(const struct resolved *resolved);
/* Why it refused some of the settings that it answered last, "" when it took all. */
const char *resolved_error(const struct resolved *resolved);

/* Asks for these settings of the link. 0 when they are on their way, or -errno. */
int resolved_set(struct resolved *resolved, const struct resolved_link *link);
/* The link has none any more. */
int resolved_revert(struct resolved *resolved, uint32_t ifindex);

#endif
